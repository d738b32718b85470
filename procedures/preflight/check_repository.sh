# Check OpenNebula's package repository, and try the installation. Changes nothing: what it downloads
# is in a folder of its own.
#: use package_manager repository
#: url
#: key_url
#: key
#: version
#: packages: to install or to stage
#: needs: what must be installed before the packages, lines: WORD WHAT…
#: refresh: yes, if the lists of all repositories must be readable
#: proxy: or nothing
#: secret token: or nothing
trial=$(mktemp -d /run/opennebula-ha-trial.XXXXXX)
trap 'rm -rf "$trial"' EXIT
token_file=$trial/token
isolate
step "check the package repository"
verify_repository
read_published
# What cannot be listed here may still be installed.
[ -s "$trial/published" ] || exit 0
require_release "$version"
for name in $packages; do
    case $name in
        opennebula*) [ -n "${newest[${name%%=*}]:-}" ] ||
            refuse "a package $name at $url" "none" \
                "correct opennebula-ha:one_version, opennebula-ha:repository or opennebula-ha:features" ;;
    esac
done
try_install $packages || cannot_install $packages
