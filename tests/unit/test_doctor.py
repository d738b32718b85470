"""Each abnormal state is reported on its host, with its cause and its remedy."""

import io
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from commands.status import pages, tables
from commands.status.build import report
from commands.status.report import Finding
from commands.status.signs.sign import Level
from commands.status.signs.table import SIGNS
from commands.status.situation import Situation
from hosts.errors import HostError, no_room
from opennebula.zone import ServerEntry, State, endpoint
from procedures.facts.facts import Address, Dump, KeyFile, Package, Unit
from procedures.facts.snapshot import Answers, Disk, Snapshot
from procedures.troubleshooting import TOPICS, topic
from settings.table import ROOT
from tests.unit.situations import (
    NOW,
    OFF,
    POOL,
    VIP,
    packaged,
    raft,
    silent,
    situation,
    snapshot,
    target,
    unreachable,
)
from tests.unit.test_procedures import installed, units

DOWN = {"active": False, "units": units(opennebula=Unit("enabled", "inactive"))}
WITH_VIP = (Address("eth0", "10.2.50.12", 24), Address("eth0", VIP, 24))
MORE = (*POOL, ServerEntry(3, "n1a4", endpoint("n1a4")))
REPAIR = ["make refresh STACK=lab", "make up STACK=lab"]
ALL_KEYS = {"/var/lib/one/.one/one_auth": KeyFile(0o600, "oneadmin:oneadmin", "b")}
FLOW = target(features={**OFF, "flow": True})
GUI = {**OFF, "gui": True}
TLS = target(features=GUI, ssl={"web_server": "nginx", "generate_cert": True})
OWN_TLS = target(
    features=GUI,
    ssl={"web_server": "nginx", "key": "/etc/ssl/a.key", "certchain": "/etc/ssl/a.crt"},
)


def says(number: int, **changes: Any) -> Snapshot:
    """Make a server that reports that status."""
    state = changes.pop("state", State.LEADER if number == 0 else State.FOLLOWER)
    return snapshot(number, answers=Answers(raft(number, state, **changes), POOL))


def with_units(number: int, **changes: Unit) -> Snapshot:
    return snapshot(number, {"units": units(**changes)})


def strange(number: int) -> Snapshot:
    """Fail the observation of a host."""
    host = target().hosts[POOL[number].name]
    fault = HostError(host.name, "become root", expected="sudo", seen="none", remedy="allow sudo")
    return Snapshot(host, fault=fault, answers=Answers(silence=str(fault)))


def full(number: int) -> Snapshot:
    """Fail the observation of a host because its disk is full."""
    host = target().hosts[POOL[number].name]
    return Snapshot(host, fault=no_room(host.name, "observe", "/", seen="exit status 1"))


BLANK = {"packages": {}, "active": False, "has_content": False, "zone_body": "", "units": {}}

