# Let the source write into one folder here, with one key, for a while.
# Variables: public_key, seconds. Stops oned: its database is about to change.
stop_oned

step "allow the transfer"
umask 077
rm -rf /var/lib/opennebula-ha/incoming
mkdir -p /var/lib/opennebula-ha/incoming /run/opennebula-ha
cat >/run/opennebula-ha/receive.conf <<END
[incoming]
path = /var/lib/opennebula-ha/incoming
read only = false
write only = true
use chroot = true
uid = 0
gid = 0
log file = /dev/null
END
as_root=
[ "$login" = root ] || as_root="sudo -n "
group=$(id -gn "$login")
keys=$(authorized_keys)
install -d -o "$login" -g "$group" -m 0700 "$(dirname "$keys")"
others=$(grep -v " $marker\$" "$keys" 2>/dev/null || true)
command="${as_root}rsync --server --daemon --config=/run/opennebula-ha/receive.conf ."
until=$(date -d "+$seconds seconds" +%Y%m%d%H%M)
{
    [ -z "$others" ] || printf '%s\n' "$others"
    printf 'restrict,command="%s",expiry-time="%s" %s %s\n' "$command" "$until" "$public_key" "$marker"
} >"$keys.new"
chown "$login:$group" "$keys.new"
mv "$keys.new" "$keys"
