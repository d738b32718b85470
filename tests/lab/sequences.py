"""Random sequences: what operators do and what fails, while clients write and read.

A number alone decides the steps; a step names servers by their part in the zone at that moment.
"""

import random
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event

from lab.machines import Lab, LabHost
from opennebula.zone import quorum
from tests.histories import Operation, lags, leaders_of_one_term, problems, unshared
from tests.lab.operators import Operator, Run, kill_session
from tests.lab.traffic import LEADER, Clients, Watch
from tests.lab.zones import assert_whole, call, wait_for
from tests.runs import SEQUENCES, TALLY

OPERATIONS = ("front-ends", "front-ends", "settings", "switchover", "refresh", "nothing")
SIZES = (3, 5)
KILL = "kill the up"
PAUSE = 10.0 if SEQUENCES else 60.0
"""Seconds for which writes at the VIP may pause for another reason than a fault that lasts.

Three labs at once share the machine of a test run: a campaign has it alone.
"""
STOPPING = ("front-ends", "settings")
"""The operations during which one server is down."""
ELECTIONS = 60.0
"""The same if a fault on top of that costs the majority: all that are left must vote for one."""
TABLE = """table inet sequence {{
    chain {0} {{ type filter hook {0} priority 0; ip {1} {{ {2} }} drop; }}
}}"""
Fault = tuple[Callable[["Site", LabHost], object], Callable[["Site", LabHost], object]]


@dataclass(frozen=True)
class Step:
    """One operation of the program, and what fails during it."""

    operation: str
    front_ends: tuple[str, ...]
    fault: str
    place: int
    """The server that the fault hits: 0 is the leader, then its followers by name."""
    delay: float
    """Seconds from the start of the operation to the fault."""
    lasts: float
    """Seconds for which the fault lasts, if it does not end by itself."""


@dataclass
class Site:
    """A zone, its operator, and its clients."""

    lab: Lab
    operator: Operator
    watch: Watch
    clients: Clients
    process: "subprocess.Popen[str] | None" = None
    """The present ``up``."""
    pauses: list[tuple[float, float, str]] = field(default_factory=list)
    """For each step the longest pause of the writes, how long it may be, and the step."""

    def up(self) -> Run:
        """Run ``up`` so that it can be killed."""
        with self.operator.start_up() as self.process:
            said = self.process.communicate(timeout=600)[0]
            return Run(self.process.returncode, said)

    def roles(self) -> list[str]:
        """Return the servers that answered last, the leader first."""
        answers = self.watch.seen[-1][1]
        return sorted(answers, key=lambda name: (answers[name][0] != LEADER, name))

    def others(self, host: LabHost) -> list[LabHost]:
        """Return the front-ends without that one."""
        return [
            self.lab.host(name) for name in self.operator.config["frontends"] if name != host.name
        ]


def sequence(number: int, names: Sequence[str], length: int) -> list[Step]:
    """Return the steps that belong to that number, in a zone of all these hosts."""
    chance = random.Random(number)
    steps: list[Step] = []
    present = tuple(names)
    for _ in range(length):
        operation = chance.choice(OPERATIONS)
        before = present
        while operation == "front-ends" and present == before:
            present = tuple(sorted(chance.sample(names, chance.choice(SIZES))))
        is_up = operation in STOPPING
        steps.append(
            Step(
                operation,
                present,
                chance.choice([name for name in FAULTS if is_up or name != KILL]),
                chance.choice([0, 0, 1, 2]),
                round(chance.uniform(0, 12 if is_up else 2), 1),
                round(chance.uniform(1, 8), 1),
            )
        )
    return steps


def play(lab: Lab, operator: Operator, steps: Sequence[Step]) -> None:
    """Take the steps under traffic; check the history and the zone."""
    try:
        check(lab, operator, steps)
    except BaseException:
        lines = operator.look("logs", "--since", "15m").output.splitlines()
        print("\n".join(one for one in lines if "[RCM][D]" not in one))
        raise


