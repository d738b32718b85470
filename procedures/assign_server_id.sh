# Set the SERVER_ID of a stopped oned, and the zone's present list of servers in its database.
#: use configuration mariadb oned
#: db_name
#: zone: the zone's body as the leader has it, or nothing
#: secret oned_conf
step "set SERVER_ID"
require_stopped
put_conf "$oned_conf"
if [ -n "$zone" ]; then
    # With an older list, oned would count votes wrongly until the log has brought it the newest
    # servers.
    hex=$(printf %s "$zone" | od -An -v -tx1 | tr -d ' \n')
    sql "$db_name" -e "UPDATE zone_pool SET body = UNHEX('$hex') WHERE oid = 0"
fi
