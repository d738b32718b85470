"""Switch over to another leader."""

from collections.abc import Collection

from hosts.errors import HostError
from procedures import zone_leader
from procedures.context import Access, Hosts
from procedures.oned_service import restart
from procedures.specs import ZoneSpec
from procedures.vip.address import leading_with_vips


def switch_over(access: Access, zone: ZoneSpec, hosts: Hosts, to: Collection[str]) -> None:
    """Restart the leader until one of the servers ``to`` leads. Raises HostError.

    A restarted oned waits 15 s before it becomes a candidate, so that another server is elected,
    which may be any of them. It may take a few restarts, each with an election. Stopping the
    servers that must not lead instead could cost the quorum.
    """
    turns = 4 * len(hosts)
    for _ in range(turns):
        view = leading_with_vips(access, zone, hosts)
        leader = view.leader() or ""
        # A lagging server catches up only with a new record, and is not elected before.
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
