"""Try OpenNebula's package repository on each host that will get packages from it."""

from collections.abc import Sequence

from hosts.errors import HostError
from hosts.models import Host
from opennebula.packages import is_version
from procedures.context import Access
from procedures.facts.facts import Facts
from procedures.install import packaging
from procedures.parallel import on_each
from procedures.preflight.context import Site
from procedures.script_text import LOCK_PATIENCE
from procedures.specs import PackageSpec
from procedures.upgrade import versions

SECONDS = 300.0 + LOCK_PATIENCE


def unusable_repositories(access: Access, site: Site) -> list[HostError]:
    """Return the faults that the installation would find before it installs anything."""
    spec, change = site.spec.packages, site.change
    if spec is None:
        return []
    due = site.facts.keys() if change.changes_packages else change.new & site.facts.keys()
    needed = {
        name: names
        for name in sorted(due - site.unchanged.keys())
        if (names := _needed(site.facts[name], spec))
    }

    def try_on(host: Host) -> HostError | None:
        seen = site.facts[host.name]
        token = access.secrets.one_token
        try:
            access.run(
                host,
                "check_repository",
                variables={
                    **packaging.repository(seen, spec, enterprise=token is not None),
                    "version": spec.version,
                    "packages": " ".join(needed[host.name]),
                },
                secrets={"token": token or ""},
                exclusive=False,
                timeout=SECONDS,
            )
        except HostError as error:
            return error
        return None

    answers = on_each({name: site.spec.hosts[name] for name in needed}, try_on)
    return [error for error in answers.values() if error]


def _needed(seen: Facts, spec: PackageSpec) -> Sequence[str]:
    """Return the packages that the installation fetches; none if it does not use the repository."""
    try:
        packaging.platform(seen, spec)
    except HostError:
        # Another check reports a distribution without packages.
        return ()
    if seen.upgrading:
        return ()
    if versions.rolls(seen, spec.version):
        return () if is_version(seen.staged, spec.version) else packaging.wanted(seen, spec)
    return packaging.to_fetch(seen, spec)