def check(lab: Lab, operator: Operator, steps: Sequence[Step]) -> None:
    """Take the steps and check what the clients saw."""
    with Watch(lab) as watch, Clients(lab, rate=0.7) as clients:
        site = Site(lab, operator, watch, clients)
        wait_for(lambda: len(clients.acknowledged) > 2 or None, "the first writes")
        for step in steps:
            take(site, step)
    # No client writes now: every server must have the last acknowledged writes.
    names = sorted(operator.config["frontends"])
    assert_whole(lab, names)
    history = clients.history() + clients.unrecorded()
    history += [one for name in names for one in final(clients, lab.host(name))]
    wrong = problems(history)
    states = [
        (term, name)
        for _, answers in watch.seen
        for name, (state, term) in answers.items()
        if state == LEADER
    ]
    wrong += leaders_of_one_term(clients.leaders) + leaders_of_one_term(states)
    count(site, steps, history, len(wrong))
    assert not wrong, "\n".join(wrong)
    assert [pause for pause in site.pauses if pause[0] > pause[1]] == []
    unchanged = operator.up("--expect-no-changes")
    assert unchanged.ok, unchanged.output


def take(site: Site, step: Step) -> None:
    """Take one step; afterwards an ``up`` must succeed."""
    print(step, flush=True)
    begun = time.monotonic()
    site.operator.config["frontends"] = site.operator.list_of(step.front_ends)
    with ThreadPoolExecutor(1) as pool:
        operation = pool.submit(DO[step.operation], site)
        Event().wait(step.delay)
        lasted = strike(site, step)
        run = operation.result()
    TALLY["operations"] += step.operation != "nothing"
    TALLY["faults"] += step.fault != "none"
    TALLY["refusals"] += not run.ok
    assert run.ok or step.fault != "none", run.output
    if not run.ok:
        print(run.output.partition("Diagnostics:")[2].partition("Outputs:")[0], flush=True)
    wait_for(lambda: is_led(site, step.front_ends), "a leader after the fault", 120)
    run = site.operator.up("--refresh")
    assert run.ok, run.output
    pause = site.clients.longest_pause(begun, time.monotonic())
    limit = lasted + (ELECTIONS if lasted and step.operation in STOPPING else PAUSE)
    site.pauses.append((pause, limit, str(step)))
    print(f"writes paused {pause:.1f} s, the fault lasted {lasted:.1f} s", flush=True)


def strike(site: Site, step: Step) -> float:
    """Let something fail for a while; return for how long."""
    if step.fault == "none":
        return 0.0
    roles = site.roles()
    host = site.lab.host(roles[min(step.place, len(roles) - 1)])
    print(f"{step.fault}: {host.name} of {roles}", flush=True)
    fail, heal = FAULTS[step.fault]
    begun = time.monotonic()
    fail(site, host)
    if heal is not nothing:
        Event().wait(step.lasts)
    heal(site, host)
    return time.monotonic() - begun


def is_led(site: Site, names: Sequence[str]) -> bool | None:
    """Return whether one server leads, and a majority of ``names`` answers; None if not.

    After an interrupted shrink, a server that has not left yet may lead.
    """
    answers = site.watch.seen[-1][1]
    leaders = [name for name, (state, _) in answers.items() if state == LEADER]
    return (len(leaders) == 1 and len(answers.keys() & {*names}) >= quorum(len(names))) or None


def final(clients: Clients, host: LabHost) -> list[Operation]:
    """Return a current read of every register there, in a zone at rest."""
    read = []
    for register in clients.registers:
        begun = time.monotonic()
        said = call(host, "one.user.info", register)
        value = said.partition("<VALUE>")[2].partition("</VALUE>")[0]
        value = value.removeprefix("<![CDATA[").removesuffix("]]>")
        read.append(
            Operation(
                *("read", str(register), value, begun, time.monotonic(), host.name), current=True
            )
        )
    return read


