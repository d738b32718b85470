# What stands in a file. Variable: file.
[ -e "$file" ] || refuse "a file $file" "none" "run again"
give text <"$file"
