"""Decide how OpenNebula's version changes: what is due, and what the config permits. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from hosts.errors import HostError
from opennebula.packages import is_version
from procedures.facts.facts import Facts
from procedures.specs import Database


@dataclass(frozen=True)
class WantedVersion:
    """The version of OpenNebula in the stack's config."""

    version: str
    agreed: str | None = None
    """The version that ``upgrade_database`` names: for it, the zone may be stopped."""


@dataclass(frozen=True)
class VersionChange:
    """An upgrade of the database that is in progress: the leader at its start, the new versions."""

    leader: str
    package: str
    schema: str

    @classmethod
    def parse(cls, text: str) -> "VersionChange":
        """Parse the text of the file on a host."""
        return cls(*text.split())

    def __str__(self) -> str:
        return f"{self.leader} {self.package} {self.schema}"

    def has_packages(self, front_end: Facts) -> bool:
        """Return whether that host's packages are completely changed."""
        return front_end.package == self.package and not front_end.swapping

    def has_database(self, front_end: Facts) -> bool:
        """Return whether that host's database is completely changed."""
        return front_end.schema == self.schema and not front_end.migrating

    def is_done(self, front_end: Facts) -> bool:
        """Return whether only the start of oned is missing on that host."""
        return self.has_packages(front_end) and self.has_database(front_end)


def rolls(seen: Facts, version: str) -> bool:
    """Return whether the rollout must install that version: the host has another, with data."""
    return bool(seen.package) and seen.has_content and not is_version(seen.package, version)


def is_half_rolled(seen: Facts) -> bool:
    """Return whether the rollout was interrupted after it had installed the staged packages.

    It then repeats that: only with what is staged it can roll back, and only its end makes the
    repository of the new version that of the host.
    """
    return seen.has_content and bool(seen.staged) and seen.staged == seen.package


def check(seen: Facts, version: str) -> None:
    """Raise HostError if an upgrade to another version is in progress."""
    if not seen.upgrading or is_version(VersionChange.parse(seen.upgrading).package, version):
        return
    package = VersionChange.parse(seen.upgrading).package
    raise HostError(
        seen.host.name,
        "compare the version",
        expected=f"opennebula-ha:one_version {package}: an upgrade to it is in progress",
        seen=version,
        remedy=f"set one_version to {package} without what follows the hyphen and run up; when"
        " that is done, set another one",
    )


def agree(seen: Facts, database: Database, release: WantedVersion) -> None:
    """Raise HostError if the staged packages need an upgrade that the config does not permit."""
    if seen.staged_schema == seen.schema:
        return
    agreed = release.agreed is not None and is_version(seen.staged, release.agreed)
    if agreed and database.is_mariadb:
        return
    if not database.is_mariadb:
        remedy = "upgrade by hand: this program upgrades only databases in MariaDB"
    elif goes_back(seen.schema, seen.staged_schema):
        remedy = (
            f'set opennebula-ha:upgrade_database: "{release.version}" to go back to the dump from'
            " before the upgrade: WHAT WAS WRITTEN SINCE IS LOST, and the zone is down"
            " for some minutes; a dump of the present data is kept"
        )
    else:
        remedy = (
            f'set opennebula-ha:upgrade_database: "{release.version}" to upgrade the'
            " database: the zone is down for some minutes (a dump, onedb upgrade, a copy to each"
            " front-end); virtual machines continue to run, and a dump of the present data is kept"
            " for a rollback"
        )
    raise HostError(
        seen.host.name,
        "compare the version of the database",
        expected="the same one, for an upgrade of one server at a time",
        seen=f"its database is version {seen.schema}, OpenNebula {seen.staged} needs"
        f" {seen.staged_schema}",
        remedy=remedy,
    )


def is_due(seen: Facts, version: str) -> bool:
    """Return whether packages of that version are staged on the host."""
    return bool(seen.staged) and is_version(seen.staged, version)


def dump_reason(schema: str, new: str) -> str:
    """Return the reason in the name of a dump that is never deleted automatically."""
    return f"of-{schema}-before-{new}".replace("/", "_")


def kept_dump(seen: Mapping[str, Facts], schema: str) -> tuple[str, str]:
    """Return the front-end with the newest dump of that database version, and its path.

    Raises HostError.
    """
    kept = [
        (PurePosixPath(dump_file.path).name, name, dump_file.path)
        for name, facts in seen.items()
        for dump_file in facts.dumps
        if f"-of-{schema}-before-".replace("/", "_") in dump_file.path
    ]
    if not kept:
        raise HostError(
            ", ".join(sorted(seen)),
            "find the dump from before the upgrade",
            expected=f"/var/backups/opennebula/TIME{'-' + dump_reason(schema, '…')}.sql.zst",
            seen="none on any front-end",
            remedy="copy it back there, with its keys, from where you keep it; then run again",
        )
    _, name, path = max(kept)
    return name, path


def goes_back(schema: str, new: str) -> bool:
    """Return whether the new version of the database is older than the present one."""
    return _numbers(new) < _numbers(schema)


def _numbers(schema: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", schema.partition("/")[0])]
