# What dnf's and zypper's hosts have in common.
says_blocked="nothing provides|conflicting requests|conflicts with"
says_script=scriptlet
says_offline="Curl error|\(curl\) error|Cannot download|ould not resolve"
installed_packages() {
    local names name version want lock
    mapfile -t names < <(locked_names)
    rpm -qa --qf '%{NAME} %{EVR}\n' | while read -r name version; do
        want=install
        # shellcheck disable=SC2053 # a lock is a pattern
        for lock in "${names[@]}"; do [[ $name != $lock ]] || want=hold; done
        echo "$want $name $version"
    done
}
installed() {
    local found
    ! found=$(rpm -q --qf '%{EVR}\n' "$1" 2>/dev/null) || tail -n 1 <<<"$found"
}
theirs_here() { rpm -qa --qf '%{NAME}\n' 'opennebula*'; }
reasons() { grep -v '^ *$\| | ' <<<"$said" | tail -n 8; }
fetch() {
    said=$(curl -fsSL --retry 2 --connect-timeout 15 ${proxy:+--proxy "$proxy"} -o "$2" "$1" 2>&1)
}
others_of() { # folder of repositories: all but ours, to another folder
    mkdir -p "$2"
    find "$1" -maxdepth 1 -name '*.repo' ! -name "$(basename "$source_file")" -exec cp -t "$2" {} +
}
has() {
    local version=${2#*=}
    compgen -G "$1/${2%%=*}-${version#*:}.*.rpm" >/dev/null
}
prepare() {
    local kind what from
    while read -r kind what from; do
        meet "$kind" "$what" "$from" || return 1
    done < <(missing_needs)
}
# Simulate the installation on a host without OpenNebula, with the lists of the other repositories
# that the host has, or with new ones if these do not suffice. Not on a host that first gets more
# repositories, or that holds packages back: the installation may release them.
as_they_are=()
try_install() { # PACKAGE...
    [ "$refresh" != yes ] || refresh_lists
    [ -z "$(installed opennebula)$(locked_names)" ] && [ -z "$(missing_needs)" ] || return 0
    borrow_lists
    simulate "$@" && return 0
    find "$trial/cache" -type l -delete
    as_they_are=()
    simulate "$@"
}
packaged_schema() {
    local file
    for file in "$1"/opennebula-*.rpm; do
        [ ! -e "$file" ] || rpm2cpio "$file" | cpio -i --quiet --to-stdout ".$onedb_schema" 2>/dev/null | schema_in || true
    done
}
use_source() {
    local mode=0644
    install -d -m 0755 "$(dirname "$key_file")"
    install -m 0644 "$1/key.asc" "$key_file"
    ! grep -q '^password=' "$1/source" || mode=0600
    install -m "$mode" "$1/source" "$source_file"
}
names_in() { rpm -qp --nosignature --qf '%{NAME}\n' "$@" 2>/dev/null | LC_ALL=C sort -u; }
# Packages that are installed only with the others, and the distribution's packages of the Node.js
# in this folder.
in_the_way() {
    local clashing=
    ! compgen -G "$1/nodejs-[0-9]*.rpm" >/dev/null || clashing=$clashes
    { names_in "${1%/*}"/*/*.rpm | grep '^opennebula' || true; printf '%s\n' $clashing; } |
        LC_ALL=C sort -u | comm -23 - <(names_in "$1"/*.rpm)
}
install_packages() {
    local status=0
    { ask keep_configuration && ask install_on_trial "$@"; } || status=1
    bring_back_configuration
    return "$status"
}
# Replace the installed packages, up or down, with nothing but the packages of the folder.
install_files() {
    local name done=
    ask keep_configuration || return 1
    for name in $(in_the_way "$1"); do [ -z "$(installed "$name")" ] || ask rpm -e --nodeps "$name"; done
    ask rpm -U --oldpackage --replacepkgs "$1"/*.rpm || done=no
    bring_back_configuration
    [ -z "$done" ]
}

# rpm replaces a changed file by the package's own, and keeps the changed one next to it, since
# OpenNebula's packages do not mark their configuration. Keep the changes, even if the host crashes
# in between: of a file that is a link, its content.
keep_configuration() {
    local file partial=$kept_configuration.partial
    rm -rf "$partial"
    mkdir -p "$partial" || return 1
    { rpm -qac 'opennebula*' | grep '^/' || true; } | sort -u | while read -r file; do
        [ -f "$file" ] || continue
        mkdir -p "$partial${file%/*}" && cp -aL "$file" "$partial$file" || return 1
    done || return 1
    rm -rf "$kept_configuration"
    mv "$partial" "$kept_configuration"
}
