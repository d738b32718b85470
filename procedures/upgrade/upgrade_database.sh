# Upgrade a stopped oned's database to the version that the installed packages need.
#: use copies dumps mariadb marks oned onedb
#: db_name
#: dump: of the present database
#: instead: a kept dump to roll back to, or nothing
#: servers: of the zone at present, lines ID NAME
require_stopped
# The database itself, or a dump of it.
may_replace=yes
servers_of_then() {
    local entry id name
    sql "$scratch" -e "SELECT body FROM zone_pool WHERE oid = 0" | tr -d '\n' |
        sed 's/<!\[CDATA\[//g; s/]]>//g' | grep -oP '<SERVER>.*?</SERVER>' |
        while read -r entry; do
            id=${entry#*<ID>} name=${entry#*<NAME>}
            echo "${id%%<*} ${name%%<*}"
        done | LC_ALL=C sort
}
if [ -n "$instead" ]; then
    step "put the kept database in place"
    import_dump "$instead"
    [ "$(servers_of_then)" = "$servers" ] ||
        refuse "the zone's present servers in $instead" "$(servers_of_then)" \
            "let the zone have the same front-ends as at that time, then run again"
    keep_settings "going-back"
    # tar on EL 8 does not know zstd.
    zstd -dc "${instead%.sql.zst}.keys.tar.zst" | tar -C /var/lib/one -xf -
    put_in_place
else
    if [ -e "$migrating" ]; then
        step "restore the database from before an interrupted upgrade"
        import_dump "$(cat "$migrating")"
        put_in_place
    fi
    step "upgrade the database"
    put "$migrating" "$dump"
    if ! said=$(runuser -u oneadmin -- onedb upgrade -v --no-backup 2>&1); then
        import_dump "$dump"
        put_in_place
        rm -f "$migrating"
        refuse "onedb upgrade to succeed" "$(tail -n 8 <<<"$said")" \
            "correct what onedb reports, or set opennebula-ha:one_version back"
    fi
    rm -f "$migrating"
fi
there=$(sql "$db_name" -e "$schema") needed=$(schema_in <"$onedb_schema")
[ "$there" = "$needed" ] || refuse "a database of version $needed" "$there" \
    "set opennebula-ha:one_version back; the dump from before is $dump"
