"""The report of a zone: its health, its JSON, its tables, and the textfile for Prometheus."""

import io
import json
import re
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from commands.status import pages, prometheus, tables
from commands.status.__main__ import main
from commands.status.build import report
from commands.status.report import Health, Report, Role
from commands.status.situation import Situation
from opennebula.zone import State
from procedures.facts.facts import Dump, Unit
from procedures.facts.snapshot import Answers, read_snapshot
from settings.table import ROOT
from tests.status_schema import faults
from tests.unit.bad_configs import CANARY, MISSING
from tests.unit.situations import (
    NAMES,
    NOW,
    OFF,
    POOL,
    VIP,
    raft,
    seen_facts,
    silent,
    situation,
    snapshot,
    target,
    unreachable,
)


def of(now: Situation) -> Report:
    return report(now, "lab")


def shown(found: Report) -> str:
    out = io.StringIO()
    tables.show(tables.status(found), out)
    return out.getvalue()


def test_a_healthy_zone_has_no_finding() -> None:
    found = of(situation())
    assert found.findings == []
    assert found.health is Health.HEALTHY
    assert (found.zone.leader, found.zone.term, found.zone.quorum) == ("n1a1", 3, 2)
    assert found.zone.following == 3
    assert [vip.holders for vip in found.zone.vips] == [["n1a1"]]
    assert [one.role for one in found.front_ends] == [Role.LEADER, Role.FOLLOWER, Role.FOLLOWER]
    assert all(one.agrees and not one.drift and one.raft for one in found.front_ends)


def test_the_newest_dump_has_its_age_and_size() -> None:
    dumps = of(situation()).front_ends[0].dumps
    assert dumps is not None
    assert (dumps.number, dumps.bytes, dumps.newest_bytes) == (2, 6144, 4096)
    assert dumps.age_seconds == 3600
    assert dumps.newest is not None
    assert dumps.newest.endswith("20261129T110000Z-before-join-n1a3.sql.zst")


def test_the_newest_timed_dump_is_shown_with_its_age() -> None:
    folder = "/var/backups/opennebula"
    stack = target(features=OFF, backup={"schedule": "daily"})
    none = of(situation(stack=stack))
    assert none.zone.timed_dump is not None
    assert "No timed dump on these front-ends\n" in shown(none)
    older = Dump(f"{folder}/20261128T030000Z-timed.sql.zst", 9)
    newer = Dump(f"{folder}/20261129T090000Z-timed.sql.zst", 9)
    seen = of(
        situation(snapshot(0, {"dumps": (older,)}), snapshot(2, {"dumps": (newer,)}), stack=stack)
    )
    assert "Timed dump 3 h ago on n1a3\n" in shown(seen)
    at = (NOW - timedelta(hours=3)).timestamp()
    assert f'timed_dump_timestamp_seconds{{stack="lab"}} {at:.0f}\n' in prometheus.text(seen)
    assert of(situation()).zone.timed_dump is None


def test_an_unreachable_host_is_a_row_and_not_an_error() -> None:
    found = of(situation(unreachable(1)))
    row = found.front_ends[1]
    assert (row.reachable, row.role, row.raft, row.dumps) == (False, Role.UNOBSERVED, None, None)
    assert row.error == "connect: no answer in time"
    # Its entry in the zone stays.
    assert row.id == 1
    assert found.health is Health.DEGRADED
    assert re.search(r"n1a2 +1 +unobserved .*connect: no answer in time", shown(found))


def test_without_a_quorum_the_zone_is_down() -> None:
    found = of(situation(unreachable(0), unreachable(1)))
    assert found.health is Health.DOWN
    assert found.health.exit_status == 2
    assert found.zone.leader is None or found.zone.following < found.zone.quorum


def test_lag_is_counted_from_the_leader() -> None:
    behind = snapshot(2, answers=Answers(raft(2, index=60, commit=60), POOL))
    found = of(situation(behind))
    assert [one.raft.lag for one in found.front_ends if one.raft] == [0, 0, 40]
    # Servers that are not asked at one instant may differ by this much.
    assert found.health is Health.HEALTHY