Case = tuple[str, Callable[[], Situation], str | None, str]
CASES: list[Case] = [
    (
        "no_quorum",
        lambda: situation(unreachable(0), says(1, state=State.CANDIDATE), unreachable(2)),
        None,
        "1 of 3 servers answer (n1a2), quorum 2",
    ),
    (
        "no_quorum",
        lambda: situation(unreachable(1), silent(2, DOWN)),
        None,
        "1 of 3 servers follow the leader (n1a1), quorum 2",
    ),
    (
        "no_leader",
        lambda: situation(*(says(number, state=State.CANDIDATE) for number in range(3))),
        None,
        "n1a1 candidate in term 3",
    ),
    (
        "unobserved",
        lambda: situation(unreachable(0), strange(1), unreachable(2)),
        None,
        "n1a1, n1a2, n1a3",
    ),
    (
        "no_zone",
        lambda: situation(*(silent(number, BLANK) for number in range(3))),
        None,
        "no front-end holds a zone's database",
    ),
    (
        "two_leaders",
        lambda: situation(says(1, state=State.LEADER, term=2)),
        "n1a2",
        "n1a2 in term 2",
    ),
    ("two_leaders", lambda: situation(says(1, state=State.LEADER)), "n1a2", "n1a1 in term 3"),
    ("wrong_server_id", lambda: situation(says(1, server_id=7)), "n1a2", "SERVER_ID 7"),
    (
        "wrong_server_id",
        lambda: situation(snapshot(1, {"oned_conf": snapshot(2).facts.oned_conf})),  # type: ignore[union-attr]
        "n1a2",
        "SERVER_ID 2 in /etc/one/oned.conf, the zone has it as 1",
    ),
    (
        "vip_missing",
        lambda: situation(snapshot(0, {"addresses": WITH_VIP[:1]})),
        "n1a1",
        f"{VIP} is not on the leader",
    ),
    (
        "vip_leftover",
        lambda: situation(snapshot(2, {"addresses": WITH_VIP})),
        "n1a3",
        f"{VIP} is on n1a3, the leader is n1a1",
    ),
    ("unreachable", lambda: situation(unreachable(1)), "n1a2", "no answer in time"),
    ("unreadable", lambda: situation(strange(1)), "n1a2", "become root: expected sudo, saw none"),
    (
        "upgrade_interrupted",
        lambda: situation(snapshot(1, {"upgrading": "n1a1 7.4 7.2"})),
        "n1a2",
        "database's version",
    ),
    (
        "database_down",
        lambda: situation(snapshot(1, {"silent": "ERROR 2002"})),
        "n1a2",
        "ERROR 2002",
    ),
    (
        "restart_loop",
        lambda: situation(
            silent(
                1,
                {"active": False, "units": units(opennebula=Unit("enabled", "failed", restarts=3))},
                said={"opennebula": "Error reading configuration"},
            )
        ),
        "n1a2",
        "restarted 3 times by systemd, now failed: Error reading configuration",
    ),
    (
        "restart_loop",
        lambda: situation(
            with_units(1, opennebula=Unit("enabled", "active", restarts=4, seconds=2))
        ),
        "n1a2",
        "restarted 4 times",
    ),
    (
        "stop_hangs",
        lambda: situation(
            silent(
                1,
                {
                    "active": False,
                    "stopping": True,
                    "units": units(opennebula=Unit("enabled", "deactivating")),
                },
                changed=64.0,
                finished=True,
            )
        ),
        "n1a2",
        "stopping for 64 s, all of its modules have ended",
    ),
    ("oned_stopped", lambda: situation(silent(1, DOWN)), "n1a2", "oned is stopped"),
    (
        "oned_stopped",
        lambda: situation(
            silent(1, {**DOWN, "units": units(opennebula=Unit("disabled", "inactive"))})
        ),
        "n1a2",
        "oned is stopped and disabled",
    ),
    ("oned_silent", lambda: situation(silent(1, {})), "n1a2", "does not answer"),
    (
        "login_refused",
        lambda: situation(
            snapshot(1, answers=Answers(silence="couldn't be authenticated", refuses_login=True))
        ),
        "n1a2",
        "couldn't be authenticated",
    ),
    ("proxy", lambda: situation(snapshot(1, proxies=("http_proxy",))), "n1a2", "http_proxy in"),
    (
        "not_following",
        lambda: situation(says(1, state=State.CANDIDATE, term=9)),
        "n1a2",
        "candidate in term 9, the leader is in term 3",
    ),
    ("not_following", lambda: situation(says(1, term=2)), "n1a2", "follower in term 2"),
    (
        "log_dropped",
        lambda: situation(snapshot(0, {"log_begins": 90}), says(2, index=40)),
        "n1a3",
        "it lacks the last 60 records; the leader's log begins at 90",
    ),
    ("lagging", lambda: situation(says(2, index=40)), "n1a3", "it lacks the last 60 records"),
    (
        "stale_pool",
        lambda: situation(snapshot(1, answers=Answers(raft(1), POOL[:2]))),
        "n1a2",
        "it lists n1a1, n1a2; the leader lists n1a1, n1a2, n1a3",
    ),
    (
        "stale_pool",
        lambda: situation(
            snapshot(1, answers=Answers(raft(1), POOL, refuses_calls="no leader found"))
        ),
        "n1a2",
        "no leader found",
    ),
    (
        "not_in_zone",
        lambda: situation(
            snapshot(0, answers=Answers(raft(0, State.LEADER), POOL[:2])), silent(2, DOWN)
        ),
        "n1a3",
        "the zone's servers are n1a1, n1a2",
    ),
    (
        "not_in_zone",
        lambda: situation(
            snapshot(0, answers=Answers(raft(0, State.LEADER), POOL[:2])), silent(2, BLANK)
        ),
        "n1a3",
        "the zone's servers are n1a1, n1a2",
    ),
    (
        "not_set_up",
        lambda: situation(silent(1, {**DOWN, "has_content": False, "zone_body": ""})),
        "n1a2",
        "it holds no database of the zone",
    ),
    ("not_set_up", lambda: situation(silent(1, BLANK)), "n1a2", "OpenNebula is not installed"),
    (
        "unknown_server",
        lambda: situation(snapshot(0, answers=Answers(raft(0, State.LEADER), MORE))),
        "n1a4",
        "server 3 of the zone at http://n1a4:2633/RPC2",
    ),
    ("other_database", lambda: situation(snapshot(1, {"identity": "two"})), "n1a2", "not a copy"),
    (
        "data_differ",
        lambda: situation(snapshot(1, differing=("user_pool",)), compared=True),
        "n1a2",
        "different tables: user_pool",
    ),
    (
        "keys_differ",
        lambda: situation(snapshot(1, {"keys": ALL_KEYS})),
        "n1a2",
        "one_auth: not as on the leader",
    ),
    (
        "service_down",
        lambda: situation(
            with_units(0, **{"opennebula-flow": Unit("enabled", "inactive")}), stack=FLOW
        ),
        "n1a1",
        "opennebula-flow.service is inactive",
    ),
    (
        "dump_failed",
        lambda: situation(
            snapshot(
                1,
                {"units": units(**{"opennebula-ha-backup": Unit("static", "failed")})},
                said={"opennebula-ha-backup": "seen: no file system there"},
            ),
            snapshot(
                0,
                {"dumps": (Dump("/var/backups/opennebula/20261129T030000Z-timed.sql.zst", 9),)},
            ),
            stack=target(features=OFF, backup={"schedule": "daily"}),
        ),
        "n1a2",
        "seen: no file system there (newest timed dump: 20261129T030000Z-timed.sql.zst)",
    ),
    (
        "service_stray",
        lambda: situation(stack=FLOW),
        "n1a2",
        "opennebula-flow.service runs on a fo",
    ),
    (
        "disk_full",
        lambda: situation(snapshot(1, disks=(Disk("/", 10 << 30, 1 << 20),))),
        "n1a2",
        "/ has 1 MiB left",
    ),
    ("disk_full", lambda: situation(full(1)), "n1a2", "no free space on /"),
    (
        "disk_low",
        lambda: situation(snapshot(1, disks=(Disk("/var", 10 << 30, 200 << 20),))),
        "n1a2",
        "/var has 200 MiB left",
    ),
    (
        "certificate",
        lambda: situation(
            *(
                snapshot(n, certificate_ends=NOW + timedelta(days=days), web_server="active")
                for n, days in enumerate((300, 7, 300))
            ),
            stack=TLS,
        ),
        "n1a2",
        "it expires on 2026-12-06",
    ),
    (
        "web_server_down",
        lambda: situation(
            snapshot(1, certificate_ends=NOW + timedelta(days=300), web_server="failed"),
            stack=TLS,
        ),
        "n1a2",
        "the web server is failed",
    ),
    ("versions", lambda: situation(snapshot(1, packaged("7.2.1-1"))), None, "n1a2 has 7.2.1-1"),
    (
        "pending_restart",
        lambda: situation(snapshot(1, {"configured": 200})),
        "n1a2",
        "its configuration is newer than its oned",
    ),
    (
        "drift",
        lambda: situation(snapshot(1, {"packages": installed(zstd=None)})),
        "n1a2",
        "1 difference: package zstd: not installed",
    ),
    (
        "drift",
        lambda: situation(stack=target(zone_endpoint="http://one.example.org:2633/RPC2")),
        None,
        "the zone's ENDPOINT",
    ),
]


