# Give a stopped oned its SERVER_ID and the zone's present list of servers.
#: use configuration mariadb oned
#: db_name
#: zone: the zone's body as the leader has it, or nothing
#: secret oned_conf
step "set SERVER_ID"
await_stopped
! systemctl -q is-active opennebula.service || refuse "oned stopped" "oned running" "run again"
put_conf "$oned_conf"
if [ -n "$zone" ]; then
    # Until the log has brought it the newest servers it would count votes by an older list.
    hex=$(printf %s "$zone" | od -An -v -tx1 | tr -d ' \n')
    sql "$db_name" -e "UPDATE zone_pool SET body = UNHEX('$hex') WHERE oid = 0"
fi
