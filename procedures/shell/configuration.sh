# OpenNebula's configuration files.
# Copies of the configuration files, kept only while packages are replaced.
kept_configuration=/var/lib/opennebula-ha/configuration
as_it_was() { # sets now, to the path
    now=$kept_configuration$1
    [ -e "$now" ] || now=$1
}
# Report each file that exists: MODE OWNER PATH TEXT, with its line breaks as \n.
give_files() {
    local file now mode owner text report='' present=()
    for file in $files; do
        as_it_was "$file"
        [ ! -f "$now" ] || present+=("$now")
    done
    [ ${#present[@]} = 0 ] || while read -r mode owner now; do
        text=
        IFS= read -r -d '' text <"$now" || true
        text=${text//\\/\\\\}
        report+="$mode $owner ${now#"$kept_configuration"} ${text//$'\n'/\\n}"$'\n'
    done < <(stat -L -c '%a %U:%G %n' "${present[@]}" 2>/dev/null || true)
    tell files "$report"
}

# Replace oned.conf for the next start: then none waits for a rollout.
conf=/etc/one/oned.conf
put_conf() {
    put "$conf" "$1"
    rm -f "$conf.next" "$conf.before"
}
# After an interrupted restart, the kept file is the one that oned was last started with.
drop_former_conf() {
    local started
    [ -e "$conf.before" ] && systemctl -q is-active opennebula.service || return 0
    started=$(date -d "$(systemctl show -p ActiveEnterTimestamp --value opennebula.service)" +%s)
    [ "$started" -lt "$(stat -c %Y "$conf")" ] || rm -f "$conf.before"
}
# Restore what a run left that was interrupted while it replaced packages: see rpm.sh.
bring_back_configuration() {
    local file
    [ -e "$kept_configuration" ] || return 0
    while IFS= read -r -d '' file; do
        if ! cmp -s "$kept_configuration$file" "$file" && cmp -s "$kept_configuration$file" "$file.rpmsave"; then
            [ ! -e "$file" ] || mv "$file" "$file.rpmnew"
            mv "$file.rpmsave" "$file"
        fi
    done < <(find "$kept_configuration" -type f -printf '/%P\0')
    rm -rf "$kept_configuration"
}
[ -z "$exclusive" ] || bring_back_configuration
