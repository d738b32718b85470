"""All files of one front-end that this program sets something in, and what it writes."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from hosts.errors import HostError
from opennebula.conf import ConfError
from procedures.context import Secrets
from procedures.facts.facts import Facts
from procedures.install import configuration
from procedures.install.files import clock, drivers, ldap, leader, schedulers, services
from procedures.install.files.managed import ManagedFile
from procedures.install.packaging import platform
from procedures.specs import InstallationSpec

_MISSING = ("missing",)


@dataclass(frozen=True)
class FileChange:
    """A file to write, or, without a text, to remove."""

    path: str
    text: str
    names: tuple[str, ...]
    """What of it differs."""
    owner: str = ""
    mode: str = ""
    restarts: str = ""
    """The unit that takes it up when it restarts."""
    is_secret: bool = False

    @property
    def shown(self) -> tuple[str, ...]:
        """What differs, as a refresh shows it."""
        path = self.path.removeprefix("/etc/one/")
        return tuple(f"{path}: {name}" for name in self.names) or (path,)


def managed(seen: Facts, spec: InstallationSpec, secrets: Secrets) -> Iterator[ManagedFile]:
    """All of them."""
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
    )


def changes(seen: Facts, spec: InstallationSpec, secrets: Secrets) -> list[FileChange]:
    """What to write. Raises HostError if a file cannot be read."""
    found = (_change(seen, file) for file in managed(seen, spec, secrets))
    return [change for change in found if change is not None]


@dataclass(frozen=True)
class Writing:
    """What configure.sh is given to write it."""

    variables: dict[str, str]
    secrets: dict[str, str]


def writing(seen: Facts, spec: InstallationSpec, secrets: Secrets) -> Writing:
    """All of that. Raises HostError where a package's own file is gone."""
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
    """The unit that keeps the time, where it is one alone."""
    enabled = [
        name for name in clock.UNITS if name in seen.units and seen.units[name].enabled == "enabled"
    ]
    return enabled[0] if len(enabled) == 1 else ""


def _change(seen: Facts, file: ManagedFile) -> FileChange | None:
    there = seen.files.get(file.path)
    if there is None and file.package and file.package not in seen.packages:
        # It comes with its package.
        return None
    before = there.text if there else ""
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
        right = there is None or (
            file.owner in ("", there.owner) and file.mode in ("", f"{there.mode:o}")
        )
        if right:
            return None
        names = (f"mode {there.mode:o}, owner {there.owner}",) if there else ()
    if there is None and file.package:
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
