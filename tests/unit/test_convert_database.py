"""When data in SQLite are moved to MariaDB, and what remains after an interruption."""

import re
from typing import Any

import pytest

from opennebula import conf
from procedures.bootstrap.convert_database import (
    _EMPTY,
    _PROGRAM,
    SCRATCH,
    Step,
    plan,
    refusal,
)
from procedures.facts.facts import Facts
from procedures.facts.traces import Traces
from procedures.host_drift import drift
from procedures.preflight.checks import findings
from procedures.preflight.context import HostReport, Site, StackChange
from procedures.script_text import script_text
from procedures.specs import Database, PreflightSpec
from tests.unit.test_preflight import bare
from tests.unit.test_procedures import SECRETS, SHIPPED, facts, installed, spec

MARIADB = Database()
ALL = tuple(Step)
END = (Step.SET_ASIDE, Step.START)
FILE = Traces(sqlite_bytes=4096)


def on_sqlite(name: str = "n1a1", text: str = SHIPPED, **changes: Any) -> Facts:
    given = {"oned_conf": text, "identity": "sqlite", "traces": FILE, **changes}
    return facts(name, **given)


BEGUN: dict[str, Any] = {"converting": "opennebula"}
BLANK: dict[str, Any] = {"identity": "", "has_content": False, "traces": Traces()}
STATES: dict[str, tuple[Facts, bool, tuple[Step, ...]]] = {
    "no consent": (on_sqlite(), False, ()),
    "all of it": (on_sqlite(), True, ALL),
    "stopped by hand": (on_sqlite(active=False), True, ALL),
    "killed before DB changed": (on_sqlite(**BEGUN, active=False), True, ALL),
    "the same, and started by hand since": (on_sqlite(**BEGUN), True, ALL),
    "killed before the file was set aside": (facts(**BEGUN, traces=FILE, active=False), True, END),
    "killed before the start": (facts(**BEGUN, active=False), True, END),
    "killed after it, the key is gone": (facts(**BEGUN), False, END),
    "converted": (facts(), True, ()),
    "a file that is left over": (facts(traces=FILE), True, ()),
    "blank, as packaged": (on_sqlite(**BLANK), True, ()),
    "no package": (on_sqlite(**BLANK, oned_conf=""), True, ()),
    "data without an oned.conf": (on_sqlite(text=""), True, ALL),
}


@pytest.mark.parametrize("state", STATES)
def test_db_in_oned_conf_decides_the_remaining_steps(state: str) -> None:
    seen, asked, expected = STATES[state]
    assert plan(seen, MARIADB, converts=asked) == expected


def test_a_stack_on_sqlite_stays_there() -> None:
    assert plan(on_sqlite(), Database(backend="SQLite"), converts=True) == ()


@pytest.mark.parametrize(
    ("seen", "others", "expected", "remedy"),
    [
        (on_sqlite(), (), None, ""),
        (on_sqlite(), ("n1a2",), "data on n1a2, too", "remove n1a1 from opennebula-ha:frontends"),
        (
            on_sqlite(text=conf.write(SHIPPED, "FEDERATION", {"SERVER_ID": 1})),
            (),
            "SERVER_ID 1 in oned.conf",
            "set SERVER_ID = -1",
        ),
        (
            on_sqlite(text=conf.write(SHIPPED, "FEDERATION", {"MODE": "SLAVE"})),
            (),
            "FEDERATION/MODE SLAVE",
            "from the federation",
        ),
    ],
)
def test_a_standalone_front_end_is_converted(
    seen: Facts, others: tuple[str, ...], expected: str | None, remedy: str
) -> None:
    refused = refusal(seen, "7.2", others)
    assert (refused is None) is (expected is None)
    if refused is not None and expected is not None:
        assert expected in refused.seen
        assert remedy in refused.remedy


def test_another_version_is_installed_after_the_conversion() -> None:
    refused = refusal(on_sqlite(), "7.4", ())
    assert refused is not None
    assert refused.seen == "7.2.0-1"
    assert "set one_version" in refused.remedy
    assert refusal(on_sqlite(packages=installed(opennebula=None)), "7.4", ()) is None


@pytest.mark.parametrize("converts", [False, True])
def test_preflight_refuses_two_databases_with_data(converts: bool) -> None:
    one, two = on_sqlite("n1a1"), on_sqlite("n1a2")
    hosts = {"n1a1": one.host, "n1a2": two.host}
    site = Site(
        StackChange(PreflightSpec(hosts=hosts, version="7.2"), None),
        seen={name: HostReport(bare(name), each) for name, each in (("n1a1", one), ("n1a2", two))},
        silent={},
        ssh={"n1a1": 22, "n1a2": 22},
        converts=converts,
    )
    refused = [one.error.seen for one in findings(site) if one.error.step == "convert the database"]
    assert refused == (["data on n1a2, too", "data on n1a1, too"] if converts else [])


def test_a_front_end_on_sqlite_is_drift() -> None:
    (found, *_) = drift(on_sqlite(), spec(), SECRETS)
    assert found.startswith("SQLite (/var/lib/one/one.db) with 4096 bytes")


def test_the_script_has_all_steps_and_the_same_database() -> None:
    text = script_text("convert_database")
    for step in Step:
        assert re.search(rf"^{step}\(\) \{{$", text, re.MULTILINE), step
    assert f"\nscratch={SCRATCH}\n" in text
    assert f"DROP USER IF EXISTS '{_EMPTY.owner}'@'localhost'" in text


def test_the_program_runs_with_the_python_of_old_distributions() -> None:
    """Python 3.6, of EL 8 and SUSE 15: no later syntax, as far as the source shows."""
    text = _PROGRAM.read_text()
    assert " := " not in text
    assert "match " not in text
    assert "removeprefix" not in text
    assert not re.search(r"(?m)^(?!.*[\"#]).*(->|:) (list|dict|tuple|set)\[", text)
