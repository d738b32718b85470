"""Take down a whole zone: followers first, the leader last. The data stays on all hosts."""

from functools import partial

from opennebula.zone import ZoneView
from procedures.bootstrap.bootstrap import zone_lock
from procedures.context import Access, Hosts
from procedures.facts.facts import Facts
from procedures.facts.observe import all_facts, statuses
from procedures.install import configuration
from procedures.oned_service import STOP
from procedures.parallel import side_by_side
from procedures.specs import ZoneSpec


def take_down(access: Access, zone: ZoneSpec, hosts: Hosts) -> None:
    """Stop every oned, and remove the hooks, the VIPs and any keys of a transfer.

    Each server keeps its SERVER_ID, so that none can run standalone on a copy of the data. Raises
    HostError.
    """
    with zone_lock(access, hosts):
        seen = all_facts(access, hosts, zone.database)
        running = {name: host for name, host in hosts.items() if seen[name].active}
        leader = ZoneView((), statuses(access, running)).leader()
        followers = [name for name in hosts if name != leader]
        side_by_side({name: partial(_stop, access, zone, seen[name]) for name in followers})
        if leader is not None:
            _stop(access, zone, seen[leader])


def _stop(access: Access, zone: ZoneSpec, seen: Facts) -> None:
    written = configuration.without_hooks(seen.newest_conf) if seen.newest_conf else ""
    access.report(f"{seen.host.name}: take it out of service")
    access.run(
        seen.host,
        "take_down",
        variables={"vips": " ".join(vip.address for vip in zone.vips)},
        secrets={"oned_conf": written.rstrip("\n")},
        timeout=STOP,
    )
