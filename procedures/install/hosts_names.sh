# Add names to our part of the hosts files, and take one out.
#: use blocks hosts_files
#: added: lines ADDRESS NAME
#: removed: a name, or nothing
for file in $(hosts_files); do
    had=$(block_of "$file")
    lines=$(awk -v added="$added" -v gone="$removed" '
        BEGIN {
            count = split(added, words, /[ \n]/)
            for (i = 2; i <= count; i += 2) known[words[i]] = 1
        }
        $2 != gone && !($2 in known)' <<<"$had")
    lines+=${added:+${lines:+$'\n'}$added}
    [ "$lines" != "$had" ] || continue
    step "change the front-ends' names in $file"
    kept=$(without_block "$file")
    put_block "$file" "$kept"$'\n' "$lines"
done
