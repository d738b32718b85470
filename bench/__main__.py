"""`make bench`: the program beside the floor, each on blank hosts of its own, in one run."""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.machines import Lab
from tests.lab.operators import DB_PASSWORD, ONE_PASS, VIP, Operator

FLOOR = Path(__file__).with_name("floor.sh")
REPOSITORY = "http://10.2.50.1:8080/opennebula"


@dataclass(frozen=True)
class Figure:
    """One measured time beside the one that it is judged by."""

    what: str
    seconds: float
    reference: float
    allowed: float

    def __str__(self) -> str:
        ratio = self.seconds / self.reference
        verdict = "" if ratio <= self.allowed else "  MISSED"
        return (
            f"{self.what:<44}{self.seconds:>7.1f} s{self.reference:>8.1f} s"
            f"{ratio:>7.2f}{self.allowed:>8.2f}{verdict}"
        )


def main(arguments: list[str]) -> int:
    """Measure and print; 1 where a figure misses its bound."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1, help="the least of each counts")
    rounds = parser.parse_args(arguments).rounds
    floor = least(rounds, 3, by_hand)
    three = least(rounds, 3, by_program)
    five = least(rounds, 5, by_program)
    figures = [
        Figure("cold up of three, against the floor", three, floor, 1.15),
        Figure("cold up of five, against three", five, three, 1.2),
    ]
    print(f"{'':<44}{'measured':>9}{'beside':>10}{'ratio':>7}{'allowed':>8}")
    for figure in figures:
        print(figure)
    return int(any(one.seconds > one.allowed * one.reference for one in figures))


def least(rounds: int, hosts: int, build: Callable[[Lab], None]) -> float:
    """The shortest of that many times, each from blank hosts and with OpenNebula's own waits."""
    times = []
    for number in range(rounds):
        with (
            tempfile.TemporaryDirectory(prefix="bench-") as folder,
            Lab.running(f"bench-{os.getpid()}-{number}", hosts, state=Path(folder)) as lab,
        ):
            begun = time.monotonic()
            build(lab)
            times.append(time.monotonic() - begun)
        print(f"bench: {build.__name__.replace('_', ' ')}, {hosts} hosts: {times[-1]:.1f} s")
    return min(times)


def by_hand(lab: Lab) -> None:
    """The floor."""
    pairs = [f"{host.name}={host.address}" for host in lab.hosts]
    files = [str(lab.key), str(lab.known_hosts)]
    argv = [str(FLOOR), "ubuntu", *files, REPOSITORY, "7.2", f"{VIP}/24", "eth0", *pairs]
    environment = {**os.environ, "ONE_PASS": ONE_PASS, "DB_PASSWORD": DB_PASSWORD}
    lab.exec(argv, env=environment, check=True)


def by_program(lab: Lab) -> None:
    """Preview and up."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        operator = Operator(lab, Path(folder), front_ends=[host.name for host in lab.hosts])
        for run in (operator.preview(), operator.up()):
            if not run.ok:
                raise SystemExit(run.output)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
