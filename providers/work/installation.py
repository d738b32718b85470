"""Packages, database, configuration and keys of one host."""

from collections.abc import Mapping
from typing import Any

from procedures.context import Access
from procedures.install.install import Installed, inspect, install, remove
from procedures.specs import InstallationSpec
from providers import progress, stack
from providers.runtime import CREATE, INCOMPLETE
from providers.work import base
from providers.work.base import Outputs, now


class Work(base.Work[InstallationSpec]):
    """Of Installation."""

    spec_type = InstallationSpec

    def identifier(self, spec: InstallationSpec) -> str:
        """Return the name of the host."""
        return spec.host.name

    def is_adopted(self, spec: InstallationSpec) -> bool:
        """Return whether this server ran before the stack, and stays as it is."""
        here = stack.current()
        return here.observes or spec.host.name in here.adopted

    def make(self, access: Access, spec: InstallationSpec, props: Mapping[str, Any]) -> Outputs:
        """Install, or find it installed."""
        here = stack.current()
        with here.turn(spec.host.name):
            return self._made(access, spec)

    def make_again(
        self,
        access: Access,
        spec: InstallationSpec,
        olds: Mapping[str, Any],
        news: Mapping[str, Any],
    ) -> Outputs:
        """Install: the host is as new to the stack as it was then, but may have former secrets."""
        return self._made(access, spec, renew=True)

    def _made(self, access: Access, spec: InstallationSpec, *, renew: bool = False) -> Outputs:
        here = stack.current()
        done = install(
            access,
            spec,
            peers=here.front_ends,
            agreed=here.release.agreed,
            renew=renew,
            converts=here.convert_database,
            seen=here.take(spec.host),
        )
        if done.adopted:
            here.note_adopted(spec.host.name)
        return _outputs(done, revision=now())

    def look(self, access: Access, spec: InstallationSpec, props: Mapping[str, Any]) -> Outputs:
        """What is installed, and what differs from the spec."""
        survey = stack.current().survey(access, spec.database)
        return _outputs(inspect(access, spec, survey), revision=props.get("revision") or now())

    def change(
        self,
        access: Access,
        spec: InstallationSpec,
        olds: Mapping[str, Any],
        news: Mapping[str, Any],
    ) -> Outputs:
        """Bring the host to the spec. What changes takes effect with the rollout."""
        renew = olds.get("secrets") != news.get("secrets") or bool(olds.get(INCOMPLETE))
        here = stack.current()
        former = InstallationSpec.model_validate(olds["spec"]).names
        done = install(
            access,
            spec,
            agreed=here.release.agreed,
            renew=renew,
            converts=here.convert_database,
            seen=here.take(spec.host),
            leaving=here.still_there(
                {name: at for name, at in former.items() if name not in here.front_ends}
            ),
        )
        return _outputs(done, revision=now())

    def unmake(self, access: Access, spec: InstallationSpec, props: Mapping[str, Any]) -> None:
        """Stop and disable the services; the data stays unless purge is set.

        Where the installation never was complete the operator learns what is left of it.
        """
        here = stack.current()
        is_renamed = spec.host.name not in here.front_ends and here.has(spec.host)
        if spec.host.name not in here.lost and not is_renamed:
            half = props.get(INCOMPLETE) == CREATE
            left = remove(access, spec, half_installed=half)
            if left:
                progress.note(str(props.get("urn", "")), f"{spec.host.name}: {left}")


def _outputs(seen: Installed, *, revision: str) -> Outputs:
    return {
        "package": seen.package,
        "distribution": seen.distribution,
        "machine_id": seen.machine_id,
        "host_key": seen.host_key,
        "drift": list(seen.drift),
        "revision": revision,
    }