def found(now: Situation) -> list[Finding]:
    return report(now, "lab").findings


@pytest.mark.parametrize(("sign", "now", "host", "seen"), CASES)
def test_an_abnormal_state_is_reported(
    sign: str, now: Callable[[], Situation], host: str | None, seen: str
) -> None:
    named = [one for one in found(now()) if (one.sign, one.host) == (sign, host)]
    assert len(named) == 1, [(one.sign, one.host, one.seen) for one in found(now())]
    (finding,) = named
    assert seen in finding.seen
    assert finding.cause
    assert finding.cure
    for line in finding.cure:
        assert not re.search(r"\{\w*\}", line), line


@pytest.mark.parametrize("pool", [POOL, POOL[:2]])
@pytest.mark.parametrize("state", ["active", "inactive", "failed"])
@pytest.mark.parametrize("package", [{}, {"packages": {}}])
@pytest.mark.parametrize("has_content", [True, False])
def test_a_host_that_does_not_follow_the_leader_is_never_healthy(
    pool: tuple[ServerEntry, ...], state: str, package: dict[str, Any], has_content: bool
) -> None:
    unit = Unit("enabled", state, seconds=3600)
    of_facts = {"units": units(opennebula=unit), "active": unit.runs, "has_content": has_content}
    now = situation(
        snapshot(0, answers=Answers(raft(0, State.LEADER), pool)),
        silent(2, {**of_facts, **package}),
    )
    assert "n1a3" in {one.host for one in found(now)}


