# Stop and disable what the installation brought; the data goes only where purge is yes.
# Variables: features (units), purge, db_name, db_owner, mariadb. MariaDB itself stays: it may
# serve others.
step "stop and disable the services"
for unit in opennebula $features; do
    systemctl disable --now "$unit.service" 2>/dev/null || true
done
sed -i '/^# opennebula-ha begin$/,/^# opennebula-ha end$/d' /etc/hosts
if [ "$purge" = yes ]; then
    step "purge OpenNebula and its data"
    if [ "$mariadb" = yes ]; then
        sql -e "DROP DATABASE IF EXISTS \`$db_name\`; DROP USER IF EXISTS '$db_owner'@'localhost'"
    fi
    apt-get -qq -y purge 'opennebula*' >&2
    rm -rf /var/lib/one /var/lib/opennebula-ha /etc/one /etc/apt/sources.list.d/opennebula.sources \
        /etc/apt/keyrings/opennebula.asc /etc/apt/auth.conf.d/opennebula.conf
fi
