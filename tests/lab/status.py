"""What status and doctor report of a lab's zone, and the cures, done as their text says."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

from commands.status.report import Finding, Health, Report
from commands.status.signs.sign import COMMANDS
from lab.machines import Lab, LabHost
from tests.lab.conftest import MakeLab
from tests.lab.operators import Operator
from tests.lab.zones import assert_whole, wait_for
from tests.status_schema import faults

NAMES = ["n1a1", "n1a2", "n1a3"]
REPAIR = ["make refresh STACK=lab", "make up STACK=lab"]
"""The cure of most states."""
Site = tuple[Lab, Operator]


def blank_site(make_lab: MakeLab, directory: Path) -> Site:
    """Boot three blank hosts, for a stack with OneFlow."""
    lab = make_lab(3)
    operator = Operator(lab, directory, front_ends=NAMES)
    operator.config["features"] = {"gui": False, "flow": True, "gate": False, "form": False}
    return lab, operator


def look(operator: Operator, command: str = "doctor", *options: str) -> Report:
    """Return the report, checked against its schema and the exit status of status and doctor."""
    run = operator.look(command, "--json", *options)
    assert faults(run.output) == []
    found = Report.model_validate_json(run.output)
    assert run.status == found.health.exit_status
    assert operator.secrets["one_pass"] not in run.output
    return found


def named(found: Report, sign: str, host: str | None) -> Finding:
    """Return the sign on that host, which has a cause and a cure."""
    seen = [one for one in found.findings if (one.sign, one.host) == (sign, host)]
    assert len(seen) == 1, f"{sign} on {host} is not among {summary(found)}"
    assert seen[0].cause
    assert seen[0].cure
    print(f"{sign} {host}: {seen[0].seen}")
    return seen[0]


def summary(found: Report) -> list[str]:
    return [f"{one.sign} {one.host}: {one.seen}" for one in found.findings]


def seen_soon(operator: Operator, sign: str, host: str | None, command: str = "status") -> Report:
    """Return the first report that has the sign there."""

    def once() -> Report | None:
        found = look(operator, command)
        return found if any((o.sign, o.host) == (sign, host) for o in found.findings) else None

    return wait_for(once, f"{sign} on {host}")


def is_healthy(operator: Operator) -> bool:
    return look(operator, "status").health is Health.HEALTHY


def await_healthy(operator: Operator, seconds: float = 60) -> None:
    """Look again until nothing is found."""
    last: list[str] = []

    def once() -> bool | None:
        last[:] = summary(look(operator, "status"))
        return not last or None

    try:
        wait_for(once, "a healthy zone", seconds)
    except AssertionError:
        raise AssertionError(f"not healthy after {seconds} s: {last}") from None


def cure(site: Site, *findings: Finding, **by_hand: Callable[[], object]) -> None:
    """Do what the cures of these findings say; then the zone is healthy.

    Sentences are done ``by_hand``: each by words that it has. Commands of the operator's machine
    that several cures have run once. What follows an "If" is done only if the zone is not healthy
    by then.
    """
    lab, operator = site
    left, queued = dict(by_hand), list[str]()

    def is_cured() -> bool:
        for line in dict.fromkeys(queued):
            make(operator, line)
        queued.clear()
        return is_healthy(operator)

    def follow(line: str, host: str) -> bool:
        """Do one line; return whether nothing is left to do."""
        if line.startswith("systemctl "):
            does(lab.host(host), line)
            return False
        if line.startswith(COMMANDS):
            queued.append(line)
            return False
        for words in [words for words in left if words.replace("_", " ") in line]:
            left.pop(words)()
        return bool(re.search(r"\bIf\b", line)) and is_cured()

    lines = [(line, one.host or "") for one in findings for line in one.cure]
    if not any(follow(*line) for line in lines) and not is_cured():
        await_healthy(operator)
    assert not left, f"no cure says {', '.join(left)}"
    assert summary(look(operator)) == []
    assert_whole(lab, NAMES)


def make(operator: Operator, line: str) -> None:
    """Run what a ``make`` of a cure runs."""
    _, target, stack, *options = shlex.split(line)
    assert stack == "STACK=lab"
    if target in ("refresh", "up"):
        run = operator.refresh() if target == "refresh" else operator.up()
    else:
        run = operator.look(target, *shlex.split(" ".join(options).removeprefix("OPTIONS=")))
    assert run.ok, run.output


def roles(lab: Lab) -> tuple[LabHost, LabHost, LabHost]:
    """Return the leader and its two followers."""
    leader = assert_whole(lab, NAMES)
    near, far = (name for name in NAMES if name != leader)
    return lab.host(leader), lab.host(near), lab.host(far)


def does(host: LabHost, *commands: str) -> None:
    for command in commands:
        done = host.run(command)
        assert done.returncode == 0, f"{host.name}: {command}: {done.stderr}"


def signal_oned(host: LabHost, name: str) -> None:
    does(host, f"kill -{name} $(systemctl show -p MainPID --value opennebula)")


def write(host: LabHost, number: int) -> None:
    """Write that many records to the zone's log."""
    does(
        host,
        f"""python3 - <<'END'
import xmlrpc.client
session = open("/var/lib/one/.one/one_auth").read().strip()
oned = xmlrpc.client.ServerProxy("http://127.0.0.1:2633/RPC2")
for number in range({number}):
    assert oned.one.user.update(session, 0, f'MARK = "{{number}}"', 1)[0]
END""",
    )
