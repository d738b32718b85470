# Report every content that some tables have within some seconds, as checksums.
#: use mariadb
#: db_name
#: tables: their names
#: seconds
asked=$(sed 's/`/``/g; s/[^ ]*/`&`/g; s/ /,/g' <<<"$tables")
end=$((SECONDS + seconds))
tell checksums "$(while
    sql "$db_name" -e "CHECKSUM TABLE $asked"
    [ $SECONDS -lt $end ]
do :; done | sort -u)"
