# The database, the configuration files and the credentials of one front-end. Restarts nothing.
# Variables: hosts_entries, mariadb (yes), db_owner, features (units); secrets: db_password, account
# and identify (SQL: the latter where the account does not have that password), one_auth
# (where this host has no database yet), oned_conf and monitord_conf (whole files, or nothing),
# next_conf (an oned.conf that waits for the rollout, or nothing: a crash until then must not have
# oned start with what no oned has started with yet).
if [ -n "$hosts_entries" ]; then
    step "make the front-ends' names resolve"
    begin="# opennebula-ha begin" end="# opennebula-ha end"
    kept=$(sed "/^$begin\$/,/^$end\$/d" /etc/hosts)
    put /etc/hosts "$kept
$begin
$hosts_entries
$end"
fi

if [ "$mariadb" = yes ]; then
    step "make the database and its account"
    systemctl enable --now mariadb.service 2>/dev/null
    sql <<<"$account"
    # It may have this password already, and the one that a running oned logs in with beside it.
    MYSQL_PWD=$db_password "$(command -v mariadb || command -v mysql)" --no-defaults \
        --user="$db_owner" --execute="DO 0" 2>/dev/null || sql <<<"$identify"
fi

step "write the configuration"
[ -z "$oned_conf" ] || put_conf "$oned_conf"
[ -z "$next_conf" ] || put "$conf.next" "$next_conf"
[ -z "$monitord_conf" ] || put /etc/one/monitord.conf "$monitord_conf"
if [ -n "$one_auth" ]; then
    install -d -o oneadmin -g oneadmin -m 0700 /var/lib/one/.one
    put /var/lib/one/.one/one_auth "$one_auth"
    chown oneadmin:oneadmin /var/lib/one/.one/one_auth
    chmod 0600 /var/lib/one/.one/one_auth
fi
for unit in $features; do
    systemctl enable "$unit.service" 2>/dev/null
done
