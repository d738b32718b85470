"""Where clients reach the leader: the zone's ENDPOINT, and the VIPs, where there are any."""

from collections.abc import Mapping
from typing import Any

from opennebula.api import has_grpc
from opennebula.zone import endpoint
from procedures.context import Access
from procedures.facts.observe import Facts, zone_view
from procedures.specs import ZoneSpec
from procedures.vip.address import drop, faults, holders
from procedures.vip.virtual_ip import settle
from providers import stack
from providers.work import base
from providers.work.base import Outputs


class Work(base.Work[ZoneSpec]):
    """Of VirtualIp."""

    spec_type = ZoneSpec

    def identifier(self, spec: ZoneSpec) -> str:
        """Return the ENDPOINT."""
        return spec.endpoint

    def make(self, access: Access, spec: ZoneSpec, props: Mapping[str, Any]) -> Outputs:
        """Set the ENDPOINT and wait until exactly the leader holds the addresses."""
        return self._settled(access, spec)

    def look(self, access: Access, spec: ZoneSpec, props: Mapping[str, Any]) -> Outputs:
        """Which hosts hold any of them."""
        survey = stack.current().survey(access, spec.database)
        leader = survey.view().leader()
        seen = survey.all_facts()
        drift = _of_endpoint(spec, seen, leader)
        if not spec.vips:
            return {"holder": "", "endpoint": spec.endpoint, "drift": drift}
        holding = {name for vip in spec.vips for name in holders(seen, vip.address)}
        return {
            "holder": ", ".join(sorted(holding)),
            # Where the rollout of the next up ends with another one, that is a change.
            **({"leader": leader} if leader else {}),
            "endpoint": spec.endpoint,
            "drift": [*faults(seen, spec.vips, leader), *drift],
        }

    def change(
        self,
        access: Access,
        spec: ZoneSpec,
        olds: Mapping[str, Any],
        news: Mapping[str, Any],
    ) -> Outputs:
        """The same, wherever the addresses were before."""
        before = ZoneSpec.model_validate(olds["spec"])
        kept = {vip.address for vip in spec.vips}
        gone = [vip for vip in before.vips if vip.address not in kept]
        drop(access, gone, stack.current().front_ends)
        return self._settled(access, spec)

    def unmake(self, access: Access, spec: ZoneSpec, props: Mapping[str, Any]) -> None:
        """Nobody holds them any more, and each asks its own oned. The hooks have changed."""
        hosts = stack.current().front_ends
        drop(access, spec.vips, hosts)
        if hosts and zone_view(access, hosts).leader():
            settle(
                access,
                spec.model_copy(update={"vips": (), "endpoint": endpoint("localhost")}),
                hosts,
            )

    def _settled(self, access: Access, spec: ZoneSpec) -> Outputs:
        here = stack.current()
        seen, here.rolled_out = here.rolled_out, None
        holder = settle(
            access,
            spec,
            here.front_ends,
            seen,
            version=here.release.version,
            features=here.features,
        )
        return {"holder": holder, "endpoint": spec.endpoint, "drift": []}


def _of_endpoint(spec: ZoneSpec, seen: Mapping[str, Facts], leader: str | None) -> list[str]:
    """Describe a zone's ENDPOINT that is another one than the spec's."""
    if leader is None or leader not in seen:
        return []
    head, found = seen[leader], []
    if head.zone_endpoint != spec.endpoint:
        found.append(f"the zone's ENDPOINT: {head.zone_endpoint or 'none'}")
    if spec.grpc and has_grpc(head.package) and head.zone_grpc != spec.grpc:
        found.append(f"the zone's ENDPOINT_GRPC: {head.zone_grpc or 'none'}")
    return found
