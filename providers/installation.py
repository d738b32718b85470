"""Packages, database, configuration and keys of one host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pulumi import Output
from pulumi.dynamic import CheckResult

from providers import progress
from providers.base import ManagedResource, Outputs, Props, Provider, now
from providers.runtime import CREATE, INCOMPLETE

if TYPE_CHECKING:
    from procedures.context import Access
    from procedures.install.install import Installed
    from procedures.specs import InstallationSpec
    from providers.run_state import RunState

NAMINGS = "etc_hosts_additions"
"""Input: a number that another name for /etc/hosts changes."""
planned: dict[str, set[str]] = {}
"""The inputs that change, by front-end, as far as this process was asked: see the forecast of
``Rollout``."""


class InstallationProvider(Provider):
    """Installs and configures; starts nothing that the zone must start."""

    spec_type = "InstallationSpec"
    labels: ClassVar = {
        "clock": "ntp",
        "mounts": "fstab",
        "names": "etc_hosts",
        "version": "one_version",
        "vips": "one_vip",
    }
    spread = frozenset(
        {"bind", "database", "drivers", "hooks", "ldap", "ntp", "oned", "schedulers"}
    )
    optional = frozenset({"leader_check", "pkg_cache_proxy"})
    unaffected_by = frozenset({"etc_hosts"})
    identity = ("host.name",)

    def check(self, olds: Mapping[str, Any], news: dict[str, Any]) -> CheckResult:
        """Count how often a name was added to /etc/hosts, or got another address.

        Only that is a change of this host: a name of a front-end that leaves is taken out when it
        has left, see ``leave``. ``diff`` could not tell by the names themselves: it compares with
        outputs, which stay as the last update left them.
        """
        former = self._modern(olds)
        had, wanted = former.get("etc_hosts") or {}, news.get("etc_hosts") or {}
        lacks = bool(olds) and any(had.get(name) != at for name, at in wanted.items())
        count = int(former.get(NAMINGS, 0)) + lacks
        return super().check(olds, {**news, NAMINGS: count} if count else news)

    def forecast(
        self, olds: Mapping[str, Any], news: Mapping[str, Any], changed: set[str]
    ) -> Iterable[tuple[str, str]]:
        """Note what changes: the words are those of the rollout."""
        planned[news["host"]["name"]] = changed
        return ()

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

        # Who has left since the last update took its name out of /etc/hosts.
        names = {name: at for name, at in spec.names.items() if name in run.front_ends}
        spec = spec.model_copy(update={"names": names})
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


class Installation(ManagedResource, module="opennebula", name="Installation"):
    """OpenNebula on one host, ready to be started as a server of the zone.

    Input: ``secrets``, a fingerprint of the secrets that are written on the host.
    """

    provider_type = InstallationProvider
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
