# dnf, on RHEL and what is built from its sources.
package_log=/var/log/dnf.rpm.log
upgrade_timers="dnf-automatic.timer dnf-automatic-install.timer dnf-makecache.timer"
# By default dnf waits for ever, and silently.
isolated=()
dnf() { command dnf --setopt=exit_on_lock=1 "${isolated[@]}" "$@"; }
# From now on, what is downloaded is in $trial, and the proxy in proxy is used.
isolate() {
    isolated=(--setopt=cachedir="$trial/cache")
    [ -z "$proxy" ] || isolated+=(--setopt=proxy="$proxy")
}
lock_holder() { # STATUS
    local pid
    case $1:$said in 200:* | *"already locked by "* | *"transaction lock"*) ;; *) return 1 ;; esac
    pid=$(sed -nE 's/.*already locked by ([0-9]+).*/\1/p' <<<"$said" | head -n 1)
    if [ -n "$pid" ]; then process "$pid"; else users_of /var/lib/rpm/.rpm.lock; fi
}
locked_names() { sed -nE 's/^!?([^# ].*)-[0-9]+:.*/\1/p' "$lock_file" 2>/dev/null || true; }
# The lines of needs that are still to do.
missing_needs() {
    local kind what from on
    [ -n "$needs" ] || return 0
    on=" $(dnf -q repolist --enabled 2>/dev/null | awk '{print $1}' | paste -sd' ') "
    while read -r kind what from; do
        what=${what//\$basearch/$(uname -m)}
        case $kind in
            package) [ -n "$(installed "$what")" ] ;;
            module) [ -n "$(installed mariadb-server)" ] ;;
            *) [[ $on == *" $what "* ]] ;;
        esac || echo "$kind $what $from"
    done <<<"$needs"
}
meet() { # KIND WHAT FROM
    case $1 in
        package) ask dnf -q -y install "${3:-$2}" ;;
        repository) ask dnf -q config-manager --set-enabled "$2" ;;
        subscription) ask subscription-manager repos --enable "$2" ;;
        module) ask dnf -q -y module enable "$2" ;;
    esac
}

# Hide the packages from a plain dnf upgrade: only opennebula-ha:one_version changes the version.
pins="excludepkgs=$theirs"
source_text() {
    cat <<END
# Written by opennebula-ha.
[opennebula]
name=OpenNebula
baseurl=$url/\$basearch
enabled=1
gpgcheck=1
repo_gpgcheck=1
gpgkey=file://$1
END
    [ -z "$token" ] || printf '%s\n' "username=${token%%:*}" "password=${token#*:}"
    [ "$2" != pinned ] || echo "$pins"
}
# With the new repository in addition to all others.
dnf_on_trial() {
    if [ ! -e "$trial/parts" ]; then
        others_of "$(dirname "$source_file")" "$trial/parts"
        cp "$trial/only/opennebula.repo" "$trial/parts"
    fi
    dnf -q -y --setopt=reposdir="$trial/parts" "$@"
}
says_unsigned="GPG|repomd\.xml\.asc"
says_denied="code: 40[13]"
says_absent="code: 404"
try_repository() {
    mkdir "$trial/only"
    (umask 077 && source_text "$trial/key.asc" open >"$trial/only/opennebula.repo")
    # With -q, it would not report the reason.
    ask dnf -y --setopt=reposdir="$trial/only" --setopt=cachedir="$trial/cache" \
        --setopt=opennebula.skip_if_unavailable=0 makecache
}
published() {
    ask dnf_on_trial --disablerepo='*' --enablerepo=opennebula repoquery --latest-limit=1 --qf '%{name} %{evr}\n' || true
    awk 'NF == 2 && $2 ~ /^[0-9]/' <<<"$said"
}
download() {
    local names=("${@:2}")
    ask dnf_on_trial --allowerasing --downloadonly --destdir="$1" install "${names[@]/=/-}"
}
download_again() {
    local names=("${@:2}")
    ask dnf -q -y --disableexcludepkgs=opennebula --downloadonly --destdir="$1" reinstall "${names[@]/=/-}"
}
refresh() { ask dnf -q makecache --refresh; }
says_missing="No match for argument|Unable to find a match"
install_on_trial() { dnf_on_trial install "${@/=/-}"; }
# dnf builds its index of them in $trial.
borrow_lists() {
    mkdir -p "$trial/cache"
    find /var/cache/dnf -mindepth 1 -maxdepth 1 ! -name 'opennebula*' -type d -exec ln -s -t "$trial/cache" {} + 2>/dev/null || true
    as_they_are=("--setopt=*.metadata_expire=never")
}
simulate() { # PACKAGE...
    ask dnf_on_trial "${as_they_are[@]}" --assumeno install "${@/=/-}" || [[ $said == *"Operation aborted."* ]]
}
remove_packages() { ask dnf -q -y --noautoremove remove "$@" || refuse "$manager to remove $*" "$(reasons)" "$(package_remedy)"; }
release() { ask dnf -q versionlock delete "$@" || refuse "$manager to release $*" "$(reasons)" "$(package_remedy)"; }
pin() { [ ! -e "$source_file" ] || grep -qxF "$pins" "$source_file" || sed -i "/^\[opennebula\]/a $pins" "$source_file"; }
pinned() { ! grep -qxF "$pins" "$source_file" 2>/dev/null || echo '*'; }
ours="# Written by opennebula-ha:"
use_proxy() {
    local kept
    kept=$(sed "/^$ours/,+1d" "$proxy_file")
    [ -z "$1" ] || kept=$(sed "/^proxy *=/d; /^\[main\]/a $ours\nproxy=$1" <<<"$kept")
    put "$proxy_file" "$kept"
}
proxy_in_use() { sed -n "/^$ours/{n; s/^proxy=//p}" "$proxy_file" 2>/dev/null || true; }
forget_source() { rm -f "$source_file" "$key_file"; }
