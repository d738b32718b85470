# dnf, on RHEL and what is built from its sources.
locked_names() { sed -nE 's/^!?([^# ].*)-[0-9]+:.*/\1/p' "$lock_file" 2>/dev/null || true; }
prepare() {
    local kind what from on
    [ -n "$needs" ] || return 0
    on=" $(dnf -q repolist --enabled 2>/dev/null | awk '{print $1}' | paste -sd' ') "
    while read -r kind what from; do
        what=${what//\$basearch/$(uname -m)}
        case $kind in
            package) [ -n "$(installed "$what")" ] || said=$(dnf -q -y install "${from:-$what}" 2>&1) || return 1 ;;
            repository) [[ $on == *" $what "* ]] || said=$(dnf -q config-manager --set-enabled "$what" 2>&1) || return 1 ;;
            subscription) [[ $on == *" $what "* ]] || said=$(subscription-manager repos --enable "$what" 2>&1) || return 1 ;;
            module) [ -n "$(installed mariadb-server)" ] || said=$(dnf -q -y module enable "$what" 2>&1) || return 1 ;;
        esac
    done <<<"$needs"
}

# A plain dnf upgrade is not to see them: another version comes by opennebula-ha:one_version.
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
# With the repository that is on trial beside all others.
dnf_on_trial() {
    if [ ! -e "$trial/parts" ]; then
        others_of "$(dirname "$source_file")" "$trial/parts"
        cp "$trial/only/opennebula.repo" "$trial/parts"
    fi
    dnf -q -y --setopt=reposdir="$trial/parts" "$@"
}
probe() {
    mkdir "$trial/only"
    (umask 077 && source_text "$trial/key.asc" open >"$trial/only/opennebula.repo")
    # Quiet, it would not say why.
    said=$(dnf -y --setopt=reposdir="$trial/only" --setopt=cachedir="$trial/cache" \
        --setopt=opennebula.skip_if_unavailable=0 makecache 2>&1) && return 0
    case $said in
        *"GPG"* | *"repomd.xml.asc"*) fault=unsigned ;;
        *"code: 401"* | *"code: 403"*) fault=denied ;;
        *"code: 404"*) fault=absent ;;
        *) fault=unreachable ;;
    esac
    return 1
}
published() {
    dnf_on_trial --disablerepo='*' --enablerepo=opennebula repoquery --latest-limit=1 --qf '%{name} %{evr}\n' |
        awk 'NF == 2 && $2 ~ /^[0-9]/'
}
download() {
    local names=("${@:2}")
    said=$(dnf_on_trial --allowerasing --downloadonly --destdir="$1" install "${names[@]/=/-}" 2>&1)
}
download_again() {
    local names=("${@:2}")
    said=$(dnf -q -y --disableexcludepkgs=opennebula --downloadonly --destdir="$1" reinstall "${names[@]/=/-}" 2>&1)
}
refresh() { said=$(dnf -q makecache --refresh 2>&1); }
install_packages() {
    keep_configuration
    if ! said=$(dnf_on_trial install "${@/=/-}" 2>&1); then
        case $said in *"No match for argument"* | *"Unable to find a match"*) fault=absent ;; *) fault=other ;; esac
        bring_back_configuration
        return 1
    fi
    bring_back_configuration
}
remove_packages() { dnf -q -y --noautoremove remove "$@" >&2; }
release() { dnf -q versionlock delete "$@" >&2; }
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
