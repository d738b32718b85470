# Accounts: their keys, and how sshd treats a login.
login=${SUDO_USER:-root}
home_of() { { getent passwd "$1" || true; } | cut -d: -f6; }
ssh_folder() { home_of "$1" | sed 's,$,/.ssh,'; }
# How sshd treats a login of that account from that address: one line for each setting.
sshd_settings() { # ACCOUNT ADDRESS
    local sshd
    sshd=$(command -v sshd || echo /usr/sbin/sshd)
    "$sshd" -T -C "user=$1,host=$2,addr=$2" 2>/dev/null || "$sshd" -T 2>/dev/null || true
}
# The file in which sshd looks for an account's keys: the first existing one, with links resolved.
authorized_keys() { # ACCOUNT
    local file home
    home=$(home_of "$1")
    file=$(sshd_settings "$1" 127.0.0.1 | awk '$1 == "authorizedkeysfile" && $2 != "none" {print $2}')
    file=${file:-.ssh/authorized_keys}
    file=${file//%%/$'\1'}
    file=${file//%h/$home}
    file=${file//%u/$1}
    file=${file//%U/$(id -u "$1")}
    file=${file//$'\1'/%}
    case $file in /*) ;; *) file=$home/$file ;; esac
    readlink -m "$file"
}
# Create that file, empty, if it does not exist. sshd reads it as that account.
make_authorized_keys() { # ACCOUNT FILE
    local folder owner=root:root mode=0644
    [ ! -e "$2" ] || return 0
    folder=$(dirname "$2")
    case $2 in
        "$(readlink -m "$(home_of "$1")")"/*)
            owner=$1:$(id -gn "$1") mode=0600
            [ -d "$folder" ] || install -d -o "$1" -g "$(id -gn "$1")" -m 0700 "$folder"
            ;;
        *) [ -d "$folder" ] || install -d -m 0755 "$folder" ;;
    esac
    install -o "${owner%:*}" -g "${owner#*:}" -m "$mode" /dev/null "$2"
}
