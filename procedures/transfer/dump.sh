# A dump that is kept. Variables: db_name, reason, keep, stop (yes: with oned stopped, so that nothing
# is missing).
[ "$stop" != yes ] || stop_oned
keep_dump
tell dump "$dump"