@pytest.mark.parametrize(
    ("of_facts", "role"),
    [
        ({"active": False, "units": {"opennebula": Unit("enabled", "inactive")}}, Role.STOPPED),
        ({"active": False, "units": {"opennebula": Unit("enabled", "failed")}}, Role.FAILED),
        ({"active": False, "units": {"opennebula": Unit("enabled", "activating")}}, Role.STARTING),
        ({"active": False, "stopping": True}, Role.STOPPING),
        ({"units": {"opennebula": Unit("enabled", "active", seconds=900)}}, Role.SILENT),
        ({"units": {"opennebula": Unit("enabled", "active", seconds=3)}}, Role.STARTING),
        ({"packages": {}, "active": False, "has_content": False}, Role.NOT_INSTALLED),
    ],
)
def test_the_role_of_a_server_that_does_not_answer(of_facts: dict[str, Any], role: Role) -> None:
    assert of(situation(silent(1, of_facts))).front_ends[1].role is role


def test_services_must_run_on_the_leader_and_the_gui_everywhere() -> None:
    stack = target(features={**OFF, "gui": True, "flow": True})
    found = of(situation(stack=stack))
    expected = {
        one.name: {service.unit: service.expected for service in one.services}
        for one in found.front_ends
    }
    assert expected == {
        name: {"opennebula-fireedge": True, "opennebula-flow": name == "n1a1"} for name in NAMES
    }


def test_hosts_without_opennebula_are_a_zone_that_is_down() -> None:
    blank = {"packages": {}, "active": False, "has_content": False, "zone_body": "", "units": {}}
    found = of(situation(*(silent(number, blank) for number in range(3))))
    assert found.health is Health.DOWN
    assert {one.role for one in found.front_ends} == {Role.NOT_INSTALLED}
    (finding,) = found.findings
    assert (finding.sign, finding.cure) == ("no_zone", ["make up STACK=lab"])


def test_hosts_with_packages_alone_are_a_zone_that_is_down() -> None:
    """As in an image that has the packages: without a zone, drift says nothing."""
    fresh = {"active": False, "has_content": False, "zone_body": "", "pin": "none"}
    found = of(situation(*(silent(number, fresh) for number in range(3))))
    assert found.health is Health.DOWN
    assert [one.sign for one in found.findings] == ["no_zone"]


def test_a_standalone_front_end_is_healthy() -> None:
    one = {"n1a1": {"address": "10.2.50.10"}}
    stack = target(
        frontends=one, **dict.fromkeys(("one_vip", "one_vip_cidr", "one_vip_if"), MISSING)
    )
    alone = snapshot(0, {"zone_body": ""}, answers=Answers(raft(-1, State.SOLO)))
    now = Situation(stack, replace(situation().seen, hosts={"n1a1": alone}), NOW)
    found = of(now)
    assert found.front_ends[0].role is Role.STANDALONE
    assert next(tables.zone_lines(found)).plain == "n1a1, not highly available"
    assert {one.sign for one in found.findings} <= {"drift"}
    stopped = silent(0, {"active": False, "units": {"opennebula": Unit("enabled", "inactive")}})
    down = of(Situation(stack, replace(situation().seen, hosts={"n1a1": stopped}), NOW))
    assert down.health is Health.DOWN


# JSON


def test_the_schema_in_the_docs_is_that_of_the_models() -> None:
    assert pages.SCHEMA.read_text(encoding="utf-8") == pages.schema(), "run make docs"