def test_every_sign_has_a_case() -> None:
    assert {sign for sign, *_ in CASES} == {sign.name for sign in SIGNS}
    assert len({sign.name for sign in SIGNS}) == len(SIGNS)


def test_every_sign_is_seen_on_lab_hosts() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests" / "lab").glob("test_*.py"))
    seen = {sign.name for sign in SIGNS if f'"{sign.name}"' in tests}
    assert seen == {sign.name for sign in SIGNS}


def test_no_election_is_named_where_no_host_can_be_observed() -> None:
    signs = [one.sign for one in found(situation(*(unreachable(number) for number in range(3))))]
    assert signs == ["unobserved", *["unreachable"] * 3]


def test_a_healthy_zone_has_no_sign() -> None:
    assert found(situation()) == []


@pytest.mark.parametrize(
    ("now", "signs"),
    [
        # A consequence of another sign is not a sign of its own.
        (lambda: situation(unreachable(1)), ["unreachable"]),
        (
            # An up was killed after the installation of a new front-end.
            lambda: situation(
                snapshot(0, answers=Answers(raft(0, State.LEADER), POOL[:2])),
                snapshot(1, answers=Answers(raft(1), POOL[:2])),
                silent(2, {**DOWN, "configured": 200}),
            ),
            ["not_in_zone"],
        ),
        (
            lambda: situation(
                silent(
                    1,
                    {
                        **DOWN,
                        "configured": 200,
                        "units": units(opennebula=Unit("enabled", "inactive")),
                    },
                )
            ),
            ["oned_stopped"],
        ),
        (lambda: situation(silent(1, {})), ["oned_silent"]),
        (lambda: situation(says(1, state=State.LEADER, term=2)), ["two_leaders"]),
        (lambda: situation(says(2, index=40)), ["lagging"]),
        (lambda: situation(snapshot(1, differing=("user_pool",))), ["data_differ"]),
    ],
)
def test_one_state_gives_one_finding(now: Callable[[], Situation], signs: list[str]) -> None:
    assert [one.sign for one in found(now())] == signs


