"""Load on a zone during a test: processes write at the VIP, read, and ask every oned.

Each is a process of its own in the lab's network, which prints a line of JSON for each observation.
"""

import json
import math
import os
import sys
import threading
import time
import xmlrpc.client
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from itertools import count, cycle, groupby, pairwise
from queue import SimpleQueue
from subprocess import PIPE
from typing import Any
from xml.etree import ElementTree

from lab.machines import Lab
from tests.histories import Operation
from tests.lab.operators import ONE_PASS, ROOT, VIP

ANSWER = 5.0
"""Seconds after which a write counts as not acknowledged."""
LEADER = 3
REGISTERS = 4
AT_VIP = 2
"""Number of clients that use the VIP; one more uses each server."""
WITHOUT_EFFECT = ("no leader found", "in election mode", "is replicating log")
"""What oned says if it refuses a call before it does anything."""


class _Background:
    """Runs this module as a process for as long as the context lasts; records its output."""

    def __init__(self, lab: Lab, *words: str) -> None:
        self._lab = lab
        self._argv = [sys.executable, "-m", "tests.lab.traffic", *words]

    def __enter__(self) -> Any:
        self._process = self._lab.popen(self._argv, cwd=ROOT, stdin=PIPE, stdout=PIPE)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._reader.join()
        assert self._process.wait() == 0

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self.note(json.loads(line))

    def note(self, seen: Any) -> None:
        """Record one line of its output."""
        raise NotImplementedError


class Writer(_Background):
    """Creates users at the VIP, one after the other, and records which were acknowledged."""

    def __init__(self, lab: Lab, rate: float = 2.0) -> None:
        """Set ``rate``, the number of users per second."""
        super().__init__(lab, "write", str(rate))
        self.acknowledged: list[str] = []
        self.longest_pause = 0.0
        self._last = 0.0

    def note(self, seen: tuple[str, float]) -> None:
        """Record one user that was acknowledged, and when."""
        name, now = seen
        self.longest_pause = max(self.longest_pause, now - (self._last or now))
        self._last = now
        self.acknowledged.append(name)

    def lost(self, users: str) -> list[str]:
        """Return the acknowledged users that are missing in that ``oneuser list``."""
        return [name for name in self.acknowledged if f" {name} " not in users]


class Visitor(_Background):
    """Opens a new connection to the VIP every 0.2 s, and records when it was answered.

    With several VIPs it goes to the next one if one does not answer.
    """

    def __init__(self, lab: Lab, *addresses: str) -> None:
        super().__init__(lab, "visit", *(addresses or (VIP,)))
        self.answered: list[float] = []

    def note(self, seen: float) -> None:
        """Record the time of an answer."""
        self.answered.append(seen)

    def answers_after(self, moment: float) -> bool | None:
        """Return whether there was an answer after that; None if not."""
        return (self.answered and self.answered[-1] > moment) or None

    def longest_dark(self, begin: float, end: float) -> float:
        """Return the longest time without an answer between these."""
        times = [begin, *(now for now in self.answered if begin < now < end), end]
        return max(then - now for now, then in pairwise(times))


class Watch(_Background):
    """Asks every oned for its state, several times per second."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab, "watch", *(f"{host.name}={host.address}" for host in lab.hosts))
        self.seen: list[tuple[float, dict[str, tuple[int, int]]]] = []
        """The time, and the state and term of each oned that answered."""

    def note(self, seen: tuple[float, dict[str, tuple[int, int]]]) -> None:
        """Record one observation of all of them."""
        self.seen.append(seen)

    @property
    def fewest(self) -> int:
        """Return the lowest number of oneds that answered."""
        return min(len(answers) for _, answers in self.seen)

    @property
    def leaders(self) -> list[str]:
        """Return the leaders in order."""
        heads = [
            max((term, name) for name, (state, term) in answers.items() if state == LEADER)[1]
            for _, answers in self.seen
            if any(state == LEADER for state, _ in answers.values())
        ]
        return [name for name, _ in groupby(heads)]

    def away(self, name: str) -> float:
        """Return for how long, in all, that one did not answer."""
        looks = zip(self.seen, self.seen[1:], strict=False)
        return sum(then - now for (now, answers), (then, _) in looks if name not in answers)


@dataclass(frozen=True)
class Step:
    """What a client did: a write, a look at the state of the server, a read."""

    client: int
    place: str
    """The name of the server, or `vip`."""
    register: int
    value: str
    written: tuple[float, float, str]
    """When the write began, when it was answered, and how: `done`, `refused`, `unknown`."""
    status: tuple[int, int, int] | None = None
    """The server's ID, state and term after the write."""
    read: tuple[float, float, str] | None = None
    """When the read began, when it was answered, and the value."""

    @property
    def leads(self) -> tuple[int, int] | None:
        """Return ID and term of the server if it leads."""
        number, state, term = self.status or (-1, -1, -1)
        return (number, term) if state == LEADER else None


