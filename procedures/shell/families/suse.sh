# zypper, on SLES and openSUSE Leap.
package_log=/var/log/zypp/history
upgrade_timers="packagekit-background.timer os-update.timer"
lock_holder() { # STATUS
    local found
    case $1:$said in 7:* | *"System management is locked"* | *"transaction lock"*) ;; *) return 1 ;; esac
    found=$(sed -nE 's/.*locked by the application with pid ([0-9]+) \(([^)]*)\).*/\2 (process \1)/p' <<<"$said" | head -n 1)
    if [ -n "$found" ]; then echo "$found"; else users_of /var/lib/rpm/.rpm.lock; fi
}
isolated=()
zypper() {
    env ${proxy:+http_proxy="$proxy" https_proxy="$proxy"} zypper --non-interactive --quiet "${isolated[@]}" "$@"
}
# From now on, what is downloaded is in $trial. rpm does not learn the key, so the signature is not
# checked.
isolate() {
    isolated=(--no-gpg-checks --cache-dir "$trial/cache")
}
# The solver succeeded, but wants a reboot (102) or another run (103), or skipped a repository
# (106).
did() { "$@" || case $? in 102 | 103 | 106) ;; *) return 1 ;; esac }
locked_names() { sed -n 's/^solvable_name: *//p' "$lock_file" 2>/dev/null || true; }
# The lines of needs that are still to do.
missing_needs() {
    local kind what from
    [ -n "$needs" ] || return 0
    while read -r kind what from; do
        case $kind in
            product)
                { SUSEConnect --status 2>/dev/null || true; } |
                    grep -qE "\"identifier\":\"$what\"[^}]*\"status\":\"Registered\""
                ;;
            repository) zypper repos "$what" >/dev/null 2>&1 ;;
        esac || echo "$kind $what ${from//\$release/$VERSION_ID}"
    done <<<"$needs"
}
meet() { # KIND WHAT FROM
    case $1 in
        product) ask SUSEConnect --product "$2/$VERSION_ID/$(uname -m)" ;;
        repository) ask zypper addrepo --refresh "$3" "$2" && ask zypper --gpg-auto-import-keys refresh "$2" ;;
    esac
}

# Disabled except for this program: only opennebula-ha:one_version changes the version.
source_text() {
    cat <<END
# Written by opennebula-ha.
[opennebula]
name=OpenNebula
baseurl=$url/\$basearch${token:+?credentials=${token_file#/etc/zypp/credentials.d/}}
enabled=$([ "$2" = pinned ] && echo 0 || echo 1)
autorefresh=1
gpgcheck=1
repo_gpgcheck=1
gpgkey=file://$1
END
}
# With the new repository in addition to all others. Under its own name, zypper would take it for
# the present one.
zypper_on_trial() {
    if [ ! -e "$trial/parts" ]; then
        others_of "$(dirname "$source_file")" "$trial/parts"
        sed 's/^\[opennebula]/[opennebula-trial]/' "$trial/only/opennebula.repo" >"$trial/parts/opennebula-trial.repo"
        zypper --reposd-dir "$trial/parts" refresh --force opennebula-trial >&2
    fi
    zypper --reposd-dir "$trial/parts" "$@"
}
says_unsigned="ignature|unknown key"
says_denied="error: 40[13]|ermission to access"
says_absent="can't be determined|404|not found on medium"
try_repository() {
    if [ -n "$token" ]; then
        install -d -m 0755 "$(dirname "$token_file")"
        (umask 077 && printf '%s\n' "username=${token%%:*}" "password=${token#*:}" >"$token_file")
    else
        forget_token
    fi
    mkdir "$trial/only"
    source_text "$trial/key.asc" open >"$trial/only/opennebula.repo"
    # By default zypper would ask, or accept any key of the repository.
    [ ${#isolated[@]} -gt 0 ] || rpm --import "$trial/key.asc" >&2
    ask zypper --reposd-dir "$trial/only" --cache-dir "$trial/cache" refresh --force opennebula
}
# Newest first: of several packages with one name, the first counts.
published() {
    ask zypper_on_trial --xmlout search --details --type package --repo opennebula-trial || true
    sed -nE 's/.*<solvable [^>]*name="([^"]*)"[^>]*edition="([^"]*)".*/\1 \2/p' <<<"$said" |
        sort -k1,1 -k2,2Vr | awk '!seen[$1]++'
}
fetch_packages() { # folder, how, packages
    local names=("${@:3}") done=
    ask did ${2} install --download-only --oldpackage --auto-agree-with-licenses "${names[@]}" || done=no
    find "$1" -mindepth 2 -name '*.rpm' -exec mv -t "$1" {} +
    [ -z "$done" ]
}
download() { fetch_packages "$1" "zypper_on_trial --pkg-cache-dir $1" "${@:2}"; }
download_again() {
    cp -r "$(dirname "$source_file")" "$trial/present"
    sed -i 's/^enabled=0/enabled=1/' "$trial/present/$(basename "$source_file")"
    fetch_packages "$1" "zypper --reposd-dir $trial/present --pkg-cache-dir $1" --force "${@:2}"
}
refresh() { ask zypper refresh; }
says_missing="not found|No provider of"
install_on_trial() { did zypper_on_trial "${as_they_are[@]}" install --oldpackage --auto-agree-with-licenses "$@"; }
borrow_lists() {
    mkdir -p "$trial/cache/raw" "$trial/cache/solv"
    ln -s -t "$trial/cache/raw" /var/cache/zypp/raw/* 2>/dev/null || true
    cp -r -t "$trial/cache/solv" /var/cache/zypp/solv/* 2>/dev/null || true
    as_they_are=(--no-refresh)
}
simulate() { ask install_on_trial --dry-run "$@"; }
remove_packages() { ask zypper remove "$@" || refuse "$manager to remove $*" "$(reasons)" "$(package_remedy)"; }
release() { ask zypper removelock "$@" || refuse "$manager to release $*" "$(reasons)" "$(package_remedy)"; }
pin() { [ ! -e "$source_file" ] || sed -i 's/^enabled=.*/enabled=0/' "$source_file"; }
pinned() { ! grep -qx 'enabled=0' "$source_file" 2>/dev/null || echo '*'; }
# zypper's own proxy setting applies to all programs: only commands of this program use this proxy.
use_proxy() { :; }
proxy_in_use() { :; }
forget_token() { ! grep -qs "credentials=$(basename "$token_file")" "$source_file" || rm -f "$token_file"; }
forget_source() {
    forget_token
    rm -f "$source_file" "$key_file"
}