def count(site: Site, steps: Sequence[Step], history: Sequence[Operation], losses: int) -> None:
    """Count what the sequence went through."""
    reads = [one for one in history if one.kind == "read"]
    written = [one for one in site.clients.steps if one.written[2] == "done"]
    figures = {
        "sequences": 1,
        "writes acknowledged": len(written),
        "writes without an answer": sum(one.written[2] == "unknown" for one in site.clients.steps),
        "reads": len(reads),
        "current reads": sum(one.current for one in reads),
        "reads of an uncommitted write": len(unshared(history)),
    }
    TALLY.update(figures)
    old = [lag for by_server in lags(history).values() for lag in by_server]
    longest = max((pause for pause, _, _ in site.pauses), default=0.0)
    said = ", ".join(f"{number} {what}" for what, number in figures.items())
    print(
        f"{len(steps)} steps: {said}, {len(old)} old reads (by {max(old, default=0.0):.1f} s at"
        f" most), {losses} losses; the longest pause {longest:.1f} s"
    )


def settings(site: Site) -> Run:
    """Roll other settings out."""
    level = site.operator.config.get("oned", {}).get("LOG", {}).get("DEBUG_LEVEL", 3)
    site.operator.config["oned"] = {"LOG": {"DEBUG_LEVEL": 4 if level == 3 else 3}}
    return site.up()


def rest(site: Site) -> Run:
    """Do nothing."""
    return Run(0, "")


DO: Mapping[str, Callable[[Site], Run]] = {
    "front-ends": Site.up,
    "settings": settings,
    "switchover": lambda site: site.operator.switch_over(site.roles()[1]),
    "refresh": lambda site: site.operator.refresh(),
    "nothing": rest,
}


def nothing(site: Site, host: LabHost) -> None:
    """Leave it to oned's unit, or to the next ``up``."""


def kill_up(site: Site, host: LabHost) -> None:
    """Kill every process of the ``up``."""
    if site.process is not None and site.process.poll() is None:
        kill_session(site.process)


def oned(command: str) -> Callable[[Site, LabHost], object]:
    """Return what runs a command of systemctl on oned."""
    return lambda _, host: host.run(f"systemctl {command} opennebula")


def drop(chain: str, side: str) -> Callable[[Site, LabHost], object]:
    """Return what drops packets between a host and the other front-ends, in one direction."""

    def fail(site: Site, host: LabHost) -> None:
        others = ", ".join(other.address for other in site.others(host))
        host.firewall(TABLE.format(chain, side, others))

    return fail


def cut_pair(site: Site, host: LabHost) -> None:
    """Cut a host from one other front-end."""
    site.lab.cut(host.name, site.others(host)[0].name)


def through(site: Site, host: LabHost) -> None:
    """Remove the rules of ``drop``."""
    host.firewall("delete table inet sequence")


FAULTS: Mapping[str, Fault] = {
    "none": (nothing, nothing),
    KILL: (kill_up, nothing),
    "stop oned": (oned("stop --no-block"), oned("start")),
    "kill oned": (oned("kill --signal=KILL"), nothing),
    "freeze oned": (oned("kill --signal=STOP"), oned("kill --signal=CONT")),
    "freeze the host": (lambda _, host: host.freeze(), lambda _, host: host.thaw()),
    "power cut": (lambda _, host: host.kill(), lambda _, host: host.start()),
    "cut off": (lambda _, host: host.partition(), lambda _, host: host.heal()),
    "cut from one": (cut_pair, lambda _, host: host.heal()),
    "cut off, inwards": (drop("input", "saddr"), through),
    "cut off, outwards": (drop("output", "daddr"), through),
    "disk full": (lambda _, host: host.fill_disk(), lambda _, host: host.free_disk()),
}
"""What fails, and what ends it."""
