# apt, on Debian and Ubuntu.
upgrade_timers="apt-daily.timer apt-daily-upgrade.timer"
isolated=()
apt() { apt-get -qq -o Acquire::Retries=2 -o Acquire::http::Timeout=20 "${isolated[@]}" "$@"; }
lock_holder() {
    case $said in
        *"Could not get lock "* | *"Unable to lock directory "* | *"dpkg frontend lock"* | *"locked by another process"*) ;;
        *) return 1 ;;
    esac
    local found
    found=$(sed -nE 's/.*held by process ([0-9]+) \(([^)]*)\).*/\2 (process \1)/p
        s/.*locked by another process with pid ([0-9]+).*/\1/p' <<<"$said" | head -n 1)
    case $found in *[!0-9]* | "") echo "$found" ;; *) process "$found" ;; esac
}
package_log=/var/log/apt/term.log
says_missing="Unable to locate|no installation candidate|not installable"
says_blocked="unmet dependencies|eld broken packages|eld packages were changed|onflicts|would remove"
says_script="Sub-process /usr/bin/dpkg returned"
says_offline="Failed to fetch|Temporary failure|ould not connect"
installed_packages() {
    dpkg-query -W -f '${db:Status-Status} ${db:Status-Want} ${Package} ${Version}\n' |
        sed -n 's/^installed //p'
}
installed() {
    { dpkg-query -W -f '${db:Status-Status} ${Version}\n' "$1" 2>/dev/null || true; } |
        sed -n 's/^installed //p'
}
# All of OpenNebula's packages, also half installed ones and those with only their configuration
# left.
theirs_here() {
    { dpkg-query -W -f '${db:Status-Status} ${Package}\n' 'opennebula*' 2>/dev/null || true; } |
        sed -n '/^not-installed /!s/^[a-z-]* //p'
}
reasons() { grep '^[EW]:' <<<"$said" | grep -v ': Some index files\|: Download Failed' || tail -n 8 <<<"$said"; }
fetch() {
    said=$(/usr/lib/apt/apt-helper -o Acquire::Retries=2 -o Acquire::http::Timeout=15 \
        -o APT::Sandbox::User=root "${isolated[@]}" download-file "$1" "$2" 2>&1)
}
prepare() { :; }

