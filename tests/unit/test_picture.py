"""Pictures: what they show, that nothing overlaps, and that a browser shows the page."""

import argparse
import json
import re
import shutil
import subprocess
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from html import unescape
from itertools import combinations
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

import pytest

from commands import stack
from commands.picture import __main__ as command
from commands.picture import diagram, timeline
from commands.picture.axis import LEAST, Axis
from commands.picture.drawing import WIDTH, Box, width_of
from commands.picture.events import Kind, events, phases
from commands.picture.page import page
from commands.picture.timeline import Story
from commands.status.build import report
from commands.status.report import FrontEnd, Report, Role
from commands.times import Operation, Span, operations
from hosts.errors import HostError
from opennebula.oned_log import LogLine, parse
from opennebula.zone import State
from tests.unit.situations import NAMES, POOL, VIP, raft, silent, situation, snapshot, unreachable

HOSTILE = "</text><script>alert('n1')</script>&amp;\x1b[31m\u202e\ufffe 漢字 ]]>\" onload=\"x"
FAILOVER = {
    "n1a1": """\
Sun Nov 29 11:41:34 2026 [Z0][RCM][I]: oned is now the leader of the zone
Sun Nov 29 11:41:55 2026 [Z0][HKM][I]: Hook: RAFT_LEADER_HOOK executed with rc: 0.
Sun Nov 29 11:44:28 2026 [Z0][RCM][I]: oned started in follower mode
Sun Nov 29 11:44:28 2026 [Z0][HKM][I]: Hook: RAFT_FOLLOWER_HOOK executed with rc: 0.
Sun Nov 29 11:44:34 2026 [Z0][ReM][I]: New term (4) discovered from leader 0
Sun Nov 29 11:44:34 2026 [Z0][RCM][I]: oned is set to follower mode
""",
    "n1a2": """\
Sun Nov 29 11:43:54 2026 [Z0][RRM][E]: Failed to get heartbeat. Starting election proccess
Sun Nov 29 11:43:54 2026 [Z0][ReM][E]: Req:405 one.zone.voterequest result FAILURE Already voted
Sun Nov 29 11:43:55 2026 [Z0][RCM][I]: No leader found, starting new election in 1587ms
Sun Nov 29 11:43:59 2026 [Z0][RCM][I]: Got majority of votes
Sun Nov 29 11:43:59 2026 [Z0][RCM][I]: oned is now the leader of the zone
Sun Nov 29 11:44:19 2026 [Z0][HKM][I]: Hook: RAFT_LEADER_HOOK executed with rc: 0.
Sun Nov 29 11:50:00 2026 [Z0][DBM][E]: SQL command was: SELECT
""",
    "n1a3": """\
Sun Nov 29 11:43:59 2026 [Z0][ReM][I]: New term (4) discovered from candidate 0
Sun Nov 29 11:43:59 2026 [Z0][RCM][I]: oned is set to follower mode
""",
}
"""Logs of a lab: the leader n1a1 lost its power for half a minute."""
RUN = [
    Operation("Preflight zone create", 1000.0, 1002.0),
    Operation(
        "Installation n1a1 create",
        1002.0,
        1030.0,
        (Span("n1a1: install packages", 1003.0, 1025.0), Span("n1a1: configure", 1025.0, 1030.0)),
    ),
    Operation("Rollout zone create", 1030.0, 1030.05),
]


def rows(logs: Mapping[str, str]) -> list[tuple[str, LogLine]]:
    return [(name, line) for name, text in logs.items() for line in parse(text, "+0000")]


def story(
    of: Report | None = None,
    logs: Mapping[str, str] = FAILOVER,
    *,
    unread: Mapping[str, str] | None = None,
    run: Sequence[Operation] = (),
) -> Story:
    of = of or report(situation(), "lab")
    return Story(of, rows(logs), unread or {}, of.at - timedelta(hours=1), run)


