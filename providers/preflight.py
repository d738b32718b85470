"""What must be right on all front-ends, seen to before anything on any of them changes."""

from typing import TYPE_CHECKING

from pulumi import ResourceOptions
from pulumi.dynamic import Resource

from providers.base import Provider, as_input

if TYPE_CHECKING:
    from procedures.specs import PreflightSpec


class PreflightProvider(Provider):
    """Checks, and changes nothing: there is nothing of it to read or to delete."""


class Preflight(Resource, module="opennebula", name="Preflight"):
    """The front-ends are fit for what comes."""

    def __init__(
        self,
        name: str,
        spec: "PreflightSpec",
        *,
        urn: str,
        opts: ResourceOptions,
    ) -> None:
        super().__init__(PreflightProvider(), name, {"spec": as_input(spec), "urn": urn}, opts)
