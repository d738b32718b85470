"""Compare the gRPC endpoints of an adopted zone: OpenNebula cannot change an entry."""

from collections.abc import Iterator

from opennebula.api import has_grpc
from procedures.preflight.context import Finding, Site, Weight, always, fault


@always
def grpc(site: Site) -> Iterator[Finding]:
    """Report at a stack's first ``up`` where the zone's entries differ from the config."""
    if site.change.before is not None or not has_grpc(site.spec.version):
        return
    pool = max((facts.pool for facts in site.facts.values()), key=len, default=())
    wanted = bool(site.spec.register_grpc)
    differing = sorted(entry.name for entry in pool if bool(entry.grpc) is not wanted)
    if differing:
        yield fault(
            ", ".join(differing),
            "check the zone's gRPC endpoints",
            expected="an ENDPOINT_GRPC: opennebula-ha:register_grpc is true"
            if wanted
            else "no ENDPOINT_GRPC: Raft then asks by XML-RPC, with a time limit of 1 s",
            seen="none: followers refuse gRPC calls that only the leader can answer, if it is one"
            " of these; XML-RPC and the VIP are not concerned"
            if wanted
            else "one: Raft asks by gRPC without a time limit, so that a new leader takes about"
            " 30 s, not 6 s, when the leader's host is down",
            remedy="OpenNebula cannot change an entry: let the front-ends leave and join again,"
            " two at a time",
            weight=Weight.WARNING,
        )
