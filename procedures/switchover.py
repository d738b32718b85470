"""Hand the leader's part over to another server on purpose."""

from collections.abc import Collection, Mapping

from hosts.errors import HostError
from hosts.models import Host
from procedures import zone_leader
from procedures.context import Access
from procedures.oned_service import restart


def switch_over(access: Access, hosts: Mapping[str, Host], to: Collection[str]) -> None:
    """Have one of those servers lead. Raises HostError.

    A leader that restarts hears of no leader and waits 15 s before it stands for election, so one
    of the others is elected: any one of them. It may take a few turns, each with the pause of an
    election. To hold the others back would take as many servers down as the zone can spare.
    """
    turns = 4 * len(hosts)
    for _ in range(turns):
        view = zone_leader.wait_for_leader(access, hosts)
        leader = view.leader() or ""
        # Without a record to replicate one that lags stays behind, and is never elected.
        zone_leader.write(access, hosts, view)
        if leader in to:
            return
        access.report(f"{leader}: restart, so that another one leads")
        restart(access, hosts[leader])
    raise HostError(
        ", ".join(sorted(to)),
        "switch over",
        expected=f"its election within {turns} turns",
        seen=f"{zone_leader.wait_for_leader(access, hosts).leader()} as the leader",
        remedy="look at /var/log/one/oned.log there: does it lag, or is it cut off?",
    )
