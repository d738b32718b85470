# How the host gets packages. Variables: proxy (nothing: none of ours), unattended (packages that install
# upgrades by themselves, and must not), pinned (yes: no upgrade of theirs takes another OpenNebula),
# blank (what claim notes of a host that was seen blank, or nothing).
[ -z "$blank" ] || claim "$blank"
step "settle how packages come"
use_proxy "$proxy"
[ -z "$unattended" ] || remove_packages $unattended
[ "$pinned" != yes ] || pin
