"""Set the zone's ENDPOINT, and ensure that only the leader holds the VIPs."""

from collections.abc import Collection, Mapping
from functools import partial

from opennebula.api import has_grpc
from opennebula.packages import FEATURES
from procedures import services, zone_leader
from procedures.context import Access, Hosts
from procedures.facts.facts import Facts
from procedures.facts.observe import all_facts, api_host
from procedures.health import HealthyZone
from procedures.parallel import on_each
from procedures.specs import ZoneSpec
from procedures.vip.address import SECONDS, LeaderChanged, to_leader

_GUI = FEATURES["gui"]


def set_endpoint(
    access: Access,
    zone: ZoneSpec,
    hosts: Hosts,
    healthy: HealthyZone | None = None,
    *,
    version: str = "",
    features: Collection[str] = (),
) -> str:
    """Set the zone's ENDPOINT, and wait until only the leader holds the VIPs.

    ``healthy``: the zone after a recent health check. Without it, or after a change here, check
    the services: the ``features`` that OpenNebula ``version`` has. Return the leader's name,
    or an empty text without VIPs.
    """
    if healthy is not None and healthy.leader in hosts and hosts.keys() <= healthy.facts.keys():
        leader, entrance = healthy.leader, hosts[healthy.leader]
        seen = {name: healthy.facts[name] for name in hosts}
    else:
        view = zone_leader.wait_for_leader(access, hosts)
        leader, entrance = view.leader() or "", api_host(view, hosts)
        seen = all_facts(access, hosts, zone.database)
    # Where FireEdge must run.
    guis = {
        name: shown.host
        for name, shown in seen.items()
        if _GUI in shown.units and shown.units[_GUI].enabled.startswith("enabled")
    }
    idle = {name for name in guis if not seen[name].units[_GUI].runs}
    ask = partial(
        zone_leader.ask, access, hosts, step="set the zone's ENDPOINT", expected=zone.endpoint
    )
    try:
        _, entrance_now, grpc_now = ask(lambda api: api.zone(), first=entrance)
        if entrance_now != zone.endpoint:
            # FireEdge reads the ENDPOINT only when it starts. If it is stopped before the change,
            # it cannot keep the former one, wherever this is interrupted.
            running, idle = guis.keys() - idle, set(guis)
            _gui(access, {name: guis[name] for name in running}, "stop")
            ask(lambda api: api.set_endpoint(zone.endpoint, zone.grpc))
        elif zone.grpc and grpc_now != zone.grpc and has_grpc(seen[min(seen)].package):
            ask(lambda api: api.set_endpoint(zone.endpoint, zone.grpc))
    finally:
        _gui(access, {name: guis[name] for name in idle}, "start")
    if zone.vips:
        access.report(f"wait until {leader} alone holds the VIP, at most {SECONDS:.0f} s")
    try:
        present = to_leader(access, zone, hosts, leader, seen, elected=healthy is None)
    except LeaderChanged:
        return set_endpoint(access, zone, hosts, version=version, features=features)
    if healthy is None or idle or present is not seen:
        wanted = {
            name: services.promised(shown, features, version) if version else ()
            for name, shown in present.items()
        }
        known = {name: services.ServiceFacts.of(shown) for name, shown in present.items()}
        head = services.put_in_place(
            access, zone, hosts, leader, wanted=wanted, seen=None if idle else known
        )
        if head != leader:
            return set_endpoint(access, zone, hosts, version=version, features=features)
    return leader if zone.vips else ""


def _gui(access: Access, hosts: Hosts, action: str) -> None:
    on_each(hosts, lambda host: access.run(host, "gui", variables={"action": action}))


def endpoint_differences(
    zone: ZoneSpec, seen: Mapping[str, Facts], leader: str | None
) -> list[str]:
    """Describe how the zone's endpoints differ from the spec. Pure."""
    if leader is None or leader not in seen:
        return []
    head, found = seen[leader], []
    if head.zone_endpoint != zone.endpoint:
        found.append(f"the zone's ENDPOINT: {head.zone_endpoint or 'none'}")
    if zone.grpc and has_grpc(head.package) and head.zone_grpc != zone.grpc:
        found.append(f"the zone's ENDPOINT_GRPC: {head.zone_grpc or 'none'}")
    return found
