"""The VIP: where it must be and where it is."""

from collections.abc import Mapping
from typing import Any

from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import Resource

from procedures.access import Access
from procedures.address import drop, faults, holders
from procedures.specs import ZoneSpec
from procedures.virtual_ip import settle
from providers import stack
from providers.base import Outputs, Provider, as_input


class VirtualIpProvider(Provider[ZoneSpec]):
    """The zone's ENDPOINT, and the address on the leader alone."""

    spec_type = ZoneSpec

    def make(self, access: Access, spec: ZoneSpec, props: Mapping[str, Any]) -> tuple[str, Outputs]:
        """Set the ENDPOINT and wait until exactly the leader holds the address."""
        return _address(spec), self._settled(access, spec)

    def look(self, access: Access, spec: ZoneSpec, props: Mapping[str, Any]) -> Outputs:
        """Which hosts hold it."""
        survey = stack.current().survey(access, spec.database)
        seen = survey.all_facts()
        return {
            "holder": ", ".join(holders(seen, _address(spec))),
            "drift": faults(seen, _address(spec), survey.view().leader()),
        }

    def change(
        self,
        access: Access,
        spec: ZoneSpec,
        olds: Mapping[str, Any],
        news: Mapping[str, Any],
    ) -> Outputs:
        """The same, wherever the address was before."""
        before = ZoneSpec.model_validate(olds["spec"])
        if before.vip and spec.vip and before.vip.address != spec.vip.address:
            drop(access, before.vip.address, stack.current().front_ends)
        return self._settled(access, spec)

    def unmake(self, access: Access, spec: ZoneSpec, props: Mapping[str, Any]) -> None:
        """Nobody holds it any more. The hooks went with the configuration."""
        if spec.vip:
            drop(access, spec.vip.address, stack.current().front_ends)

    def _settled(self, access: Access, spec: ZoneSpec) -> Outputs:
        here = stack.current()
        seen, here.rolled_out = here.rolled_out, None
        holder = settle(access, spec, here.front_ends, seen)
        return {"holder": holder, "endpoint": spec.endpoint, "drift": []}


class VirtualIp(Resource, module="opennebula", name="VirtualIp"):
    """The address that clients use."""

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
        """``leader``: who leads, so that a new leader means another look at the address."""
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


def _address(spec: ZoneSpec) -> str:
    return spec.vip.address if spec.vip else ""
