# OpenNebula's repository and packages. Starts no oned.
# Variables: url, suite, component, key_url, key, packages; secret: auth (a netrc line, or nothing).
keyring=/etc/apt/keyrings/opennebula.asc
sources=/etc/apt/sources.list.d/opennebula.sources

step "add the package repository"
install -d -m 0755 /etc/apt/keyrings
if [ -n "$key" ]; then
    printf '%s\n' "$key" >"$keyring.new"
elif ! said=$(/usr/lib/apt/apt-helper -o Acquire::Retries=2 -o Acquire::http::Timeout=15 \
    download-file "$key_url" "$keyring.new" 2>&1); then
    rm -f "$keyring.new"
    refuse "the repository's key at $key_url" "$said" \
        "correct opennebula-ha:one_version or opennebula-ha:repository url or key_url, or give the key itself"
fi
if ! grep -q 'BEGIN PGP PUBLIC KEY BLOCK' "$keyring.new"; then
    rm -f "$keyring.new"
    refuse "an armored OpenPGP public key" "something else at ${key_url:-opennebula-ha:repository key}" \
        "correct opennebula-ha:repository key_url or key"
fi
chmod 0644 "$keyring.new"
mv "$keyring.new" "$keyring"
if [ -n "$auth" ]; then
    (umask 077 && printf '%s\n' "$auth" >/etc/apt/auth.conf.d/opennebula.conf)
else
    rm -f /etc/apt/auth.conf.d/opennebula.conf
fi
cat >"$sources" <<END
# Written by opennebula-ha.
Types: deb
URIs: $url
Suites: $suite
Components: $component
Signed-By: $keyring
END
apt() { apt-get -qq -o DPkg::Lock::Timeout=120 -o Acquire::Retries=2 -o Acquire::http::Timeout=20 "$@"; }
if ! said=$(apt update -o Dir::Etc::sourcelist="$sources" -o Dir::Etc::sourceparts=- \
    -o APT::Get::List-Cleanup=0 2>&1) || grep -q '^[EW]:' <<<"$said"; then
    refuse "a signed package repository at $url" "$said" \
        "correct opennebula-ha:one_version, opennebula-ha:repository url or the token"
fi
apt update >/dev/null || true

step "install packages"
# The zone decides when oned starts; the package's own scripts must not.
fresh=
if ! dpkg-query -W -f '${Status}' opennebula 2>/dev/null | grep -q 'install ok installed'; then
    fresh=yes
    systemctl mask opennebula.service 2>/dev/null
fi
dpkg --configure -a >&2
if ! said=$(apt install -y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    $packages 2>&1); then
    case $said in
        *"No space left"*) remedy="free some disk space there, then run again: it goes on from here" ;;
        *"Unable to locate"*) remedy="correct opennebula-ha:one_version, opennebula-ha:repository or opennebula-ha:features" ;;
        *) remedy="mend what apt says on the host, then run again: it goes on from here" ;;
    esac
    refuse "apt-get to install $packages" "$(tail -n 8 <<<"$said")" "$remedy"
fi
if [ -n "$fresh" ]; then
    systemctl unmask opennebula.service 2>/dev/null
    systemctl disable opennebula.service 2>/dev/null
fi
for file in /etc/one/oned.conf /etc/one/monitord.conf; do
    give "$(basename "$file" .conf)" <"$file"
done