source_text() {
    cat <<END
# Written by opennebula-ha.
# Credentials: $([ -n "$token" ] && echo "$token_file" || echo none)
Types: deb
URIs: $url
Suites: stable
Components: opennebula
Signed-By: $1
END
}
# Others use a file of that name, too, such as one-deploy. A source of an earlier version does not
# say whether it is ours.
forget_token() {
    [ ! -e "$source_file" ] || grep -q '^# Credentials: none$' "$source_file" || rm -f "$token_file"
}
# From now on, what is downloaded is in $trial, no hook of apt runs, and the proxy in proxy is used.
# No lock is needed.
isolate() {
    mkdir -p "$trial/lists/partial"
    cat >"$trial/apt.conf" <<END
Dir::State::lists "$trial/lists";
Dir::Etc::netrc "$token_file";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Acquire::GzipIndexes "true";
Acquire::Languages "none";
Debug::NoLocking "true";
#clear APT::Update;
#clear APT::Install;
END
    [ -z "$proxy$(proxy_in_use)" ] || proxy_settings "$proxy" >>"$trial/apt.conf"
    isolated=(-c "$trial/apt.conf")
}
says_unsigned="not signed|NO_PUBKEY|BADSIG"
says_denied="401 |403 "
says_absent="does not have a Release|404 "
try_repository() {
    if [ -n "$token" ]; then
        local machine=${url#*://}
        (umask 077 && printf 'machine %s login %s password %s\n' "${machine%%/*}" "${token%%:*}" "${token#*:}" >"$token_file")
    else
        forget_token
    fi
    source_text "$trial/key.asc" >"$trial/opennebula.sources"
    ask apt update -o Dir::Etc::sourcelist="$trial/opennebula.sources" \
        -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0 && ! grep -q '^[EW]:' <<<"$said"
}
published() {
    local name version
    local -A newest=()
    while read -r name version; do
        if [ -z "${newest[$name]:-}" ] || dpkg --compare-versions "$version" gt "${newest[$name]}"; then
            newest[$name]=$version
        fi
    done < <(apt indextargets -o Dir::Etc::sourcelist="$trial/opennebula.sources" -o Dir::Etc::sourceparts=- \
        --format '$(FILENAME)' 'Identifier: Packages' | xargs -r /usr/lib/apt/apt-helper cat-file |
        awk '$1 == "Package:" {name = $2} $1 == "Version:" {print name, $2}')
    for name in "${!newest[@]}"; do echo "$name ${newest[$name]}"; done
}
others_of() { # folder, our files in it, where to copy the others to
    mkdir -p "${@: -1}"
    find "$1" -maxdepth 1 -xtype f ! -name "$(basename "$2")" ! -name "$(basename "$3")" -exec cp -t "${@: -1}" {} +
}
# All sources, with the new one.
copy_sources() {
    others_of /etc/apt/sources.list.d "$source_file" "$former_source_file" "$trial/parts"
    cp "$trial/opennebula.sources" "$trial/parts"
}
download() {
    copy_sources
    mkdir -p "$1/partial"
    careful_install --download-only -o Dir::Cache::archives="$1" \
        -o Dir::Etc::sourceparts="$trial/parts" "${@:2}"
}
download_again() {
    local name file
    for name in "${@:2}"; do
        file=${name/=/_}
        cp -l /var/cache/apt/archives/"${file/:/%3a}"_*.deb "$1" 2>/dev/null || true
    done
    mkdir -p "$1/partial"
    ask apt install -y --download-only --reinstall -o Dir::Cache::archives="$1" "${@:2}"
}
has() {
    local file=${2/=/_}
    compgen -G "$1/${file/:/%3a}_*.deb" >/dev/null
}
packaged_schema() {
    local file
    for file in "$1"/opennebula_*.deb "$1"/opennebula-*.deb; do
        [ ! -e "$file" ] || dpkg-deb --fsys-tarfile "$file" | tar -xO ".$onedb_schema" 2>/dev/null | schema_in || true
    done
}
use_source() {
    install -d -m 0755 "$(dirname "$key_file")"
    install -m 0644 "$1/key.asc" "$key_file"
    install -m 0644 "$1/source" "$source_file"
    rm -f "$former_source_file"
}
refresh() { ask apt update && ! grep -q '^[EW]:' <<<"$said"; }
unread_lists() { grep '^E:\|Failed to fetch' <<<"$said" || true; }
install_packages() {
    local unread=
    # Other repositories may fail, if nothing of theirs is needed.
    refresh || unread=$(unread_lists)
    _install "$@" || blame "$unread"
}
install_files() { _install "$1"/*.deb; }
_install() {
    ask dpkg --configure -a || true
    careful_install -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
}
# A list that could not be read may be the reason why a package is missing. Always fails.
blame() {
    [ -z "$1" ] || [[ ! $said =~ $says_missing ]] || said=$1$'\n'$said
    return 1
}
# With -y, apt also removes what conflicts with a new package. An older OpenNebula's packages may
# make room for this one, but no others.
careful_install() {
    local others
    ask unpinned_install --no-remove "$@" && return 0
    case $said in
        *"remove is disabled"*) ;;
        *)
            said=$(sed '/^Reading \|^Building \|^$/d
                /^Some packages could not be installed/,/^The following information/d
                /^Package .* is not available/,/^is only available/d' <<<"$said")
            return 1
            ;;
    esac
    others=$(removed_by "$@")
    if [ -n "$others" ]; then
        said="E: It would remove $others"
        return 1
    fi
    ask unpinned_install "$@"
}
removed_by() {
    { unpinned_install -s "$@" 2>/dev/null || true; } |
        sed -nE '/^Remv (lib)?opennebula/!s/^Remv ([^ ]+).*/\1/p' | sort -u | paste -sd' '
}
# Simulate the installation, with lists that are read now if the host's own do not suffice.
try_install() { # PACKAGE...
    local unread= names
    # The installation first repairs what an interrupted one left.
    [ -z "$(dpkg --audit)" ] || return 0
    copy_sources
    isolated+=(-o Dir::Etc::sourceparts="$trial/parts" -o Dir::State::status="$trial/status")
    # The installation releases these packages if they are held back.
    names=$(printf '%s|' "${@%%=*}")
    sed -E "/^Package: (${names%|})\$/,/^\$/s/^Status: hold /Status: install /" \
        /var/lib/dpkg/status >"$trial/status"
    if [ "$refresh" = yes ]; then
        refresh_lists
    else
        find /var/lib/apt/lists -maxdepth 1 -type f -name '*_*' -exec ln -sf -t "$trial/lists" {} + 2>/dev/null || true
        ! careful_install -s "$@" || return 0
        find "$trial/lists" -type l -delete
        refresh || unread=$(unread_lists)
    fi
    careful_install -s "$@" || blame "$unread"
}
# Our pin is for the present version.
unpinned_install() {
    local status=0 parts
    parts=$(mktemp -d /run/opennebula-ha-trial.XXXXXX) &&
        others_of /etc/apt/preferences.d "$pin_file" "$pin_file" "$parts" || return 1
    # With -qq, apt would not name the packages that it cannot install.
    apt install -y --allow-downgrades -q=1 -o Dir::Etc::preferencesparts="$parts" "$@" ||
        status=$?
    rm -rf "$parts"
    return "$status"
}
remove_packages() { ask apt -y purge "$@" || refuse "$manager to remove $*" "$(reasons)" "$(package_remedy)"; }
release() { ask apt-mark unhold "$@" || refuse "$manager to release $*" "$(reasons)" "$(package_remedy)"; }
# Higher than any repository's own priority, but not high enough for a downgrade.
pin() {
    put "$pin_file" "# Written by opennebula-ha: another version comes by opennebula-ha:one_version.
Package: $theirs
Pin: version $(installed opennebula)
Pin-Priority: 999"
    chmod 0644 "$pin_file"
}
pinned() { sed -n 's/^Pin: version //p' "$pin_file" 2>/dev/null || true; }
proxy_settings() { printf '%s\n' "Acquire::http::Proxy \"$1\";" 'Acquire::https::Proxy "DIRECT";'; }
use_proxy() {
    if [ -n "$1" ]; then
        put "$proxy_file" "# Written by opennebula-ha.
$(proxy_settings "$1")"
        chmod 0644 "$proxy_file"
    else
        rm -f "$proxy_file"
    fi
}
proxy_in_use() { sed -n 's/^Acquire::http::Proxy "\(.*\)";$/\1/p' "$proxy_file" 2>/dev/null || true; }
forget_source() {
    forget_token
    rm -f "$source_file" "$key_file" "$pin_file"
}
