# A dump of the whole database, compressed, without blocking a writer, and the keys without which
# it is of no use; the newest few are kept.
# Variables: db_name, reason, keep, stop (yes: with oned stopped, so that nothing is missing).
[ "$stop" != yes ] || stop_oned
step "dump the database"
umask 077
mkdir -p /var/backups/opennebula
find /var/backups/opennebula -name '*.partial' -delete
dump=/var/backups/opennebula/$(date -u +%Y%m%dT%H%M%SZ)-$reason.sql.zst
dumper=$(command -v mariadb-dump || command -v mysqldump)
keys=${dump%.sql.zst}.keys.tar.zst
# A disk that is full of half a dump would stop the database itself.
trap 'rm -f "$keys.partial" "$dump.partial"' EXIT
(cd /var/lib/one && tar -cf - $(ls -d .one .ssh 2>/dev/null)) | zstd -q -f -o "$keys.partial"
"$dumper" --single-transaction --quick --hex-blob "$db_name" | zstd -q -f -o "$dump.partial"
mv "$keys.partial" "$keys"
mv "$dump.partial" "$dump"
# Those of another version of the database stay: they are the only way back.
find /var/backups/opennebula -name '*.sql.zst' ! -name '*-of-*-before-*' | sort -r | tail -n "+$((keep + 1))" |
    while read -r old; do rm -f "$old" "${old%.sql.zst}.keys.tar.zst"; done
tell dump "$dump"
