"""Packages, database, configuration and keys of one host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pulumi import Output
from pulumi.dynamic import CheckResult

from providers import notes, progress, state
from providers.base import Forecast, ManagedResource, Outputs, Props, Provider, now
from providers.runtime import CREATE, INCOMPLETE

if TYPE_CHECKING:
    from procedures.install.install import Installed
    from procedures.specs import InstallationSpec
    from providers.run_state import Operation

NAMINGS = "etc_hosts_additions"
"""Input: the number of changes of /etc/hosts that concern names of the stack's front-ends."""


class InstallationProvider(Provider):
    """Installs and configures one front-end. Starting oned is left to the zone."""

    spec_type = "InstallationSpec"
    labels: ClassVar = {
        "clock": "ntp",
        "mounts": "fstab",
        "names": "etc_hosts",
        "version": "one_version",
        "vips": "one_vip",
    }
    spread = frozenset(
        {"backup", "bind", "database", "drivers", "hooks", "ldap", "ntp", "oned", "schedulers"}
    )
    optional = frozenset({"leader_check", "pkg_cache_proxy"})
    unaffected_by = frozenset({"etc_hosts"})

    def check(self, olds: Mapping[str, Any], news: dict[str, Any]) -> CheckResult:
        """Count how often a name was added to /etc/hosts, or got another address.

        Only that updates this host: the name of a front-end that leaves is removed when it has
        left, see ``leave``. ``diff`` cannot compare the names: the outputs have those of the last
        update.
        """
        former = self.modern(olds)
        before, after = former.get("etc_hosts") or {}, news.get("etc_hosts") or {}
        differs = bool(olds) and any(before.get(name) != ip for name, ip in after.items())
        count = int(former.get(NAMINGS, 0)) + differs
        return super().check(olds, {**news, NAMINGS: count} if count else news)

    def forecast(self, olds: Props, news: Props, changed: set[str]) -> Forecast:
        """Note the changed inputs for the forecast of Rollout."""
        notes.changed[news["host"]["name"]] = changed
        return ()

    def do_create(self, op: Operation[InstallationSpec]) -> Outputs:
        """Install, unless it is installed. After a failed create, write all secrets again."""
        with op.run.turn(op.spec.host.name):
            return self._install(op, new=True, renew=bool(op.olds))

    def _install(self, op: Operation[InstallationSpec], *, new: bool, renew: bool) -> Outputs:
        from procedures.install.install import install

        done = install(
            op.access,
            op.spec,
            front_ends=op.run.front_ends,
            new=new,
            agreed=op.run.release.agreed,
            renew=renew,
            converts=op.run.convert_database,
            seen=op.run.take(op.spec.host),
            leaving=op.run.leaving,
            lost=op.run.lost,
        )
        if done.adopted:
            op.run.note_adopted(op.spec.host.name)
        return _outputs(done, revision=now())

    def do_read(self, op: Operation[InstallationSpec]) -> Outputs:
        """Read what is installed, and what differs from the spec."""
        from procedures.install.install import inspect

        # A front-end that left after the last update has removed its name from /etc/hosts.
        names = {name: ip for name, ip in op.spec.names.items() if name in op.run.front_ends}
        spec = op.spec.model_copy(update={"names": names})
        survey = op.run.survey(op.access, spec.database)
        return _outputs(
            inspect(op.access, spec, survey), revision=op.props.get("revision") or now()
        )

    def do_update(self, op: Operation[InstallationSpec]) -> Outputs:
        """Change the host to match the spec. The rollout puts the changes into effect."""
        renew = op.olds.get("secrets") != op.props.get("secrets") or bool(op.olds.get(INCOMPLETE))
        return self._install(op, new=False, renew=renew)

    def do_delete(self, op: Operation[InstallationSpec]) -> None:
        """Stop and disable the services. The data stays, unless purge is set.

        The host has left the zone, so the other front-ends remove its name from /etc/hosts. If the
        installation never completed, report what is left of it.
        """
        from procedures.install.hosts_file import change_names
        from procedures.install.remove import remove
        from procedures.membership.leave import require_left

        name, run = op.spec.host.name, op.run
        if op.spec.hooks is not None and name not in {*run.front_ends, *run.lost}:
            require_left(op.access, op.spec.host, run.front_ends, op.spec.database)
        is_renamed = name not in run.front_ends and run.has(op.spec.host)
        if run.names_hosts and name not in run.front_ends:
            change_names(op.access, run.front_ends, removed=name)
        if name not in run.lost and not is_renamed:
            half = op.props.get(INCOMPLETE) == CREATE
            left = remove(op.access, op.spec, half_installed=half)
            if left:
                progress.note(state.urn_of(op.props), f"{name}: {left}")


class Installation(ManagedResource, module="opennebula", name="Installation"):
    """OpenNebula on one host, ready to be started as a server of the zone.

    Input: ``secrets``, a fingerprint of the secrets that are written on the host.
    """

    provider_type = InstallationProvider
    parents = (state.ZONE, state.FRONT_END)
    outputs = ("revision", "package", "distribution", "machine_id", "host_key", "drift")
    revision: Output[str]
    machine_id: Output[str]
    host_key: Output[str]


def _outputs(seen: Installed, *, revision: str) -> Outputs:
    return {
        "package": seen.package,
        "distribution": seen.distribution,
        "machine_id": seen.machine_id,
        "host_key": seen.host_key,
        "drift": list(seen.drift),
        "revision": revision,
    }
