"""Where clients reach the leader: the zone's ENDPOINT and the VIPs, if any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pulumi import Output

from providers.base import Forecast, ManagedResource, Outputs, Props, ZoneSpecProvider

if TYPE_CHECKING:
    from procedures.specs import Vip, ZoneSpec
    from providers.run_state import Operation


class VirtualIpProvider(ZoneSpecProvider):
    """Sets the zone's ENDPOINT, and ensures that only the leader holds the VIPs."""

    unaffected_by = frozenset({"keep_dumps", "zone_name"})
    repeats_create = False

    def forecast(self, olds: Props, news: Props, changed: set[str]) -> Forecast:
        """Describe which addresses clients lose, and which they get."""
        from opennebula.forecast import addresses

        before, after = (
            [vip["address"] for vip in props.get("one_vip", ())] for props in (olds, news)
        )
        removed = [address for address in before if address not in after]
        added = [address for address in after if address not in before]
        endpoint = news["endpoint"] if "endpoint" in changed else ""
        return [(news["urn"], text) for text in addresses(removed, added, endpoint)]

    def identifier(self, spec: ZoneSpec) -> str:
        """Return the ENDPOINT."""
        return spec.endpoint

    def do_create(self, op: Operation[ZoneSpec]) -> Outputs:
        """Set the ENDPOINT, and wait until only the leader holds the VIPs."""
        from procedures.vip.virtual_ip import set_endpoint

        seen, op.run.rolled_out = op.run.rolled_out, None
        set_endpoint(
            op.access,
            op.spec,
            op.run.front_ends,
            seen,
            version=op.run.release.version,
            features=op.run.features,
        )
        return {"drift": []}

    def do_read(self, op: Operation[ZoneSpec]) -> Outputs:
        """Report VIPs that the leader lacks or other servers hold, and a wrong ENDPOINT."""
        from procedures.vip.address import faults
        from procedures.vip.virtual_ip import endpoint_differences

        survey = op.run.survey(op.access, op.spec.database)
        leader = survey.view().leader()
        seen = survey.all_facts()
        drift = endpoint_differences(op.spec, seen, leader)
        return {"drift": [*(faults(seen, op.spec.vips, leader) if op.spec.vips else ()), *drift]}

    def do_update(self, op: Operation[ZoneSpec]) -> Outputs:
        """Remove former VIPs from all front-ends, then set the present ones."""
        from procedures.vip.address import drop

        kept = {vip.address for vip in op.spec.vips}
        removed = [vip for vip in self._former_vips(op.olds) if vip.address not in kept]
        drop(op.access, removed, op.run.front_ends)
        return self.do_create(op)

    def do_delete(self, op: Operation[ZoneSpec]) -> None:
        """Remove the VIPs, and set the ENDPOINT to localhost: each server uses its own oned.

        The installations have already changed the Raft hooks.
        """
        from opennebula.zone import endpoint
        from procedures.facts.observe import zone_view
        from procedures.vip.address import drop
        from procedures.vip.virtual_ip import set_endpoint

        hosts = op.run.front_ends
        drop(op.access, self._former_vips(op.props), hosts)
        if hosts and zone_view(op.access, hosts).leader():
            set_endpoint(
                op.access,
                op.spec.model_copy(update={"vips": (), "endpoint": endpoint("localhost")}),
                hosts,
            )

    def _former_vips(self, olds: Props) -> list[Vip]:
        return [vip for former in self.former_specs(olds) for vip in former.vips]


class VirtualIp(ManagedResource, module="opennebula", name="VirtualIp"):
    """The zone's ENDPOINT and its VIPs."""

    provider_type = VirtualIpProvider
    endpoint: Output[str]
