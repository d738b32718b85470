"""Where clients reach the leader: the zone's ENDPOINT, and the VIPs, where there are any."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pulumi import Output

from providers.base import ManagedResource, Outputs, Props, ZoneSpecProvider

if TYPE_CHECKING:
    from procedures.context import Access
    from procedures.specs import Vip, ZoneSpec
    from providers.run_state import RunState


class VirtualIpProvider(ZoneSpecProvider):
    """The zone's ENDPOINT, and the addresses on the leader alone."""

    unaffected_by = frozenset({"keep_dumps", "zone_name"})

    def forecast(
        self, olds: Mapping[str, Any], news: Mapping[str, Any], changed: set[str]
    ) -> Iterable[tuple[str, str]]:
        """Say where clients lose OpenNebula, and where they find it."""
        from opennebula.forecast import addresses

        had, wanted = ([vip["address"] for vip in one.get("one_vip", ())] for one in (olds, news))
        gone, new = [at for at in had if at not in wanted], [at for at in wanted if at not in had]
        endpoint = news["endpoint"] if "endpoint" in changed else ""
        return [(news["urn"], text) for text in addresses(gone, new, endpoint)]

    def identifier(self, spec: ZoneSpec) -> str:
        """Return the ENDPOINT."""
        return spec.endpoint

    def do_create(self, access: Access, run: RunState, spec: ZoneSpec, props: Props) -> Outputs:
        """Set the ENDPOINT and wait until exactly the leader holds the addresses."""
        return self._settled(access, run, spec)

    def do_read(self, access: Access, run: RunState, spec: ZoneSpec, props: Props) -> Outputs:
        """Where they are missing, or held by others than the leader."""
        from procedures.vip.address import faults
        from procedures.vip.virtual_ip import endpoint_differences

        survey = run.survey(access, spec.database)
        leader = survey.view().leader()
        seen = survey.all_facts()
        drift = endpoint_differences(spec, seen, leader)
        return {"drift": [*(faults(seen, spec.vips, leader) if spec.vips else ()), *drift]}

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
        set_endpoint(
            access,
            spec,
            run.front_ends,
            seen,
            version=run.release.version,
            features=run.features,
        )
        return {"drift": []}


class VirtualIp(ManagedResource, module="opennebula", name="VirtualIp"):
    """The way in that clients use."""

    provider_type = VirtualIpProvider
    endpoint: Output[str]
