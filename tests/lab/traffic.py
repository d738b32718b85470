"""Load on a zone during a test: one process writes at the VIP, one asks every oned.

Each is a process of its own in the lab's network, which prints a line of JSON for each observation.
"""

import json
import os
import sys
import threading
import time
import xmlrpc.client
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from itertools import count, cycle, groupby, pairwise
from subprocess import PIPE
from typing import Any
from xml.etree import ElementTree

from lab.machines import Lab
from tests.lab.operators import ONE_PASS, ROOT, VIP

ANSWER = 5.0
"""Seconds after which a write counts as not acknowledged."""
LEADER = 3


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
    }
    for seen in observations[kind]():
        print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