def hostile() -> Report:
    """Make a report of hosts that say what could break out of a picture."""
    found = report(situation(unreachable(1)), "lab")

    def spoiled(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {each: spoiled(part, each) for each, part in value.items()}
        if isinstance(value, list):
            return [spoiled(each, key) for each in value]
        kept = ("level", "health", "role", "state", "at", "newest_at", "ends", "leader", "holders")
        return value if not isinstance(value, str) or key in kept else f"{value} {HOSTILE}"

    return Report.model_validate(spoiled(found.model_dump(mode="json")))


def with_front_ends(number: int) -> Report:
    found = report(situation(), "lab")
    hosts = [
        found.front_ends[place % 3].model_copy(update={"name": f"front-end-{place}.example.org"})
        for place in range(number)
    ]
    return found.model_copy(update={"front_ends": hosts})


def every_unit(number: int, **states: str) -> Report:
    """Make a report in which each front-end runs several services."""
    found = report(situation(snapshot(0, {"units": {}})), "lab")
    service = {
        "unit": "opennebula-flow",
        "state": "failed",
        "expected": True,
        "fault": "it is down",
    }
    web = {"path": "/x", "ends": None, "days": None, "web_server": "failed"}
    said = found.front_ends[number].model_dump() | {"services": [service] * 3, "certificate": web}
    hosts = [*found.front_ends]
    hosts[number] = FrontEnd.model_validate(said)
    return found.model_copy(update={"front_ends": hosts})


CANDIDATES = [
    snapshot(
        number, answers=snapshot(number).answers.__class__(raft(number, State.CANDIDATE), POOL)
    )
    for number in range(3)
]
REPORTS = {
    "healthy": report(situation(), "lab"),
    "unreachable": report(situation(unreachable(1)), "lab"),
    "none reachable": report(situation(*map(unreachable, range(3))), "lab"),
    "silent": report(situation(silent(2, {"units": {}})), "lab"),
    "no leader": report(situation(*CANDIDATES), "lab"),
    "no VIP": report(situation(snapshot(0, {"addresses": ()})), "lab"),
    "services": every_unit(0),
    "hostile": hostile(),
    "one": with_front_ends(1),
    "five": with_front_ends(5),
    "seven": with_front_ends(7),
}
STORIES = {
    **{name: story(each) for name, each in REPORTS.items()},
    "quiet": story(logs={}),
    "no log": story(unread={"n1a1": "No route to host " * 20}),
    "hostile logs": story(
        logs={name: text.replace("SELECT", HOSTILE) for name, text in FAILOVER.items()},
        unread={"n1a3": HOSTILE},
        run=[Operation(f"{HOSTILE} create", 1000.0, 1002.0, (Span(HOSTILE, 1000.0, 1001.0),))],
    ),
    "many errors": story(
        logs={
            name: "".join(
                f"Sun Nov 29 11:{minute:02}:{second:02} 2026 [Z0][{kind}\n"
                for minute in range(60)
                for second in (0, 20, 40)
                for kind in ("DBM][E]: an error", "RCM][I]: oned is now the leader of the zone")
            )
            for name in NAMES
        }
    ),
    "run": Story(REPORTS["healthy"], [], {}, datetime.fromtimestamp(995, UTC), RUN),
}


def xml(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)  # noqa: S314 - our own


def overlap(one: Box, other: Box) -> bool:
    """Return whether they share a point inside."""
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


def places(svg: str) -> dict[str, Box]:
    """Return where each text is, by its text and place."""
    found = {}
    for element in xml(svg).iter():
        if element.tag.endswith("}text"):
            x, y, size = (float(element.attrib[key]) for key in ("x", "y", "font-size"))
            text = written(element)
            width = width_of(text, size)
            x -= {"start": 0, "middle": 0.5, "end": 1}[element.attrib["text-anchor"]] * width
            found[f"{text} at {x}, {y}"] = Box(x, y - size, width, size * 1.25)
    return found


@pytest.mark.parametrize("name", STORIES)
def test_nothing_in_a_timeline_overlaps(name: str) -> None:
    svg = timeline.draw(STORIES[name])
    height = float(xml(svg).attrib["viewBox"].split()[3])
    boxes = places(svg)
    for text, box in boxes.items():
        assert box.x >= 0, text
        assert box.x + box.width <= WIDTH, text
        assert box.y >= 0, text
        assert box.y + box.height <= height, text
    for (one, box), (other, second) in combinations(boxes.items(), 2):
        assert not overlap(box, second), f"{one} is over {other}"


@pytest.mark.parametrize("name", STORIES)
def test_a_page_has_no_element_that_a_host_said_and_fetches_nothing(name: str) -> None:
    root = xml(page(STORIES[name]))
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    own = (
        "html head meta title style body svg desc rect line path text"
        " main h1 h2 strong time p div article section header b ul li meter"
    )
    assert tags <= set(own.split())
    names = {key for element in root.iter() for key in element.attrib}
    assert not {"href", "src", "onload", "style"} & names


def written(element: ElementTree.Element) -> str:
    return "".join([element.text or "", *(each.tail or "" for each in element)])


def texts(picture: str) -> list[str]:
    """Return what is written, without tooltips."""
    hidden = ("title", "desc", "style")
    found = [
        written(element) for element in xml(picture).iter() if not element.tag.endswith(hidden)
    ]
    return [text for text in found if text]


def test_a_diagram_shows_who_leads_and_holds_the_vip() -> None:
    picture = diagram.draw(REPORTS["healthy"])
    written = texts(picture)
    assert "Leader n1a1 in term 3; 3 of 3 servers are in this term, quorum 2" in written
    assert [each for each in written if each.isalpha() and each.isupper()] == [
        "HEALTHY",
        "LEADER",
        "FOLLOWER",
        "FOLLOWER",
    ]
    assert written.count(f"clients → VIP {VIP}") == 1
    assert written.count("MariaDB") == 3
    assert "2 dumps, newest 60 min ago" in written
    assert written.count("/ 60 GiB free of 100 GiB") == 3
    assert written.count("lag 0") == 2
    assert "critical" not in picture


def test_what_is_wrong_is_said_above_the_hosts_and_on_its_host() -> None:
    written = texts(diagram.draw(REPORTS["unreachable"]))
    assert written[1] == "DEGRADED"
    finding = next(each for each in written if each.startswith("warning n1a2: unreachable: "))
    assert written.index(finding) < written.index("LEADER")
    host = written[written.index("UNOBSERVED") :]
    assert "unreachable" in host
    no_vip = texts(diagram.draw(REPORTS["no VIP"]))
    assert f"VIP {VIP} on no front-end" in no_vip
    assert no_vip[1] == "DOWN"
    assert "No leader; 3 servers, quorum 2" in texts(diagram.draw(REPORTS["no leader"]))
    services = texts(diagram.draw(REPORTS["services"]))
    assert "flow failed, must run" in services
    assert "web server failed, no certificate" in services


def test_more_findings_than_have_room_are_a_number() -> None:
    found = REPORTS["unreachable"]
    many = found.model_copy(update={"findings": found.findings[:1] * 30})
    written = texts(diagram.draw(many))
    assert "and 22 more: make doctor STACK=lab" in written
    assert sum(each.startswith("warning n1a2: ") for each in written) == 8


def test_a_description_says_the_same_in_words() -> None:
    root = xml(timeline.draw(story()))
    assert root.attrib["role"] == "img"
    title, description = (element.text or "" for element in root[:2])
    assert [element.attrib["id"] for element in root[:2]] == root.attrib["aria-labelledby"].split()
    assert title == "What happened"
    assert "11:43:59 n1a2 is the leader, after n1a1" in description
    assert "n1a3: follows (2)" in description


def test_events_of_a_failover() -> None:
    found = events(rows(FAILOVER))
    assert [each.kind for each in found["n1a1"]] == [
        Kind.LEADS,
        Kind.VIP_ON,
        Kind.STARTS,
        Kind.FOLLOWS,
        Kind.FOLLOWS,
    ]
    assert [each.kind for each in found["n1a2"]] == [
        Kind.ELECTION,
        Kind.ELECTION,
        Kind.LEADS,
        Kind.VIP_ON,
        Kind.ERROR,
    ]
    assert found["n1a3"][0].term == "4"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("[ONE][I]: oned started in solo mode.", Kind.STARTS),
        ("[ONE][I]: Stopping oned", Kind.STOPS),
        ("[ONE][I]: All modules finalized, exiting.", Kind.STOPPED),
        ("[HKM][I]: Success executing Hook: RAFT_LEADER_HOOK", Kind.VIP_ON),
        ("[HKM][I]: Hook: RAFT_FOLLOWER_HOOK executed with rc: 0.", Kind.VIP_OFF),
        ("[HKM][I]: Hook: RAFT_LEADER_HOOK executed with rc: 1.", Kind.HOOK_FAILED),
        ("[HKM][E]: Error executing Hook: RAFT_LEADER_HOOK", Kind.HOOK_FAILED),
        ("[RCM][E]: Cannot replicate log to followers", Kind.ERROR),
        ("[RCM][I]: Got majority of votes", None),
    ],
)
def test_kinds_of_events(text: str, kind: Kind | None) -> None:
    found = events(rows({"n1a1": f"Sun Nov 29 11:41:34 2026 [Z0]{text}\n"}))
    assert [each.kind for each in found["n1a1"]] == ([kind] if kind else [])


