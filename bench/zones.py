"""Zones to measure: blank hosts with OpenNebula's real waits, and timed runs of the program."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from commands.times import Operation, operations, table
from lab.machines import Lab
from providers.progress import TIMES
from tests.lab.operators import DB_PASSWORD, ONE_PASS, VIP, Operator, Run
from tests.lab.zones import executions

FLOOR = Path(__file__).with_name("floor.sh")
REPOSITORY = "http://10.2.50.1:8080/opennebula"


class Zone:
    """A lab, and an operator whose runs are timed."""

    def __init__(self, lab: Lab, folder: Path, names: Sequence[str]) -> None:
        self.lab = lab
        self.operator = Operator(lab, folder, front_ends=names)
        self._trace = folder / "times"

    def up(self) -> float:
        """Run up; return its seconds."""
        return self._timed(self.operator.up)

    def preview(self) -> float:
        """Run a preview; return its seconds."""
        return self._timed(self.operator.preview)

    def refresh(self) -> float:
        """Run a refresh; return its seconds."""
        return self._timed(self.operator.refresh)

    def operations(self) -> list[Operation]:
        """Return the operations of the last run."""
        return operations(self._trace.read_text(encoding="utf-8").splitlines())

    def draw(self) -> None:
        """Print the times of the last run."""
        for line in table(self.operations()):
            say(line)

    def executions(self) -> dict[str, int]:
        """Return the number of commands that each host's sshd has started."""
        return executions(self.lab)

    def _timed(self, run: Callable[[], Run]) -> float:
        self._trace.unlink(missing_ok=True)
        os.environ[TIMES] = str(self._trace)
        begun = time.monotonic()
        done = run()
        seconds = time.monotonic() - begun
        if not done.ok:
            raise SystemExit(done.output)
        return seconds


@contextmanager
def blank_lab(hosts: int, *, delay: int = 0) -> Iterator[Lab]:
    """Boot a lab of blank hosts with that round-trip time, in milliseconds."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        Lab.running(f"bench-{os.getpid()}", hosts, state=Path(folder)) as lab,
    ):
        for host in lab.hosts:
            host.delay(delay / 2)
        yield lab


@contextmanager
def zone_of(lab: Lab, names: Sequence[str] = ()) -> Iterator[Zone]:
    """Return an operator with a stack of these hosts of the lab, or of all."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        yield Zone(lab, Path(folder), names or [host.name for host in lab.hosts])


def by_hand(lab: Lab, registered: Mapping[str, tuple[str, str]] | None = None) -> float:
    """Run the plain script, which does only what is necessary; return its seconds.

    ``registered``: NAME of the zone server and host of its endpoint, if they are not the host's
    name.
    """
    otherwise = registered or {}
    pairs = [
        ",".join([f"{host.name}={host.address}", *otherwise.get(host.name, ())])
        for host in lab.hosts
    ]
    files = [str(lab.key), str(lab.known_hosts)]
    version = os.environ.get("LAB_ONE_VERSION", "7.2")
    argv = [str(FLOOR), "ubuntu", *files, REPOSITORY, version, f"{VIP}/24", "eth0", *pairs]
    environment = {**os.environ, "ONE_PASS": ONE_PASS, "DB_PASSWORD": DB_PASSWORD}
    begun = time.monotonic()
    lab.exec(argv, env=environment, check=True)
    return time.monotonic() - begun


def say(text: str) -> None:
    """Print the progress."""
    print(f"bench: {text}", flush=True)
