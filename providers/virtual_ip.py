"""Where clients reach the leader: the zone's ENDPOINT, and the VIPs, where there are any."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import Resource

from providers.base import Outputs, Props, Provider, as_input

if TYPE_CHECKING:
    from procedures.context import Access
    from procedures.facts.facts import Facts
    from procedures.specs import Vip, ZoneSpec
    from providers.run_state import RunState


class VirtualIpProvider(Provider):
    """The zone's ENDPOINT, and the addresses on the leader alone."""

    spec_type = "ZoneSpec"

    def identifier(self, spec: ZoneSpec) -> str:
        """Return the ENDPOINT."""
        return spec.endpoint

    def do_create(self, access: Access, run: RunState, spec: ZoneSpec, props: Props) -> Outputs:
        """Set the ENDPOINT and wait until exactly the leader holds the addresses."""
        return self._settled(access, run, spec)

    def do_read(self, access: Access, run: RunState, spec: ZoneSpec, props: Props) -> Outputs:
        """Which hosts hold any of them."""
        from procedures.vip.address import faults, holders

        survey = run.survey(access, spec.database)
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

    def do_update(
        self, access: Access, run: RunState, spec: ZoneSpec, olds: Props, news: Props
    ) -> Outputs:
        """The same, wherever the addresses were before."""
        from procedures.vip.address import drop

        kept = {vip.address for vip in spec.vips}
        gone = [vip for vip in self._former_vips(olds) if vip.address not in kept]
        drop(access, gone, run.front_ends)
        return self._settled(access, run, spec)

    def do_delete(self, access: Access, run: RunState, spec: ZoneSpec, props: Props) -> None:
        """No server holds them any more, and each asks its own oned. The hooks have changed."""
        from opennebula.zone import endpoint
        from procedures.facts.observe import zone_view
        from procedures.vip.address import drop
        from procedures.vip.virtual_ip import set_endpoint

        hosts = run.front_ends
        drop(access, self._former_vips(props), hosts)
        if hosts and zone_view(access, hosts).leader():
            set_endpoint(
                access,
                spec.model_copy(update={"vips": (), "endpoint": endpoint("localhost")}),
                hosts,
            )

    def _former_vips(self, olds: Props) -> list[Vip]:
        return [vip for former in self.former_specs(olds) for vip in former.vips]

    def _settled(self, access: Access, run: RunState, spec: ZoneSpec) -> Outputs:
        from procedures.vip.virtual_ip import set_endpoint

        seen, run.rolled_out = run.rolled_out, None
        holder = set_endpoint(
            access,
            spec,
            run.front_ends,
            seen,
            version=run.release.version,
            features=run.features,
        )
        return {"holder": holder, "endpoint": spec.endpoint, "drift": []}


class VirtualIp(Resource, module="opennebula", name="VirtualIp"):
    """The way in that clients use."""

    holder: Output[str]
    endpoint: Output[str]

    def __init__(
        self,
        name: str,
        spec: ZoneSpec,
        *,
        leader: Input[str],
        urn: str,
        opts: ResourceOptions,
    ) -> None:
        """``leader``: who leads, so that a new leader means another look at the VIPs."""
        super().__init__(
            VirtualIpProvider(),
            name,
            {
                "spec": as_input(spec),
                "leader": leader,
                "urn": urn,
                "holder": None,
                "endpoint": None,
                "drift": None,
            },
            opts,
        )


def _of_endpoint(spec: ZoneSpec, seen: Mapping[str, Facts], leader: str | None) -> list[str]:
    """Describe endpoints of the zone that are other ones than the spec's."""
    from opennebula.api import has_grpc

    if leader is None or leader not in seen:
        return []
    head, found = seen[leader], []
    if head.zone_endpoint != spec.endpoint:
        found.append(f"the zone's ENDPOINT: {head.zone_endpoint or 'none'}")
    if spec.grpc and has_grpc(head.package) and head.zone_grpc != spec.grpc:
        found.append(f"the zone's ENDPOINT_GRPC: {head.zone_grpc or 'none'}")
    return found
