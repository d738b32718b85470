# Configure the package sources.
#: use marks package_manager
#: proxy: or nothing: none of ours
#: unattended: packages that install upgrades automatically, and must not
#: pinned: yes, if upgrades must keep the version of OpenNebula
#: blank: text of the mark for a host that was seen blank, or nothing
[ -z "$blank" ] || claim "$blank"
step "configure package sources"
use_proxy "$proxy"
if [ -n "$unattended" ]; then
    # Start no new run, and wait for one that is running.
    timers=$(systemctl list-units --no-legend --plain --type=timer $upgrade_timers 2>/dev/null |
        awk '{print $1}' || true)
    if [ -n "$timers" ]; then
        # What remains of these packages only downloads lists.
        trap 'systemctl start $timers 2>/dev/null || true' EXIT
        systemctl stop $timers
    fi
    remove_packages $unattended
fi
[ "$pinned" != yes ] || pin
