# OpenNebula's package repository. Variables: url, key_url, key, trial: a folder for all of it.
#: use package_manager
# Refuse a repository that does not answer, or is not signed with the key.
verify_repository() {
    local remedy
    chmod 0755 "$trial"
    if [ -n "$key" ]; then
        printf '%s\n' "$key" >"$trial/key.asc"
    elif ! fetch "$key_url" "$trial/key.asc"; then
        refuse "the repository's key at $key_url" "$(reasons)" \
            "correct opennebula-ha:repository url or key_url, or give the key itself; where the address is right, see that this host reaches it"
    fi
    grep -q 'BEGIN PGP PUBLIC KEY BLOCK' "$trial/key.asc" ||
        refuse "an armored OpenPGP public key" "something else at ${key_url:-opennebula-ha:repository key}" \
            "correct opennebula-ha:repository key_url or key"
    if ! probe; then
        case $fault in
            unsigned) remedy="give the key of that repository in opennebula-ha:repository key or key_url" ;;
            denied) remedy="correct opennebula-ha:one_token: the repository refuses it" ;;
            absent) remedy="correct opennebula-ha:one_version or opennebula-ha:repository url: no packages are published there" ;;
            *) remedy="make sure that this host reaches that address, or correct opennebula-ha:repository url; then run again" ;;
        esac
        refuse "a signed package repository at $url" "$(reasons)" "$remedy"
    fi
}
# The newest version of each package in the repository.
declare -A newest=()
read_published() {
    local name version
    published >"$trial/published"
    while read -r name version; do newest[$name]=$version; done <"$trial/published"
}
require_release() { # VERSION
    case ${newest[opennebula]:-none} in
        "$1" | "$1".* | "$1"-*) ;;
        *) refuse "a package of OpenNebula $1 at $url" "${newest[opennebula]:-none}" \
            "correct opennebula-ha:one_version, or the mirror that opennebula-ha:repository names" ;;
    esac
}
