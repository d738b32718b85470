# Copies of a zone's database, and how to put one in place. Variables: db_name, may_replace.
#: use mariadb marks
# Drop only an empty database, one of our own interrupted bootstrap, or a copy of this zone's.
# Variable: may_replace (yes: it is such a copy).
require_replaceable() {
    local there kept
    there=$(sql -e "SELECT table_name FROM information_schema.tables
        WHERE table_schema = '$db_name' UNION ALL $further")
    [ -n "$there" ] && [ "$may_replace" != yes ] || return 0
    if grep -qsx started "$claimed" && [ "$(count_users)" = 0 ]; then
        # Most likely it is ours. If not, nothing in it is lost.
        kept=/var/backups/opennebula/$(date -u +%Y%m%dT%H%M%SZ)-of-none-before-bootstrap.sql.zst
        (
            umask 077
            mkdir -p "$(dirname "$kept")"
            client mariadb-dump mysqldump --single-transaction --routines --events --hex-blob "$db_name" |
                zstd -q >"$kept"
        )
        return 0
    fi
    refuse "no database $db_name, or an empty one" "$(head -n 3 <<<"$there" | paste -sd' ') in it" \
        "set opennebula-ha:db_name to a name that is free; or, if nothing in it is needed, drop it; then run again"
}
# Import a dump from standard input next to the database. It is SQL from another host: not root
# reads it, but an account that may use only the scratch database, with a client that runs no
# commands such as a shell's.
make_scratch() { sql -e "DROP DATABASE IF EXISTS $scratch; CREATE DATABASE $scratch"; }
make_importer() {
    # Password policies accept this form.
    importer_password=aA1_$(head -c 40 /dev/urandom | od -An -tx1 | tr -d ' \n')
    import_session=foreign_key_checks=0
    sql <<<"DROP USER IF EXISTS $importer;
        CREATE USER $importer IDENTIFIED BY '$importer_password';
        GRANT SELECT, INSERT, CREATE, DROP, ALTER, INDEX, REFERENCES, LOCK TABLES, CREATE VIEW,
            SHOW VIEW, TRIGGER ON \`${scratch//_/\\_}\`.* TO $importer"
    # Nothing needs the binary log of this import, and without it the import takes half the time. On
    # an older server, only an account with all rights may switch it off.
    ! sql -e "GRANT BINLOG ADMIN ON *.* TO $importer" 2>/dev/null || import_session+=,sql_log_bin=0
}
fill_scratch() {
    # Dumps of a newer release begin with a line that an older client rejects.
    zstd -dc | {
        IFS= read -r line || true
        [[ $line == '/*'*999999* ]] || printf '%s\n' "$line"
        # Views and triggers belong to this account: root's would act as root.
        LC_ALL=C sed -E '/^\/\*!500(03|13) /s/DEFINER=`[^`]*`@`[^`]*`//'
    } | HOME=/nonexistent "$(command -v mariadb || command -v mysql)" \
        --defaults-extra-file=<(printf '[client]\npassword=%s\n' "$importer_password") \
        --user="${importer%@*}" "${here[@]}" --batch --binary-mode --local-infile=0 --skip-force \
        --init-command="SET SESSION $import_session" "$scratch" 2>&1 >/dev/null | errors >&2
}
# What fill_scratch needs, as a separate program.
import_program() {
    echo "set -euo pipefail"
    declare -p scratch importer importer_password import_session here
    declare -f fill_scratch errors
    echo fill_scratch
}
import_dump() { # FILE
    make_scratch
    make_importer
    fill_scratch <"$1"
    drop_importer
}
# Exchange all tables in one statement: the database is the old one, empty, or complete. Variable:
# may_replace.
put_in_place() {
    local moves triggers
    # Views and triggers of others cannot move to another database. The dump contains them.
    triggers=$(sql -e "SELECT CONCAT('DROP TRIGGER $scratch.\`', REPLACE(trigger_name, '\`', '\`\`'), '\`;')
        FROM information_schema.triggers WHERE trigger_schema = '$scratch'")
    moves=$(sql -e "SELECT CONCAT('$scratch.\`', name, '\` TO \`$db_name\`.\`', name, '\`')
        FROM (SELECT REPLACE(table_name, '\`', '\`\`') AS name FROM information_schema.tables
            WHERE table_schema = '$scratch' AND table_type <> 'VIEW') AS sent" | paste -sd,)
    [ -n "$moves" ] || refuse "tables of the dump in $scratch" "none" "run again"
    require_replaceable
    # If this is interrupted here, the host has no database, but is still ours.
    claim_data
    sql -e "$triggers DROP DATABASE IF EXISTS \`$db_name\`; CREATE DATABASE \`$db_name\`; RENAME TABLE $moves"
    unclaim
    sql -e "DROP DATABASE $scratch"
}
