# OpenNebula's repository and packages. Starts no oned.
# Variables: url, suite, component, key_url, key, packages, files (to tell of), stage (the version
# that is only to be fetched, for the rollout; or nothing); secret: auth (a netrc line, or nothing).
keyring=/etc/apt/keyrings/opennebula.asc
sources=/etc/apt/sources.list.d/opennebula.sources

# Fetch what is to be installed when it is this server's turn, and, as far as there is still such, the
# packages that are there now. What apt has stays as it is.
stage_packages() {
    local draft=$staged.partial name version file
    local -A newest=()
    local wanted=() present=()
    step "fetch OpenNebula $stage for the rollout"
    while read -r name version; do
        if [ -z "${newest[$name]:-}" ] || dpkg --compare-versions "$version" gt "${newest[$name]}"; then
            newest[$name]=$version
        fi
    done < <(apt indextargets -o Dir::Etc::sourcelist="$trial/opennebula.sources" -o Dir::Etc::sourceparts=- \
        --format '$(FILENAME)' 'Identifier: Packages' | xargs -r /usr/lib/apt/apt-helper cat-file |
        awk '$1 == "Package:" {name = $2} $1 == "Version:" {print name, $2}')
    case ${newest[opennebula]:-none} in
        "$stage" | "$stage".* | "$stage"-*) ;;
        *) refuse "a package of OpenNebula $stage at $url" "${newest[opennebula]:-none}" \
            "correct opennebula-ha:one_version, or the mirror that opennebula-ha:repository names" ;;
    esac
    # All that is theirs changes together, up or down; nothing else, but what is missing.
    for name in "${!newest[@]}"; do
        version=$(installed "$name")
        if [ -n "$version" ]; then
            wanted+=("$name=${newest[$name]}")
            present+=("$name=$version")
        elif [ "$name" = opennebula-migration ] || [[ " $packages " == *" $name "* ]]; then
            # opennebula-migration: what onedb upgrade runs.
            wanted+=("$name=${newest[$name]}")
        fi
    done
    for name in $packages; do
        [ -n "$(installed "$name")" ] || [ -n "${newest[$name]:-}" ] || wanted+=("$name")
    done
    rm -rf "$staged" "$draft"
    mkdir -p "$draft/new/partial" "$draft/old/partial" "$trial/parts"
    find /etc/apt/sources.list.d -maxdepth 1 -type f ! -name opennebula.sources -exec cp -t "$trial/parts" {} +
    cp "$trial/opennebula.sources" "$trial/parts"
    fetch() { # folder options packages
        apt install -y --download-only --allow-downgrades -o Dir::Cache::archives="$draft/$1" "${@:2}"
    }
    if ! said=$(fetch new -o Dir::Etc::sourceparts="$trial/parts" "${wanted[@]}" 2>&1); then
        refuse "apt-get to fetch OpenNebula $stage" "$(reasons)" "mend what apt says on the host, then run again"
    fi
    for name in "${present[@]}"; do
        file=${name/=/_}
        cp -l /var/cache/apt/archives/"${file/:/%3a}"_*.deb "$draft/old" 2>/dev/null || true
    done
    fetch old --reinstall "${present[@]}" >&2 || true
    for name in "${present[@]}"; do
        file=${name/=/_}
        if ! compgen -G "$draft/old/${file/:/%3a}_*.deb" >/dev/null; then
            step "no way back is kept: $name is not to be had any more"
            rm -f "$draft/old"/*.deb
            break
        fi
    done
    for file in "$draft"/new/opennebula_*.deb "$draft"/new/opennebula-*.deb; do
        [ -s "$draft/schema" ] || [ ! -e "$file" ] || dpkg-deb --fsys-tarfile "$file" |
            tar -xO ".$onedb_schema" 2>/dev/null | schema_in >"$draft/schema" || true
    done
    [ -s "$draft/schema" ] || refuse "packages that say which version of the database they need" "none" \
        "upgrade by hand, as OpenNebula's documentation says"
    echo "${newest[opennebula]}" >"$draft/new/version"
    installed opennebula >"$draft/old/version"
    cp "$trial/key.asc" "$draft"
    source_signed_by "$keyring" >"$draft/opennebula.sources"
    mv "$draft" "$staged"
}

step "add the package repository"
# What apt has now stays as it is until the new repository is seen to be good.
trial=$(mktemp -d /run/opennebula-ha-trial.XXXXXX)
trap 'rm -rf "$trial"' EXIT
reasons() { grep '^[EW]:' <<<"$said" | grep -v ': Some index files\|: Download Failed' || printf %s "$said"; }
chmod 0755 "$trial"
if [ -n "$key" ]; then
    printf '%s\n' "$key" >"$trial/key.asc"
elif ! said=$(/usr/lib/apt/apt-helper -o Acquire::Retries=2 -o Acquire::http::Timeout=15 \
    -o APT::Sandbox::User=root download-file "$key_url" "$trial/key.asc" 2>&1); then
    refuse "the repository's key at $key_url" "$(reasons)" \
        "correct opennebula-ha:repository url or key_url, or give the key itself; where the address is right, see that this host reaches it"
fi
grep -q 'BEGIN PGP PUBLIC KEY BLOCK' "$trial/key.asc" ||
    refuse "an armored OpenPGP public key" "something else at ${key_url:-opennebula-ha:repository key}" \
        "correct opennebula-ha:repository key_url or key"
if [ -n "$auth" ]; then
    (umask 077 && printf '%s\n' "$auth" >/etc/apt/auth.conf.d/opennebula.conf)
else
    rm -f /etc/apt/auth.conf.d/opennebula.conf
fi
source_signed_by() {
    cat <<END
# Written by opennebula-ha.
Types: deb
URIs: $url
Suites: $suite
Components: $component
Signed-By: $1
END
}
source_signed_by "$trial/key.asc" >"$trial/opennebula.sources"
apt() { apt-get -qq -o DPkg::Lock::Timeout=120 -o Acquire::Retries=2 -o Acquire::http::Timeout=20 "$@"; }
if ! said=$(apt update -o Dir::Etc::sourcelist="$trial/opennebula.sources" \
    -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0 2>&1) || grep -q '^[EW]:' <<<"$said"; then
    case $said in
        *"not signed"* | *NO_PUBKEY* | *BADSIG*) remedy="give the key of that repository in opennebula-ha:repository key or key_url" ;;
        *"401 "* | *"403 "*) remedy="correct opennebula-ha:one_token: the repository refuses it" ;;
        *"does not have a Release"* | *"404 "*) remedy="correct opennebula-ha:one_version or opennebula-ha:repository url: nothing is published there" ;;
        *) remedy="see that this host reaches that address, or correct opennebula-ha:repository url; then run again" ;;
    esac
    refuse "a signed package repository at $url" "$(reasons)" "$remedy"
fi
if [ -n "$stage" ]; then
    stage_packages
    exit
fi
install -d -m 0755 /etc/apt/keyrings
install -m 0644 "$trial/key.asc" "$keyring"
source_signed_by "$keyring" >"$sources"
apt update >/dev/null || true

step "install packages"
# The zone decides when oned starts; the package's own scripts must not.
fresh=
if ! dpkg-query -W -f '${Status}' opennebula 2>/dev/null | grep -q ' installed$'; then
    fresh=yes
    systemctl mask opennebula.service 2>/dev/null
fi
dpkg --configure -a >&2
if ! said=$(apt install -y --allow-downgrades -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    $packages 2>&1); then
    case $said in
        *"Unable to locate"*) remedy="correct opennebula-ha:one_version, opennebula-ha:repository or opennebula-ha:features" ;;
        *) remedy="mend what apt says on the host, then run again: it goes on from here" ;;
    esac
    refuse "apt-get to install $packages" "$(tail -n 8 <<<"$said")" "$remedy"
fi
if [ -n "$fresh" ]; then
    systemctl unmask opennebula.service 2>/dev/null
    systemctl disable opennebula.service 2>/dev/null
fi
give oned </etc/one/oned.conf
give_files
tell package "$(installed opennebula)"