def test_a_server_that_lost_its_power_leads_until_another_one_does() -> None:
    found = events(rows(FAILOVER))
    begin, end = (datetime(2026, 11, 29, 11, minute, tzinfo=UTC) for minute in (40, 55))
    by_name = {
        name: [(f"{each.begin:%M:%S}", each.role) for each in phases(found, name, begin, end)]
        for name in NAMES
    }
    assert by_name["n1a1"] == [
        ("40:00", None),
        ("41:34", Role.LEADER),
        ("43:59", None),
        ("44:28", Role.FOLLOWER),
    ]
    assert by_name["n1a2"] == [
        ("40:00", Role.FOLLOWER),
        ("43:54", Role.CANDIDATE),
        ("43:59", Role.LEADER),
    ]


def test_a_timeline_says_who_took_over_and_shows_each_change() -> None:
    written = texts(timeline.draw(story()))
    taken = "11:43:59 n1a2 is the leader, after n1a1, 5 s after its first election began"
    assert taken in written
    for label in ("leads", "election (2)", "starts", "follows term 4", "VIP announced"):
        assert label in written
    assert written.count("now follower") == 2
    assert "error: SQL command was: S…" in written
    assert any(re.fullmatch(r"\d+ min gap", each) for each in written)


def test_elections_that_another_server_lost_are_not_counted() -> None:
    """One that is cut off stands for election again and again, and then follows."""
    lost = "Sun Nov 29 11:{} 2026 [Z0][RRM][E]: Starting election proccess\n"
    cut_off = lost.format("10:00") + FAILOVER["n1a3"]
    written = texts(timeline.draw(story(logs={**FAILOVER, "n1a3": cut_off})))
    assert any(each.endswith(", 5 s after its first election began") for each in written)


