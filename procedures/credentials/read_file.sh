# Read a file.
#: file
[ -e "$file" ] || refuse "a file $file" "none" "run again"
give text <"$file"