def test_every_sign_has_a_section_to_read_on() -> None:
    named = [sign for section in TOPICS for sign in section.signs]
    assert len(named) == len(set(named))
    # Of an error it is the section of its step.
    assert {*named, "unreadable"} == {sign.name for sign in SIGNS}
    (finding,) = found(situation(strange(1)))
    assert finding.section == topic(finding.seen.partition(":")[0]).anchor


def test_critical_findings_come_first() -> None:
    levels = [one.level for one in found(situation(unreachable(1), unreachable(2)))]
    assert levels == sorted(levels, key=lambda level: level is not Level.CRITICAL)
    assert levels[0] is Level.CRITICAL


def test_missing_vip_and_services_are_no_sign_during_an_election() -> None:
    moving = {"addresses": WITH_VIP[:1], "hooks": {"leader"}}
    down = {"units": units(**{"opennebula-flow": Unit("enabled", "inactive")})}
    others = [snapshot(number, down) for number in (1, 2)]
    now = situation(snapshot(0, {**moving, **down}), *others, stack=FLOW)
    assert {one.sign for one in found(now)} <= {"drift"}


def test_a_server_that_has_just_started_is_not_reported() -> None:
    new = {"units": units(opennebula=Unit("enabled", "active", seconds=4))}
    assert found(situation(silent(1, new))) == []


def test_an_error_has_its_own_remedy() -> None:
    (finding,) = found(situation(strange(1)))
    assert finding.cure == ["Allow sudo."]


def test_a_certificate_of_your_own_is_replaced_by_hand() -> None:
    ending = [
        snapshot(n, certificate_ends=NOW + timedelta(days=3), web_server="active") for n in range(3)
    ]
    of_own = found(situation(*ending, stack=OWN_TLS))[0]
    assert "/etc/ssl/a.crt" in of_own.cure[0]
    assert of_own.cure[1:] == REPAIR
    assert found(situation(*ending, stack=TLS))[0].cure == REPAIR


def test_the_screen_has_the_sign_its_cause_and_its_remedy() -> None:
    out = io.StringIO()
    now = situation(snapshot(2, {"addresses": WITH_VIP}))
    tables.show(tables.diagnosis(report(now, "lab")), out)
    text = out.getvalue()
    assert "warning n1a3: vip leftover: 10.2.50.86 is on n1a3, the leader is n1a1" in text
    assert "      make refresh STACK=lab\n      make up STACK=lab\n" in text
    assert text.endswith("\n\nsee docs/troubleshooting.md#vip\n")
    well = io.StringIO()
    tables.show(tables.diagnosis(report(situation(), "lab")), well)
    assert "No sign of an abnormal state was seen." in well.getvalue()


def test_the_page_lists_every_sign_as_in_the_code() -> None:
    text = pages.PAGE.read_text(encoding="utf-8")
    assert pages.page(text) == text, "run make docs"


def test_make_targets_in_remedies_exist() -> None:
    rules = (ROOT / "Makefile").read_text(encoding="utf-8")
    for sign in SIGNS:
        for line in sign.cure:
            if target_ := re.match(r"make (\w+)", line):
                assert re.search(rf"^[a-z -]*\b{target_[1]}\b[a-z -]*:", rules, re.M), line


def test_a_version_of_another_series_is_drift_everywhere() -> None:
    other = {"packages": installed(opennebula=Package("7.4.0-1"))}
    signs = {one.sign for one in found(situation(*(snapshot(n, other) for n in range(3))))}
    assert signs == {"drift"}


def test_the_leader_is_found_among_servers_that_left_the_stack() -> None:
    follow = [snapshot(n, answers=Answers(raft(n), MORE)) for n in range(3)]
    now = situation(*follow, others={"n1a4": raft(3, State.LEADER)})
    bare = replace(now.seen.hosts["n1a1"])
    assert bare.answers.raft is not None
    signs = {one.sign for one in found(now)}
    assert "no_leader" not in signs
    assert "unknown_server" in signs or now.leader == "n1a4"