def test_events_of_a_host_whose_clock_is_ahead_are_shown() -> None:
    ahead = "Sun Nov 29 12:00:09 2026 [Z0][RCM][I]: oned is now the leader of the zone\n"
    written = texts(timeline.draw(story(logs={"n1a1": ahead})))
    assert "12:00:09 n1a1 is the leader" in written
    assert "leads" in written


def test_a_host_without_a_log_says_why() -> None:
    written = texts(timeline.draw(story(unread={"n1a1": "No route to host"})))
    assert "no log: No route to host" in written


def test_steps_of_a_run_are_drawn_with_their_seconds() -> None:
    written = texts(timeline.draw(STORIES["run"]))
    assert "Preflight zone create 2.0 s" in written
    assert "Installation n1a1 create 28.0 s · n1a1: install packages 22.0 s" in written
    assert not any(each.startswith("Rollout") for each in written)
    assert not any(each.startswith("now ") for each in written)


def test_an_axis_leaves_out_the_time_in_which_nothing_happened() -> None:
    axis = Axis([(1000.0, 1010.0), (5000.0, 5000.0)], 100.0, 900.0)
    first, second = axis.parts
    assert (first.left, second.right) == (100.0, 900.0)
    assert 100.0 < axis.place(1000.0) < axis.place(1010.0) < first.right
    assert first.right < axis.place(3000.0) == second.left
    assert (axis.place(0.0), axis.place(9000.0)) == (100.0, 900.0)
    assert len(Axis([(at * 100.0,) * 2 for at in range(50)], 100.0, 900.0).parts) == 6