def test_every_json_field_has_a_type_and_others_are_refused() -> None:
    text = of(situation(unreachable(2))).model_dump_json()
    assert Report.model_validate_json(text).front_ends[2].name == "n1a3"
    more = {**json.loads(text), "more": 1}
    with pytest.raises(ValidationError):
        Report.model_validate(more)


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        ("version", 2, "$.version: expected 1, saw 2"),
        ("at", "yesterday", "$.at: expected a time with its zone, saw 'yesterday'"),
        ("health", "ill", "$.health: expected one of ['healthy', 'degraded', 'down'], saw 'ill'"),
        ("zone.quorum", "2", "$.zone.quorum: expected integer, saw '2'"),
        ("zone.quorum", True, "$.zone.quorum: expected integer, saw True"),
        ("zone.more", 1, "$.zone.more: unknown"),
        ("zone.leader", 5, "$.zone.leader: expected string, saw 5"),
        ("front_ends.0.raft.lag", None, None),
        ("front_ends.0.raft.term", None, "$.front_ends[0].raft.term: expected integer, saw None"),
        ("front_ends.0.disks.0.free", ..., "$.front_ends[0].disks[0].free: missing"),
    ],
)
def test_the_published_schema_refuses_other_json(path: str, value: Any, fault: str | None) -> None:
    found = json.loads(of(situation()).model_dump_json())
    *before, last = path.split(".")
    part = found
    for name in before:
        part = part[int(name) if name.isdigit() else name]
    part[last] = value
    if value is ...:
        del part[last]
    assert faults(json.dumps(found)) == ([fault] if fault else [])


def test_nothing_shows_a_secret() -> None:
    found = of(situation())
    for text in (found.model_dump_json(), shown(found), prometheus.text(found)):
        assert CANARY not in text
        assert "can\\\\ary" not in text


# Tables


def test_plain_text_without_a_terminal_cuts_nothing() -> None:
    text = shown(of(situation()))
    assert "\x1b" not in text
    assert "…" not in text
    assert "Zone OpenNebula, stack lab: healthy" in text
    assert "Leader n1a1 in term 3; 3 of 3 servers are in this term, quorum 2" in text
    assert f"VIP {VIP} on n1a1" in text
    assert re.search(r"^n1a3 +2 +follower +3 +100 +100 +0 +3 +- ", text, re.M)
    assert re.search(r"^n1a1 .* 2 +60 min ago +4\.0 KiB +/ 60 GiB of 100 GiB", text, re.M)


def test_a_terminal_gets_colours() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    console = tables.console(out)
    assert console.is_terminal
    console.print(tables.status(of(situation())))
    assert "leader" in out.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (200000, "2 d")],
)
def test_durations(seconds: int, text: str) -> None:
    assert tables.duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (1536, "1.5 KiB"), (20 << 20, "20 MiB"), (3 << 40, "3.0 TiB")]
)
def test_sizes(number: int, text: str) -> None:
    assert tables.size(number) == text


# Prometheus

SAMPLE = re.compile(r'(\w+)\{((?:\w+="(?:[^"\\\n]|\\.)*",?)*)\} (-?[0-9.e+]+)')


def everything() -> Report:
    """Make a report that has every metric."""
    stack = target(
        features={**OFF, "gui": True, "flow": True},
        ssl={"web_server": "nginx", "generate_cert": True},
        backup={"schedule": "daily"},
    )
    dumps = (Dump("/var/backups/opennebula/20261129T030000Z-timed.sql.zst", 9),)
    hosts = [
        snapshot(
            number,
            {"dumps": dumps},
            certificate_ends=NOW + timedelta(days=200),
            web_server="active",
        )
        for number in range(2)
    ]
    return of(situation(*hosts, unreachable(2), stack=stack))


def test_the_textfile_is_in_prometheus_format() -> None:
    text = prometheus.text(everything())
    kinds: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in kinds, "a metric's samples must be one group"
            kinds[name] = kind
        elif not line.startswith("# HELP "):
            found = SAMPLE.fullmatch(line)
            assert found, line
            assert found[1] == [*kinds][-1]
            assert 'stack="lab"' in found[2]
    assert set(kinds) == {f"{prometheus.PREFIX}_{name}" for name in prometheus.HELP}
    assert 'opennebula_ha_health{stack="lab"} 1\n' in text
    assert 'opennebula_ha_reachable{stack="lab",front_end="n1a3"} 0\n' in text
    assert 'opennebula_ha_service_up{stack="lab",front_end="n1a1",unit="opennebula-flow"} 1' in text
    assert f'observed_timestamp_seconds{{stack="lab"}} {NOW.timestamp():.0f}\n' in text


