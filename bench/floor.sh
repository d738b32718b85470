#!/usr/bin/env bash
# floor.sh USER KEY KNOWN_HOSTS REPOSITORY VERSION VIP/PREFIX INTERFACE NAME=ADDRESS[,SERVER,HOST]…
# SERVER and HOST: the NAME of its zone server, and the host in its endpoint, if it is not NAME.
# Builds a zone on blank hosts with only the necessary steps, as early and as parallel as possible.
# No checks, no drift, no second attempt: the least time that a program could take. Passwords come
# through ONE_PASS and DB_PASSWORD.
set -euo pipefail
user=$1 key=$2 known=$3 repository=$4 version=$5 vip=$6 interface=$7
shift 7
work=$(mktemp -d)
trap 'for s in "$work"/*.socket; do ssh -o ControlPath="$s" -O exit - 2>/dev/null || true; done; rm -rf "$work"' EXIT
declare -A address=() number=() server=() host=()
names=()
for entry in "$@"; do
    IFS=, read -r pair called at <<<"$entry"
    name=${pair%%=*}
    number[$name]=${#names[@]}
    names+=("$name")
    address[$name]=${pair#*=}
    server[$name]=${called:-$name}
    host[$name]=${at:-$name}
done
founder=${names[0]}
on() { # HOST: run standard input there, as root
    ssh -T -F none -i "$key" -o UserKnownHostsFile="$known" -o BatchMode=yes -o ControlMaster=auto \
        -o ControlPersist=60 -o ControlPath="$work/$1.socket" "$user@${address[$1]}" "${2:-sudo bash -euo pipefail -s}"
}
each() { # FUNCTION HOST…: all at once
    local what=$1 name pids=()
    shift
    for name in "$@"; do "$what" "$name" & pids+=($!); done
    for name in "${pids[@]}"; do wait "$name"; done
}
hosts=$(for name in "${names[@]}"; do echo "${address[$name]} $name ${host[$name]}"; done)
added=$(for name in "${names[@]}"; do
    echo "runuser -u oneadmin -- onezone server-add 0 --name ${server[$name]}" \
        "--rpc http://${host[$name]}:2633/RPC2 >/dev/null"
done)

install_one() {
    on "$1" <<END
export DEBIAN_FRONTEND=noninteractive
cat >>/etc/hosts <<<'$hosts'
/usr/lib/apt/apt-helper -o APT::Sandbox::User=root download-file $repository/repo2.key /etc/apt/keyrings/one.asc >/dev/null
echo 'deb [signed-by=/etc/apt/keyrings/one.asc] $repository/$version/Debian/12 stable opennebula' >/etc/apt/sources.list.d/one.list
apt-get -qq update
systemctl mask opennebula.service 2>/dev/null
apt-get -qq install -y opennebula mariadb-server zstd iputils-arping >/dev/null 2>&1
systemctl unmask opennebula.service 2>/dev/null
mysql -e "CREATE DATABASE opennebula; CREATE USER oneadmin@localhost IDENTIFIED BY '$DB_PASSWORD'; GRANT ALL ON opennebula.* TO oneadmin@localhost"
perl -0pi -e 's/^DB = \[.*?\]/DB = [ BACKEND = "mysql", SERVER = "localhost", PORT = 0, USER = "oneadmin", PASSWD = "$DB_PASSWORD", DB_NAME = "opennebula" ]/ms' /etc/one/oned.conf
cat >>/etc/one/oned.conf <<'CONF'
RAFT_LEADER_HOOK = [ COMMAND = "raft/vip.sh", ARGUMENTS = "leader $interface $vip" ]
RAFT_FOLLOWER_HOOK = [ COMMAND = "raft/vip.sh", ARGUMENTS = "follower $interface $vip" ]
CONF
END
}
receive() { # HOST: the dump and the keys, from standard input of the whole
    on "$1" "sudo sh -c 'zstd -dc | mysql opennebula'" <"$work/dump"
    on "$1" "sudo tar -C /var/lib/one -xf -" <"$work/keys"
}
start() { # HOST: a new zone numbers its servers in the order of their entries
    on "$1" <<END
sed -i "s/SERVER_ID *= *-1/SERVER_ID = ${number[$1]}/" /etc/one/oned.conf
systemctl enable -q --now opennebula
END
}

each install_one "${names[@]}"
on "$founder" <<END
echo 'oneadmin:$ONE_PASS' >/var/lib/one/.one/one_auth
chown oneadmin: /var/lib/one/.one/one_auth
chmod 600 /var/lib/one/.one/one_auth
systemctl start opennebula
$added
systemctl stop opennebula
END
on "$founder" 'sudo sh -c "mysqldump --single-transaction opennebula | zstd"' </dev/null >"$work/dump" &
on "$founder" "sudo tar -C /var/lib/one -cf - .one .ssh" </dev/null >"$work/keys"
wait
each receive "${names[@]:1}"
each start "${names[@]}"
on "$founder" <<END
for _ in \$(seq 600); do
    ! timeout 2 runuser -u oneadmin -- onezone show 0 | grep -q ' leader ' || exit 0
    sleep 0.1
done
exit 1
END
