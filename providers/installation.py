"""Packages, database, configuration and keys of one host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import Resource

from providers import progress
from providers.base import Outputs, Props, Provider, as_input, now
from providers.runtime import CREATE, INCOMPLETE

if TYPE_CHECKING:
    from procedures.context import Access
    from procedures.install.install import Installed
    from procedures.specs import InstallationSpec
    from providers.run_state import RunState


class InstallationProvider(Provider):
    """Installs and configures; starts nothing that the zone must start."""

    spec_type = "InstallationSpec"
    identity = ("host.name",)

    def is_adopted(self, run: RunState, spec: InstallationSpec) -> bool:
        """Return whether this server ran before the stack, and stays as it is."""
        return run.observes or spec.host.name in run.adopted

    def do_create(
        self, access: Access, run: RunState, spec: InstallationSpec, props: Props
    ) -> Outputs:
        """Install, or find it installed."""
        with run.turn(spec.host.name):
            return self._made(access, run, spec)

    def do_create_again(
        self, access: Access, run: RunState, spec: InstallationSpec, olds: Props, news: Props
    ) -> Outputs:
        """Install: the host is as new to the stack as it was then, but may have former secrets."""
        return self._made(access, run, spec, renew=True)

    def _made(
        self, access: Access, run: RunState, spec: InstallationSpec, *, renew: bool = False
    ) -> Outputs:
        from procedures.install.install import install

        done = install(
            access,
            spec,
            front_ends=run.front_ends,
            new=True,
            agreed=run.release.agreed,
            renew=renew,
            converts=run.convert_database,
            seen=run.take(spec.host),
            leaving=run.leaving,
            lost=run.lost,
        )
        if done.adopted:
            run.note_adopted(spec.host.name)
        return _outputs(done, revision=now())

    def do_read(
        self, access: Access, run: RunState, spec: InstallationSpec, props: Props
    ) -> Outputs:
        """What is installed, and what differs from the spec."""
        from procedures.install.install import inspect

        survey = run.survey(access, spec.database)
        return _outputs(inspect(access, spec, survey), revision=props.get("revision") or now())

    def do_update(
        self, access: Access, run: RunState, spec: InstallationSpec, olds: Props, news: Props
    ) -> Outputs:
        """Bring the host to the spec. What changes takes effect with the rollout."""
        from procedures.install.install import install

        renew = olds.get("secrets") != news.get("secrets") or bool(olds.get(INCOMPLETE))
        done = install(
            access,
            spec,
            front_ends=run.front_ends,
            agreed=run.release.agreed,
            renew=renew,
            converts=run.convert_database,
            seen=run.take(spec.host),
            leaving=run.leaving,
            lost=run.lost,
        )
        return _outputs(done, revision=now())

    def do_delete(
        self, access: Access, run: RunState, spec: InstallationSpec, props: Props
    ) -> None:
        """Stop and disable the services; the data stays unless purge is set.

        The front-ends that stay know its name no more: by now it is in the zone no more, either.
        Where the installation never was complete the operator learns what is left of it.
        """
        from procedures.install.hosts_file import change_names
        from procedures.install.install import remove

        is_renamed = spec.host.name not in run.front_ends and run.has(spec.host)
        if run.names_hosts and spec.host.name not in run.front_ends:
            change_names(access, run.front_ends, removed=spec.host.name)
        if spec.host.name not in run.lost and not is_renamed:
            half = props.get(INCOMPLETE) == CREATE
            left = remove(access, spec, half_installed=half)
            if left:
                progress.note(str(props.get("urn", "")), f"{spec.host.name}: {left}")


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
