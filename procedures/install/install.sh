# Set up OpenNebula's repository and packages with the package manager of the host's family. Starts
# no oned.
#: use configuration family marks package_manager repository
#: url
#: key_url
#: key
#: needs: what must be installed before the packages, lines: WORD WHAT…
#: packages
#: files: to report
#: stage: the version to stage for the rollout, or nothing
#: refresh: yes, for the lists of all repositories, too
#: proxy
#: blank: text of the mark for a host that was seen blank, or nothing
#: secret token: or nothing
[ -z "$blank" ] || claim "$blank"

# Stage the packages for the rollout and, as far as they are still available, the installed ones.
# Installed packages do not change.
stage_packages() {
    local draft=$staged.partial name version
    local wanted=() present=()
    step "stage OpenNebula $stage for the rollout"
    read_published
    require_release "$stage"
    # Upgrade or downgrade all of OpenNebula's packages together, and install missing ones. No
    # others.
    for name in "${!newest[@]}"; do
        version=$(installed "$name")
        if [ -n "$version" ]; then
            wanted+=("$name=${newest[$name]}")
            present+=("$name=$version")
        elif [ "$name" = opennebula-migration ] || [[ " $packages " == *" $name "* ]]; then
            # onedb upgrade needs opennebula-migration.
            wanted+=("$name=${newest[$name]}")
        fi
    done
    for name in $packages; do
        [ -n "$(installed "$name")" ] || [ -n "${newest[$name]:-}" ] || wanted+=("$name")
    done
    for name in $clashes; do
        version=$(installed "$name")
        [ -z "$version" ] || present+=("$name=$version")
    done
    rm -rf "$staged" "$draft"
    mkdir -p "$draft/new" "$draft/old"
    if ! download "$draft/new" "${wanted[@]}"; then
        refuse "$manager to stage OpenNebula $stage" "$(reasons)" "$(package_remedy)"
    fi
    download_again "$draft/old" "${present[@]}" || true
    for name in "${present[@]}"; do
        if ! has "$draft/old" "$name"; then
            step "rollback unavailable: $name is no longer in the repository"
            rm -rf "$draft/old"/*
            break
        fi
    done
    packaged_schema "$draft/new" | awk 'NF && !found++' >"$draft/schema"
    [ -s "$draft/schema" ] || refuse "packages that declare the version of the database that they need" "none" \
        "upgrade by hand, as OpenNebula's documentation says"
    echo "${newest[opennebula]}" >"$draft/new/version"
    installed opennebula >"$draft/old/version"
    cp "$trial/key.asc" "$draft"
    (umask 077 && source_text "$key_file" pinned >"$draft/source")
    mv "$draft" "$staged"
}

step "add the package repository"
# The present repository stays until the new one is verified, and so does its token.
trial=$(mktemp -d /run/opennebula-ha-trial.XXXXXX)
verified=
put_token_back() {
    if [ -e "$trial/token" ]; then cp -p "$trial/token" "$token_file"; else rm -f "${token_file:-}"; fi
}
[ ! -e "${token_file:-}" ] || cp -p "$token_file" "$trial/token"
trap '[ -n "$verified" ] || put_token_back; rm -rf "$trial"' EXIT
verify_repository
verified=yes
prepare || refuse "the repositories that OpenNebula's packages need" "$(reasons)" \
    "enable them on the host (in this order: $(paste -sd, <<<"$needs")), then run again; where others take their place, set opennebula-ha:repository pre_enable: false"
[ "$refresh" != yes ] || refresh_lists
if [ -n "$stage" ]; then
    stage_packages
    exit
fi
(umask 077 && source_text "$key_file" pinned >"$trial/source")
use_source "$trial"

step "install packages"
# The zone decides when oned starts. The package's own scripts must not start it.
fresh=
if [ -z "$(installed opennebula)" ]; then
    fresh=yes
    systemctl --no-reload mask opennebula.service 2>/dev/null
fi
install_packages $packages || cannot_install $packages
pin
if [ -n "$fresh" ]; then
    systemctl --no-reload unmask opennebula.service 2>/dev/null
    # Enable it before the start, because systemd then reads it again.
    systemctl --no-reload disable opennebula.service 2>/dev/null
fi
give oned </etc/one/oned.conf
give_files
tell package "$(installed opennebula)"
