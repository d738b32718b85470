"""Packages, database, configuration and keys of one host."""

from typing import TYPE_CHECKING

from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import Resource

from providers.base import Provider, as_input

if TYPE_CHECKING:
    from procedures.specs import InstallationSpec


class InstallationProvider(Provider):
    """Installs and configures; starts nothing that the zone must start."""

    identity = ("host.name",)


class Installation(Resource, module="opennebula", name="Installation"):
    """One host's OpenNebula, ready to take its place in the zone."""

    revision: Output[str]
    package: Output[str]
    machine_id: Output[str]
    host_key: Output[str]

    def __init__(
        self,
        name: str,
        spec: "InstallationSpec",
        *,
        secrets: Input[str],
        urn: str,
        opts: ResourceOptions,
    ) -> None:
        """``secrets``: a fingerprint of the secrets that are written on the host."""
        super().__init__(
            InstallationProvider(),
            name,
            {
                "spec": as_input(spec),
                "secrets": secrets,
                "urn": urn,
                "revision": None,
                "package": None,
                "distribution": None,
                "machine_id": None,
                "host_key": None,
                "drift": None,
            },
            opts,
        )