class Clients(_Background):
    """Write and read registers at the VIP and at each server; record what they saw.

    A register is the template of a user. A read counts as current if it lies between two writes
    that the same server acknowledged, and if that server led in one term from before the first one
    to after the second one: a majority acknowledged the second write after the read, so no later
    leader had done any work before the read. Any other read may be old: oned answers reads from its
    own database, also as a follower, as a new leader that has yet to apply what its predecessor
    left, and as a former leader that does not know of its successor. At the VIP this assumes that
    the VIP does not move to another server and back between the two writes.
    """

    def __init__(self, lab: Lab, rate: float) -> None:
        """Set ``rate``, the number of writes and reads per second of each client."""
        places = [f"{host.name}={host.address}" for host in lab.hosts]
        super().__init__(lab, "clients", str(rate), *places)
        self._lab = lab
        self.registers: list[int] = []
        """The IDs of the users."""
        self.steps: list[Step] = []

    def note(self, seen: Any) -> None:
        """Record the registers, or one step."""
        if isinstance(seen, list):
            self.registers = seen
        else:
            self.steps.append(Step(**seen))

    @property
    def acknowledged(self) -> list[float]:
        """Return when writes were acknowledged at the VIP."""
        return sorted(
            step.written[1]
            for step in self.steps
            if step.written[2] == "done" and step.place == "vip"
        )

    @property
    def leaders(self) -> list[tuple[int, str]]:
        """Return term and ID of the leader of each step."""
        return [(step.leads[1], str(step.leads[0])) for step in self.steps if step.leads]

    def longest_pause(self, begin: float, end: float) -> float:
        """Return the longest time without an acknowledged write at the VIP between these."""
        times = [begin, *(now for now in self.acknowledged if begin < now < end), end]
        return max(then - now for now, then in pairwise(times))

    def history(self) -> list[Operation]:
        """Return all writes and reads."""
        return [
            one
            for steps in self._by_client().values()
            for place in range(len(steps))
            for one in _operations(steps[max(place - 1, 0) : place + 2], steps[place])
        ]

    def unrecorded(self) -> list[Operation]:
        """Return the write of each client that its end may have interrupted."""
        found = []
        for client, steps in self._by_client().items():
            last = steps[-1]
            number = int(last.value.partition(".")[2]) + 1
            register, value = _turn(self.registers, client, number)
            found.append(Operation("write", str(register), value, last.written[0]))
        return found

    def _by_client(self) -> Mapping[int, list[Step]]:
        steps: dict[int, list[Step]] = {}
        for step in self.steps:
            steps.setdefault(step.client, []).append(step)
        return steps


def _operations(around: Sequence[Step], step: Step) -> Iterator[Operation]:
    """Return the write and the read of a step, given also the steps before and after it."""
    invoked, returned, outcome = step.written
    register = str(step.register)
    yield Operation(
        "write",
        register,
        step.value,
        invoked,
        returned=math.inf if outcome == "unknown" else returned,
        refused=outcome == "refused",
    )
    if step.read is not None:
        invoked, returned, value = step.read
        current = (
            len(around) == 3
            and step.leads is not None
            and {one.leads for one in around} == {step.leads}
            and all(one.written[2] == "done" for one in around[1:])
        )
        server = "" if step.place == "vip" else step.place
        yield Operation("read", register, value, invoked, returned, server, current)


def _turn(registers: Sequence[int], client: int, number: int) -> tuple[int, str]:
    """Return the register and the value of a client's write of that number."""
    return registers[(client + number) % REGISTERS], f"{client}.{number}"


def clients(rate: float, addresses: Mapping[str, str]) -> Iterator[Any]:
    """Write and read for ever; print the IDs of the registers, then each step."""
    registers: list[int] = []
    for number in count():
        if len(registers) == REGISTERS:
            break
        said = call(VIP, ANSWER, "one.user.allocate", f"r{os.getpid()}-{number}", "none", "", [])
        registers += [] if said is None else [int(said)]
    yield registers
    steps: SimpleQueue[Any] = SimpleQueue()
    places = [*[("vip", VIP)] * AT_VIP, *addresses.items()]

    def work(client: int, place: str, address: str) -> None:
        for number in count():
            begun = time.monotonic()
            register, value = _turn(registers, client, number)
            steps.put(
                {
                    "client": client,
                    "place": place,
                    "register": register,
                    "value": value,
                    **_step(address, register, value),
                }
            )
            time.sleep(max(0.0, begun + 1 / rate - time.monotonic()))

    for client, (place, address) in enumerate(places):
        threading.Thread(target=work, args=(client, place, address), daemon=True).start()
    while True:
        yield steps.get()


