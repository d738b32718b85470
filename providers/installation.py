"""Packages, database, configuration and keys of one host."""

from collections.abc import Mapping
from typing import Any

from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import Resource

from procedures.access import Access
from procedures.install import Installed, inspect, install, remove
from procedures.specs import InstallationSpec
from providers import stack
from providers.base import Outputs, Provider, as_input, now


class InstallationProvider(Provider[InstallationSpec]):
    """Installs and configures; starts nothing that the zone must start."""

    spec_type = InstallationSpec
    identity = ("host.name",)

    def make(
        self, access: Access, spec: InstallationSpec, props: Mapping[str, Any]
    ) -> tuple[str, Outputs]:
        """Install, or find it installed."""
        here = stack.current()
        done = install(
            access,
            spec,
            peers=here.front_ends,
            agreed=here.release.agreed,
            seen=here.take(spec.host),
        )
        return spec.host.name, _outputs(done, revision=now())

    def look(self, access: Access, spec: InstallationSpec, props: Mapping[str, Any]) -> Outputs:
        """What is installed, and what differs from the spec."""
        survey = stack.current().survey(access, spec.database)
        seen = survey.facts_of(spec.host)
        return _outputs(inspect(access, spec, seen), revision=props["revision"])

    def change(
        self,
        access: Access,
        spec: InstallationSpec,
        olds: Mapping[str, Any],
        news: Mapping[str, Any],
    ) -> Outputs:
        """Bring the host to the spec. What changes takes effect with the rollout."""
        renew = olds.get("secrets") != news.get("secrets")
        here = stack.current()
        done = install(
            access, spec, agreed=here.release.agreed, renew=renew, seen=here.take(spec.host)
        )
        return _outputs(done, revision=now())

    def unmake(self, access: Access, spec: InstallationSpec, props: Mapping[str, Any]) -> None:
        """Stop and disable the services; the data stays unless purge is set."""
        if spec.host.name not in stack.current().lost:
            remove(access, spec)


class Installation(Resource, module="opennebula", name="Installation"):
    """One host's OpenNebula, ready to take its place in the zone."""

    revision: Output[str]
    package: Output[str]
    machine_id: Output[str]
    host_key: Output[str]

    def __init__(
        self,
        name: str,
        spec: InstallationSpec,
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


def _outputs(seen: Installed, *, revision: str) -> Outputs:
    return {
        "package": seen.package,
        "distribution": seen.distribution,
        "machine_id": seen.machine_id,
        "host_key": seen.host_key,
        "drift": list(seen.drift),
        "revision": revision,
    }
