"""Collect the changes of all managed files of one front-end."""

from collections.abc import Iterator
from dataclasses import dataclass
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

_MISSING = ("missing",)


@dataclass(frozen=True)
class FileChange:
    """A file to write, or to remove if the text is empty."""

    path: str
    text: str
    names: tuple[str, ...]
    """Names of the settings that differ."""
    owner: str = ""
    mode: str = ""
    restarts: str = ""
    """The unit to restart, which reads the file."""
    is_secret: bool = False

    @property
    def shown(self) -> tuple[str, ...]:
        """Return the differences as a refresh shows them."""
        path = self.path.removeprefix("/etc/one/")
        return tuple(f"{path}: {name}" for name in self.names) or (path,)


def managed(seen: Facts, spec: InstallationSpec, secrets: Secrets) -> Iterator[ManagedFile]:
    """Yield all managed files."""
    yield configuration.monitord_conf(spec)
    locale_file = platform(seen, spec).family.locale_file
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


@dataclass(frozen=True)
class Writing:
    """The variables and secrets of configure.sh for the changed files."""

    variables: dict[str, str]
    secrets: dict[str, str]


def writing(seen: Facts, spec: InstallationSpec, secrets: Secrets) -> Writing:
    """Return the variables and secrets for the changed files.

    Raises HostError if a file of a package is missing.
    """
    found = changes(seen, spec, secrets)
    for change in found:
        if change.names == _MISSING:
            raise HostError(
                seen.host.name,
                f"edit {change.path}",
                expected="the file that its package brings",
                seen="none",
                remedy="have its package put it back (apt-get install --reinstall"
                " -o Dpkg::Options::=--force-confmiss, dnf reinstall, or zypper install --force),"
                " then run again",
            )
    texts = {f"text_{n}": change.text.rstrip("\n") for n, change in enumerate(found)}
    hidden = {f"text_{n}" for n, change in enumerate(found) if change.is_secret}
    return Writing(
        {
            "files": "\n".join(
                f"{n} {change.owner or '-'} {change.mode or '-'} {change.path}"
                for n, change in enumerate(found)
            ),
            "restarts": " ".join(
                dict.fromkeys(change.restarts for change in found if change.restarts)
            ),
            **{name: text for name, text in texts.items() if name not in hidden},
        },
        {name: text for name, text in texts.items() if name in hidden},
    )


def time_service(seen: Facts) -> str:
    """Return the unit of the time service; empty unless exactly one is enabled."""
    enabled = [
        name for name in clock.UNITS if name in seen.units and seen.units[name].enabled == "enabled"
    ]
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
    names = file.differences(before, after) if before != after else ()
    if before == after:
        has_mode = present is None or (
            file.owner in ("", present.owner) and file.mode in ("", f"{present.mode:o}")
        )
        if has_mode:
            return None
        names = (f"mode {present.mode:o}, owner {present.owner}",) if present else ()
    if present is None and file.package:
        names = _MISSING
    return FileChange(
        path=file.path,
        text=after,
        names=names,
        owner=file.owner,
        mode=file.mode,
        restarts=file.restarts if before != after else "",
        is_secret=file.is_secret,
    )