def _step(address: str, register: int, value: str) -> dict[str, Any]:
    """Write, look, and read; stop at the first call without an answer."""
    connection = HTTPConnection(address, 2633, timeout=1)
    step: dict[str, Any] = {}
    begun, outcome = time.monotonic(), "refused"
    try:
        connection.connect()
        assert connection.sock is not None
        # The real oned ends a connection after one call: the next one connects again.
        connection.timeout = ANSWER
        connection.sock.settimeout(ANSWER)
        outcome = "unknown"
        done, said = _ask(connection, "one.user.update", register, f'VALUE="{value}"', 0)
        if done:
            outcome = "done"
        elif any(text in str(said) for text in WITHOUT_EFFECT):
            outcome = "refused"
        step["written"] = begun, time.monotonic(), outcome
        raft = ElementTree.fromstring(_ask(connection, "one.zone.raftstatus")[1])  # noqa: S314
        step["status"] = [_number(raft, name) for name in ("SERVER_ID", "STATE", "TERM")]
        asked = time.monotonic()
        done, said = _ask(connection, "one.user.info", register)
        if done:
            user = ElementTree.fromstring(said)  # noqa: S314 - a lab's own oned
            step["read"] = asked, time.monotonic(), user.findtext("TEMPLATE/VALUE", "")
    except (OSError, HTTPException, xmlrpc.client.Error, ElementTree.ParseError):
        step.setdefault("written", (begun, time.monotonic(), outcome))
    finally:
        connection.close()
    return step


def _ask(connection: HTTPConnection, method: str, *parameters: Any) -> tuple[bool, Any]:
    """Call a method once: xmlrpc.client repeats a call whose connection ended."""
    body = xmlrpc.client.dumps((f"oneadmin:{ONE_PASS}", *parameters), method)
    connection.request("POST", "/RPC2", body, {"Content-Type": "text/xml"})
    answer: Any = xmlrpc.client.loads(connection.getresponse().read())[0][0]
    return answer[0], answer[1]


def write(rate: float) -> Iterator[Any]:
    """Create users for ever; print each that was acknowledged, and when."""
    for number in count(1):
        # OpenNebula's own list cuts names off after ten letters.
        begun, name = time.monotonic(), f"w{os.getpid() % 1000}-{number}"
        if call(VIP, ANSWER, "one.user.allocate", name, f"password-of-{name}", "", []) is not None:
            yield name, time.monotonic()
        time.sleep(max(0.0, begun + 1 / rate - time.monotonic()))


def visit(*addresses: str) -> Iterator[float]:
    """Connect for ever; print the time of each answer. Without one, try the next address."""
    places = cycle(addresses)
    place = next(places)
    while True:
        begun = time.monotonic()
        oned = xmlrpc.client.ServerProxy(f"http://{place}:2633/RPC2", _Transport(1.0))
        try:
            # A refusal is an answer, too: the guides choose their own passwords.
            oned.one.zone.raftstatus("oneadmin:none")
            yield time.monotonic()
        except (OSError, xmlrpc.client.Error, EOFError):
            place = next(places)
        time.sleep(max(0.0, begun + 0.2 - time.monotonic()))


def watch(addresses: Mapping[str, str]) -> Iterator[Any]:
    """Observe for ever; print the time, and state and term of each that answered in a second."""

    def ask(address: str) -> tuple[int, int] | None:
        said = call(address, 1.0, "one.zone.raftstatus")
        raft = ElementTree.fromstring(said) if said else None  # noqa: S314 - a lab's own oned
        return None if raft is None else (_number(raft, "STATE"), _number(raft, "TERM"))

    with ThreadPoolExecutor(len(addresses)) as workers:
        while True:
            begun = time.monotonic()
            answers = dict(zip(addresses, workers.map(ask, addresses.values()), strict=True))
            yield begun, {name: one for name, one in answers.items() if one is not None}
            time.sleep(0.2)


def call(address: str, seconds: float, method: str, *parameters: object) -> str | None:
    """Return the answer of that oned to oneadmin; None if it refuses or does not answer."""
    oned = xmlrpc.client.ServerProxy(f"http://{address}:2633/RPC2", _Transport(seconds))
    ask: Callable[..., Any] = getattr(oned, method)
    try:
        done, said, *_ = ask(f"oneadmin:{ONE_PASS}", *parameters)
    except (OSError, xmlrpc.client.Error, EOFError):
        return None
    return str(said) if done else None


class _Transport(xmlrpc.client.Transport):
    """A connection with a time limit."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def make_connection(self, host: Any) -> HTTPConnection:
        connection = super().make_connection(host)
        connection.timeout = self._seconds
        return connection


def _number(raft: ElementTree.Element, name: str) -> int:
    return int(raft.findtext(name, "-1"))


def _end_with_the_context() -> None:
    sys.stdin.read()
    os._exit(0)


def main(kind: str, *words: str) -> None:
    """Print observations until standard input ends."""
    threading.Thread(target=_end_with_the_context, daemon=True).start()
    addresses = dict(word.split("=") for word in words if "=" in word)
    observations: dict[str, Callable[[], Iterator[Any]]] = {
        "write": lambda: write(float(words[0])),
        "visit": lambda: visit(*words),
        "watch": lambda: watch(addresses),
        "clients": lambda: clients(float(words[0]), addresses),
    }
    for seen in observations[kind]():
        print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
