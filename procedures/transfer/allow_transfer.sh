# Let the source write to one folder and one new database on this host, with one key, for a limited
# time. Stops oned: its database will change.
#: use copies mariadb oned ssh transfer
#: public_key
#: seconds
stop_oned

step "allow the transfer"
umask 077
await_database
# Left by an interrupted transfer.
drop_incoming
make_scratch
make_importer
mkdir -p "$incoming" /run/opennebula-ha
cat >/run/opennebula-ha/receive.conf <<END
[incoming]
path = $incoming
read only = false
write only = true
use chroot = true
uid = 0
gid = 0
log file = /dev/null
END
import_program >/run/opennebula-ha/import
as_root=
files="rsync --server --daemon --config=/run/opennebula-ha/receive.conf ."
if [ "$login" != root ]; then
    as_root="sudo -n "
    grant_without_password "$import" "$files"
fi
cat >/run/opennebula-ha/receive <<END
case \$SSH_ORIGINAL_COMMAND in
    *"$import") exec $as_root$import ;;
    *) echo; echo $receives; exec $as_root$files ;;
esac
END
# The login account must be able to read it.
chmod 711 /run/opennebula-ha
chmod 644 /run/opennebula-ha/receive
keys=$(authorized_keys "$login")
make_authorized_keys "$login" "$keys"
others=$(sed "/ $marker\$/d" "$keys")
command="sh /run/opennebula-ha/receive"
until=$(date -d "+$seconds seconds" +%Y%m%d%H%M)
line="restrict,command=\"$command\",expiry-time=\"$until\" $public_key $marker"
put "$keys" "$others${others:+$'\n'}$line"