def test_a_long_part_of_an_axis_leaves_room_for_short_ones() -> None:
    short = [(at * 1000.0,) * 2 for at in range(5)]
    axis = Axis([*short, (5000.0, 99000.0)], timeline.LEFT, timeline.RIGHT)
    assert len(axis.parts) == 6
    assert all(part.right - part.left >= LEAST for part in axis.parts)
    assert axis.place(6000.0) < axis.place(98000.0)


def options(**given: Any) -> argparse.Namespace:
    return argparse.Namespace(
        **{"since": datetime(2026, 11, 29, 11, tzinfo=UTC), "times": None, "out": None, **given}
    )


def observed(monkeypatch: pytest.MonkeyPatch, logs: Mapping[str, object]) -> list[datetime]:
    """Let the command see these logs; return the moments since which they were asked for."""
    asked: list[datetime] = []

    def fetch(_access: Any, _hosts: Any, since: datetime, *, everything: bool) -> Any:
        assert not everything
        asked.append(since)
        return logs

    monkeypatch.setattr(command, "observe", lambda _: REPORTS["unreachable"])
    monkeypatch.setattr(command, "fetch", fetch)
    monkeypatch.setattr(stack, "end_at_once", lambda: None)
    return asked


def test_the_command_writes_one_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = HostError("n1a2", "connect", expected="x", seen="No route to host", remedy="y")
    logs = {name: list(parse(text, "+0000")) for name, text in FAILOVER.items()}
    asked = observed(monkeypatch, {**logs, "n1a2": error})
    out = tmp_path / "zone.html"
    target = cast(Any, argparse.Namespace(access=None, hosts={}))
    assert command.run(target, options(out=out)) == 0
    assert capsys.readouterr().out == f"{out}: degraded; open it in a browser\n"
    text = out.read_text(encoding="utf-8")
    assert "no log: No route to host" in text
    assert "<title>lab: degraded, n1a1</title>" in text
    assert command.run(target, options(out=tmp_path / "none" / "zone.html")) == 1
    assert "zone.html cannot be written: No such file" in capsys.readouterr().err
    assert command.run(target, options(out=out, times=RUN)) == 0
    assert asked[-1] == datetime.fromtimestamp(995, UTC)
    assert "Preflight zone create 2.0 s" in out.read_text(encoding="utf-8")


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"resource": "x"}'])
def test_a_file_that_has_no_times_is_refused(
    text: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "up.times"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        command.main(["--times", str(file)])
    assert ended.value.code == 2
    assert "argument --times: expected" in capsys.readouterr().err


def test_times_are_read_as_a_run_wrote_them(tmp_path: Path) -> None:
    lines = [
        {"at": 1.0, "resource": "Zone zone", "kind": "begin", "what": "create"},
        {"at": 2.0, "resource": "Zone zone", "kind": "step", "what": "n1a1: start oned"},
        {"at": 4.0, "resource": "Zone zone", "kind": "end", "what": "create"},
    ]
    file = tmp_path / "up.times"
    file.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    assert command.times(str(file)) == operations(map(json.dumps, lines))


MEASURE = """
<script>
const lines = ["text", "main *"].map(of =>
  [...document.querySelectorAll(of)].filter(item => item.lastChild?.data).map(item => {
    const box = item.getBoundingClientRect();
    return [item.lastChild.data, box.x, box.y, box.width, box.height];
  }));
document.body.textContent = "";
document.body.append(JSON.stringify(lines) + ":" + document.documentElement.scrollWidth);
</script>
"""
CSP = re.compile(r"<meta http-equiv.*?>", re.S)


def browser(*options: str) -> str:
    """Return what headless Chromium prints."""
    name = "chromium-headless-shell"
    assert shutil.which(name), f"{name} is missing: `make test-setup` installs it"
    done = subprocess.run(
        [name, "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *options],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


def test_a_browser_shows_every_text_and_none_over_another(tmp_path: Path) -> None:
    for number, name in enumerate((*REPORTS, "hostile logs", "run")):
        file = tmp_path / f"{number}.html"
        text = CSP.sub("", page(STORIES[name])).replace("</body>", f"{MEASURE}</body>")
        file.write_text(text, encoding="utf-8")
        shown = browser("--window-size=1200,1000", "--dump-dom", file.as_uri())
        body = re.search(r"<body>(.*):(\d+)\s*</body>", shown, re.S)
        assert body, shown
        assert int(body[2]) <= WIDTH
        for drawn in json.loads(unescape(body[1])):
            assert len(drawn) > 8
            # A font's lines are higher than its letters.
            letters = [(what, Box(x, y + 3, wide, high - 6)) for what, x, y, wide, high in drawn]
            for what, box in letters:
                assert box.width > 0, what
                assert 0 <= box.x <= box.x + box.width <= WIDTH, what
            for (one, box), (other, second) in combinations(letters, 2):
                assert not overlap(box, second), f"{name}: {one} is over {other}"


@pytest.mark.parametrize("scheme", [0, 1])
def test_a_browser_paints_the_page_in_the_dark_and_in_the_light(
    scheme: int, tmp_path: Path
) -> None:
    file, picture = tmp_path / "zone.html", tmp_path / "zone.png"
    file.write_text(page(STORIES["unreachable"]), encoding="utf-8")
    browser(
        f"--blink-settings=preferredColorScheme={scheme}",
        "--window-size=800,400",
        f"--screenshot={picture}",
        file.as_uri(),
    )
    colours = pixels(picture.read_bytes())
    dark = bytes.fromhex("0d1117"), bytes.fromhex("4cc38a"), bytes.fromhex("ff7b72")
    light = b"\xff\xff\xff", bytes.fromhex("1a7f37"), bytes.fromhex("c11c28")
    ground, leader, wrong = (dark, light)[scheme]
    assert max(colours, key=lambda each: colours[each]) == ground
    assert colours[leader] > 2000
    assert colours[wrong] > 500


def pixels(png: bytes) -> dict[bytes, int]:
    """Return how many pixels have each colour."""
    width, height, depth, kind = (
        *(int.from_bytes(png[at : at + 4], "big") for at in (16, 20)),
        *png[24:26],
    )
    assert (depth, kind) in ((8, 2), (8, 6))
    size = 3 if kind == 2 else 4
    packed, at = b"", 8
    while at < len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        if png[at + 4 : at + 8] == b"IDAT":
            packed += png[at + 8 : at + 8 + length]
        at += length + 12
    data = zlib.decompress(packed)
    found: dict[bytes, int] = {}
    above = bytearray(width * size)
    for row in range(height):
        begin = row * (width * size + 1)
        line = bytearray(data[begin + 1 : begin + 1 + width * size])
        unfilter(data[begin], line, above, size)
        for x in range(0, len(line), size):
            colour = bytes(line[x : x + 3])
            found[colour] = found.get(colour, 0) + 1
        above = line
    return found


def unfilter(kind: int, line: bytearray, above: bytearray, size: int) -> None:
    """Undo the filter of a line of a PNG in place."""
    for x in range(len(line)):
        left = line[x - size] if x >= size else 0
        corner = above[x - size] if x >= size else 0
        up = above[x]
        if kind == 4:
            guess = left + up - corner
            near = min((abs(guess - each), n) for n, each in enumerate((left, up, corner)))[1]
            line[x] = (line[x] + (left, up, corner)[near]) & 255
        else:
            line[x] = (line[x] + (0, left, up, (left + up) // 2)[kind]) & 255
