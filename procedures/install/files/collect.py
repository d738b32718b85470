"""All managed files of one front-end: their paths, and their changes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain

from hosts.errors import HostError
from opennebula.conf_grammar import ConfError
from procedures.context import Secrets
from procedures.facts.facts import Facts
from procedures.install import configuration
from procedures.install.files import backup, clock, drivers, ldap, leader, schedulers, services
from procedures.install.files.managed import ManagedFile
from procedures.install.packaging import platform
from procedures.specs import InstallationSpec

PUBLIC_KEY = "/var/lib/one/.ssh/id_rsa.pub"
"""oneadmin's public key, which is only read."""
PATHS = (
    PUBLIC_KEY,
    configuration.MONITORD,
    *services.PATHS,
    *drivers.PATHS,
    *schedulers.PATHS,
    *ldap.PATHS,
    *clock.PATHS,
    *leader.PATHS,
    *backup.PATHS,
)
"""The files whose content is a fact: all that a stack's config may change."""
_MISSING = ("missing",)


@dataclass(frozen=True)
class FileChange:
    """A managed file to write, or to remove if the text is empty."""

    file: ManagedFile
    text: str
    names: tuple[str, ...]
    """Names of the settings that differ."""

    @property
    def shown(self) -> tuple[str, ...]:
        """Return the differences as a refresh shows them."""
        path = self.file.path.removeprefix("/etc/one/")
        return tuple(f"{path}: {name}" for name in self.names) or (path,)


def managed(seen: Facts, spec: InstallationSpec, secrets: Secrets) -> Iterator[ManagedFile]:
    """Yield all managed files."""
    yield configuration.monitord_conf(spec)
    locale_file = platform(seen, spec.packages).family.locale_file
    texts = {path: file.text for path, file in seen.files.items()}
    yield from chain(
        services.files(spec, secrets.one_token),
        drivers.files(spec.drivers),
        schedulers.files(spec.schedulers),
        ldap.files(spec.ldap, secrets.ldap_passwords, texts),
        clock.files(spec.clock, time_service(seen), locale_file, texts),
        leader.files(spec, texts, sudo_refusal=seen.sudo_refusal),
        backup.files(spec),
    )


def changes(seen: Facts, spec: InstallationSpec, secrets: Secrets) -> list[FileChange]:
    """Return the files to change. Raises HostError if one cannot be parsed."""
    found = (_change(seen, file) for file in managed(seen, spec, secrets))
    return [change for change in found if change is not None]


def writing(
    seen: Facts, spec: InstallationSpec, secrets: Secrets
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the variables and secrets of configure.sh for the changed files.

    Raises HostError if a file of a package is missing.
    """
    found = changes(seen, spec, secrets)
    texts: dict[bool, dict[str, str]] = {False: {}, True: {}}
    for n, change in enumerate(found):
        if change.names == _MISSING:
            raise HostError(
                seen.host.name,
                f"edit {change.file.path}",
                expected="the file that its package brings",
                seen="none",
                remedy="have its package put it back (apt-get install --reinstall"
                " -o Dpkg::Options::=--force-confmiss, dnf reinstall, or zypper install --force),"
                " then run again",
            )
        texts[change.file.is_secret][f"text_{n}"] = change.text.rstrip("\n")
    files = [change.file for change in found]
    return {
        "files": "\n".join(
            f"{n} {file.owner or '-'} {file.mode or '-'} {file.path}"
            for n, file in enumerate(files)
        ),
        "restarts": " ".join(dict.fromkeys(file.restarts for file in files if file.restarts)),
        **texts[False],
    }, texts[True]


def time_services(seen: Facts) -> list[str]:
    """Return the units of the enabled time services."""
    return [
        name for name in clock.UNITS if name in seen.units and seen.units[name].enabled == "enabled"
    ]


def time_service(seen: Facts) -> str:
    """Return the unit of the time service; empty unless exactly one is enabled."""
    enabled = time_services(seen)
    return enabled[0] if len(enabled) == 1 else ""


def _change(seen: Facts, file: ManagedFile) -> FileChange | None:
    present = seen.files.get(file.path)
    if present is None and file.package and file.package not in seen.packages:
        return None
    before = present.text if present else ""
    try:
        after = file.edit(before)
    except ConfError as error:
        raise HostError(
            seen.host.name,
            f"read {file.path}",
            expected="the grammar of that file",
            seen=str(error),
            remedy="correct that line on the host, then run again",
        ) from None
    if before != after:
        is_missing = present is None and bool(file.package)
        names = _MISSING if is_missing else file.differences(before, after)
        return FileChange(file, after, names)
    if present is None or (
        file.owner in ("", present.owner) and file.mode in ("", f"{present.mode:o}")
    ):
        return None
    names = (f"mode {present.mode:o}, owner {present.owner}",)
    return FileChange(replace(file, restarts=""), after, names)
