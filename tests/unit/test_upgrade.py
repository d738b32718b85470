"""The method of a change of version, and what is refused."""

from typing import Any

import pytest

from hosts.errors import HostError
from procedures.facts.facts import Dump, Facts, Package
from procedures.host_drift import drift
from procedures.specs import Database
from procedures.upgrade.versions import (
    VersionChange,
    WantedVersion,
    agree,
    check,
    is_due,
    is_half_rolled,
    kept_dump,
    rolls,
)
from tests.unit.test_procedures import SECRETS, facts, installed, spec

MARIADB = Database()


def waiting(package: str, schema: str, **changes: Any) -> Facts:
    return facts(schema="7.2.0", staged=package, staged_schema=schema, **changes)


@pytest.mark.parametrize(
    ("seen", "version", "expected"),
    [
        (facts(), "7.2", False),
        (facts(), "7.2.0", False),
        (facts(), "7.2.1", True),
        (facts(), "7.4", True),
        # Without data it is simply installed.
        (facts(has_content=False), "7.4", False),
        (facts(packages=installed(opennebula=None)), "7.4", False),
    ],
)
def test_another_version_with_data_waits_for_the_rollout(
    seen: Facts, version: str, expected: bool
) -> None:
    assert rolls(seen, version) is expected


@pytest.mark.parametrize(
    ("staged", "version", "expected"),
    [("", "7.2.1", False), ("7.2.1-1", "7.2.1", True), ("7.2.1-1", "7.2.2", False)],
)
def test_only_the_present_version_of_the_stack_is_due(
    staged: str, version: str, expected: bool
) -> None:
    assert is_due(facts(staged=staged), version) is expected


@pytest.mark.parametrize(
    ("staged", "has_content", "expected"),
    [
        ("7.2.1-1", True, True),
        # The config was put back before the packages were installed.
        ("7.2.2-1", True, False),
        ("", True, False),
        ("7.2.1-1", False, False),
    ],
)
def test_an_interrupted_rollout_keeps_what_it_can_roll_back_with(
    staged: str, has_content: bool, expected: bool
) -> None:
    packages = installed(opennebula=Package("7.2.1-1"))
    assert is_half_rolled(facts(packages=packages, staged=staged, has_content=has_content)) is (
        expected
    )


def test_an_equal_database_version_needs_no_consent() -> None:
    agree(waiting("7.2.1-1", "7.2.0"), MARIADB, WantedVersion("7.2.1"))


@pytest.mark.parametrize("agreed", [None, "7.2", "7.6"])
def test_another_database_version_is_refused_without_consent(agreed: str | None) -> None:
    seen = waiting("7.4.0-1", "7.4.0")
    with pytest.raises(
        HostError, match=r'opennebula-ha:upgrade_database: "7.4" .* machines continue to run'
    ):
        agree(seen, MARIADB, WantedVersion("7.4", agreed))
    agree(seen, MARIADB, WantedVersion("7.4", "7.4"))


def test_the_rollback_reports_the_lost_data() -> None:
    seen = facts(schema="7.4.0", staged="7.2.0-1", staged_schema="7.2.0")
    with pytest.raises(HostError, match="WHAT WAS WRITTEN SINCE IS LOST"):
        agree(seen, MARIADB, WantedVersion("7.2", "7.4"))


def test_a_database_in_a_file_is_upgraded_by_hand() -> None:
    with pytest.raises(HostError, match="by hand"):
        agree(waiting("7.4.0-1", "7.4.0"), Database(backend="SQLite"), WantedVersion("7.4", "7.4"))


def test_a_started_upgrade_must_be_completed() -> None:
    seen = facts(upgrading="n1a1 7.4.0-1 7.4.0")
    check(seen, "7.4")
    check(facts(), "7.2")
    with pytest.raises(HostError, match=r"one_version 7\.4\.0-1"):
        check(seen, "7.2")


@pytest.mark.parametrize(
    ("changes", "database", "done"),
    [
        ({"package": "7.2.0-1", "schema": "7.2.0"}, False, False),
        ({"package": "7.4.0-1", "schema": "7.2.0"}, False, False),
        ({"package": "7.4.0-1", "schema": "7.4.0", "migrating": "/a/dump"}, False, False),
        # Copied, and killed before its packages were.
        ({"package": "7.2.0-1", "schema": "7.4.0"}, True, False),
        ({"package": "7.4.0-1", "schema": "7.4.0"}, True, True),
        # Half installed.
        ({"package": "", "schema": "7.4.0"}, True, False),
        ({"package": "7.4.0-1", "schema": "7.4.0", "swapping": True}, True, False),
    ],
)
def test_the_state_of_a_host_tells_the_progress_of_the_upgrade(
    changes: dict[str, Any], database: bool, done: bool
) -> None:
    change = VersionChange.parse("n1a1 7.4.0-1 7.4.0")
    assert VersionChange.parse(str(change)) == change
    package = changes.pop("package")
    there = Package(package) if package else None
    seen = facts(packages=installed(opennebula=there), **changes)
    assert (change.has_database(seen), change.is_done(seen)) == (database, done)


def test_the_newest_dump_of_that_database_is_for_rollback() -> None:
    folder = "/var/backups/opennebula/"
    seen = {
        "a": facts(
            "a", dumps=(Dump(f"{folder}20260102T000000Z-of-7.2.0-before-7.4.0.sql.zst", 1),)
        ),
        "b": facts(
            "b",
            dumps=(
                Dump(f"{folder}20260101T000000Z-of-7.2.0-before-7.4.0.sql.zst", 1),
                Dump(f"{folder}20260103T000000Z-of-7.4.0-before-7.2.0.sql.zst", 1),
                Dump(f"{folder}20260104T000000Z-before-join-c.sql.zst", 1),
                Dump(f"{folder}20260105T000000Z-before-going-back.settings.tar.zst", 1),
            ),
        ),
    }
    assert kept_dump(seen, "7.2.0")[0] == "a"
    assert kept_dump(seen, "7.4.0")[0] == "b"
    with pytest.raises(HostError, match="none on any front-end"):
        kept_dump(seen, "7.0.0")


def test_an_unwanted_staged_version_is_drift() -> None:
    assert drift(facts(), spec(), SECRETS) == ()
    assert drift(facts(staged="7.2.1-1"), spec(), SECRETS) == ("staged packages",)
    wanted = drift(facts(staged="7.2.1-1"), spec(version="7.2.1"), SECRETS)
    assert "staged packages" not in wanted
    assert "package opennebula: version 7.2.0-1" in wanted
