# Take a front-end that has left the zone out of our part of the hosts files.
#: use blocks hosts_files
#: name
for file in $(hosts_files); do
    block_of "$file" | awk -v name="$name" '$2 == name {found = 1} END {exit !found}' || continue
    step "remove $name from $file"
    put "$file" "$(awk -v begin="$begin" -v end="$end" -v name="$name" '
        $0 == begin {inside = 1}
        $0 == end {inside = 0}
        !(inside && $2 == name)' "$file")"
done
