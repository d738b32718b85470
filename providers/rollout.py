"""Puts pending configuration into effect without losing quorum, and says how the zone is."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import Resource

from providers.base import Provider, as_input, hosts_input

if TYPE_CHECKING:
    from hosts.models import Host
    from procedures.specs import ZoneSpec


class RolloutProvider(Provider):
    """The last step for the servers: each runs the configuration that it has."""


class Rollout(Resource, module="opennebula", name="Rollout"):
    """The zone with everybody in it and every change in effect."""

    leader: Output[str]
    servers: Output[list[dict[str, Any]]]
    backups: Output[dict[str, Any]]

    def __init__(
        self,
        name: str,
        spec: "ZoneSpec",
        front_ends: "Mapping[str, Host]",
        *,
        features: Sequence[str],
        after: Mapping[str, Input[Any]],
        urn: str,
        opts: ResourceOptions,
    ) -> None:
        """``features``: what has to run beside oned; ``after``: outputs whose change calls for
        another look at the zone.
        """
        super().__init__(
            RolloutProvider(),
            name,
            {
                "spec": as_input(spec),
                "front_ends": hosts_input(front_ends),
                "features": sorted(features),
                "after": dict(after),
                "urn": urn,
                "leader": None,
                "servers": None,
                "pool": None,
                "backups": None,
                "drift": None,
            },
            opts,
        )