def test_the_textfile_is_replaced_in_one_move(tmp_path: Path) -> None:
    file = tmp_path / "opennebula.prom"
    file.write_text("before")
    prometheus.write(file, everything())
    assert file.read_text().startswith("# HELP opennebula_ha_health")
    assert file.stat().st_mode & 0o777 == 0o644
    assert [one.name for one in tmp_path.iterdir()] == ["opennebula.prom"]


def test_alert_rules_use_metrics_and_labels_that_exist() -> None:
    rules = yaml.safe_load((ROOT / "docs" / "alerts.yaml").read_text(encoding="utf-8"))
    text = prometheus.text(everything())
    known = {match[1]: set(re.findall(r'(\w+)="', match[2])) for match in SAMPLE.finditer(text)}
    names = set()
    for group in rules["groups"]:
        for rule in group["rules"]:
            names.add(rule["alert"])
            assert rule["labels"]["severity"] in ("warning", "critical")
            assert {"summary", "description"} <= rule["annotations"].keys()
            used = re.findall(rf"({prometheus.PREFIX}_\w+)(?:\{{([^}}]*)\}})?", rule["expr"])
            assert used, rule
            for metric, labels in used:
                assert metric in known, rule["alert"]
                assert set(re.findall(r"(\w+)\s*[=!]", labels)) <= known[metric], rule["alert"]
            shown = "".join(rule["annotations"].values())
            assert set(re.findall(r"\$labels\.(\w+)", shown)) <= {*known[used[0][0]], "severity"}
    assert {"OpenNebulaZoneDown", "OpenNebulaStatusOld"} <= names


# What snapshot.sh prints


def test_the_output_of_a_host_is_read() -> None:
    found = read_snapshot(
        target().hosts["n1a1"],
        seen_facts(0),
        {
            "uptime": "100.5",
            "changed": "40000000",
            "finished": "yes",
            "disks": "/dev/sda1 1000 400 600 40% /\n/dev/sda1 1000 400 600 40% /\n"
            "tmpfs 8 1 7 13% /run/a b\n",
            "certificate": "Nov  9 10:24:20 2027 GMT",
            "web": "active",
            "said": "opennebula.service first\nopennebula.service second\n",
            "errors": "one\ntwo",
            "proxies": "http_proxy",
        },
    )
    assert found.changed == 60.5
    assert found.finished
    assert [(one.mount, one.size, one.free) for one in found.disks] == [
        ("/", 1024000, 614400),
        ("/run/a b", 8192, 7168),
    ]
    assert found.certificate_ends is not None
    assert found.certificate_ends.isoformat() == "2027-11-09T10:24:20+00:00"
    assert (found.said, found.errors) == ({"opennebula": "first; second"}, ("one", "two"))


# The command


def test_a_config_that_cannot_be_read_is_unknown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main(["--json"]) == 3
    assert "pulumi config returned nothing" in capsys.readouterr().err


@pytest.mark.parametrize(("action", "status"), [("status", 3), ("doctor", 3), ("logs", 1)])
def test_a_stack_without_a_file_gets_the_message_of_all_commands(action: str, status: int) -> None:
    said = [
        subprocess.run(
            [str(ROOT / "scripts" / "pulumi"), "nowhere", command],
            capture_output=True,
            text=True,
            check=False,
        )
        for command in (action, "preview")
    ]
    assert [one.returncode for one in said] == [status, 1]
    assert said[0].stderr == said[1].stderr
    assert "there is no stacks/Pulumi.nowhere.yaml" in said[0].stderr
