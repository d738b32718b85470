# Configure the package sources.
#: use marks package_manager
#: proxy: or nothing: none of ours
#: unattended: packages that install upgrades by themselves, and must not
#: pinned: yes, where no upgrade of theirs takes another OpenNebula
#: blank: what claim notes of a host that was seen blank, or nothing
[ -z "$blank" ] || claim "$blank"
step "configure package sources"
use_proxy "$proxy"
if [ -n "$unattended" ]; then
    # None begins now; one that runs is waited for.
    timers=$(systemctl list-units --no-legend --plain --type=timer $upgrade_timers 2>/dev/null |
        awk '{print $1}' || true)
    [ -z "$timers" ] || systemctl stop $timers
    remove_packages $unattended
    # What is left of them only fetches lists.
    [ -z "$timers" ] || systemctl start $timers 2>/dev/null || true
fi
[ "$pinned" != yes ] || pin
