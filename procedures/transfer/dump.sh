# Keep a dump of the database.
#: use dumps oned
#: db_name
#: reason
#: keep: how many
#: stop: yes, with oned stopped, so that nothing is missing
[ "$stop" != yes ] || stop_oned
keep_dump
tell dump "$dump"
