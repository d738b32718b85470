# Check OpenNebula's package repository, and what its packages would remove. Changes nothing: what it
# downloads is in a folder of its own.
#: use family package_manager repository
#: url
#: key_url
#: key
#: version
#: packages: to install or to stage
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
others=$(would_remove $packages)
[ -z "$others" ] || refuse "no package of others to make room for OpenNebula's" "$manager would remove $others" \
    "find out which package blocks OpenNebula's, and remove $others on the host if nothing needs it; then run again"
