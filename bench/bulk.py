"""The transfer of a large database to a front-end while a client writes, compared with a pipe."""

import base64
import os
import resource
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from bench.figures import Figure, Point
from bench.zones import Zone, blank_lab, say, zone_of
from lab.machines import Lab, LabHost
from tests.lab.traffic import Writer
from tests.lab.zones import leader_seen_by

ROWS_OF_A_GIGABYTE = 250_000
"""As many records as OpenNebula keeps of its log."""
BODY = 4000
"""Bytes per row."""
SIZES = (0.25, 1.0)
"""Gigabytes."""
RATE = 50.0
"""Maximum number of writes per second."""
LOAD = 600.0
"""Seconds for steps that are not measured."""
_SSH = "ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -q"


class _Pace(Writer):
    """The times at which writes were acknowledged."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab, RATE)
        self.moments: list[float] = []

    def note(self, seen: Any) -> None:
        self.moments.append(seen[1])

    def longest_wait(self, begin: float, end: float) -> float:
        """Return the longest time between acknowledged writes, less the writer's pause."""
        moments = [begin, *(at for at in self.moments if begin < at < end), end]
        gaps = (later - at for at, later in pairwise(moments))
        return max(0.0, max(gaps) - 1 / RATE)


def figures(rounds: int) -> Iterator[Figure]:
    """Yield the lines of the table for a zone with a large database."""
    with blank_lab(3) as lab, zone_of(lab) as zone:
        zone.up()
        leader = lab.host(leader_seen_by(lab.hosts[0]))
        target = next(host for host in lab.hosts if host.name != leader.name)
        _let_in(leader, target)
        _lose(target)
        zone.refresh()
        zone.up()
        small = largest_process()
        waits: list[float] = []
        for before, size in pairwise((0.0, *SIZES)):
            enlarge(lab, before, size)
            bare, ours = [], []
            for _ in range(rounds):
                _lose(target)
                with _Pace(lab) as writers:
                    seconds, wait = pipe(leader, target, writers)
                    bare.append(seconds)
                    say(f"{size:g} GB by a bare pipe: {seconds:.1f} s, no write for {wait:.3f} s")
                    seconds, wait = transfer(zone, target, writers)
                    ours.append(seconds)
                    waits.append(wait)
                    say(f"{size:g} GB to a front-end: {seconds:.1f} s, no write for {wait:.3f} s")
            yield Figure(
                f"{size:g} GB to a front-end",
                median(ours),
                1.1 * median(bare),
                "1.1 of a bare pipe",
                points=(Point("gigabytes to a front-end", size, median(ours), median(bare)),),
            )
        yield Figure("longest wait of a writer", median(waits), 0.1, "")
        yield Figure(
            "largest process of the operator",
            largest_process(),
            1.1 * small,
            "1.1 of that without the data",
            unit="MB",
        )


def largest_process() -> float:
    """Return the memory, in megabytes, of the largest process of all runs so far."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def enlarge(lab: Lab, before: float, size: float) -> None:
    """Enlarge the database of every server, from one size in gigabytes to another."""
    shared = Path(lab.state) / "shared" / "bulk"
    with shared.open("wb") as out:
        for number in range(int(before * ROWS_OF_A_GIGABYTE), int(size * ROWS_OF_A_GIGABYTE)):
            out.write(b"%d\t%s\n" % (number, base64.b64encode(os.urandom(BODY * 3 // 4))))
    load = (
        "mysql opennebula -e 'CREATE TABLE IF NOT EXISTS bulk"
        " (id INT PRIMARY KEY, body MEDIUMTEXT);"
        ' LOAD DATA INFILE "/srv/shared/bulk" INTO TABLE bulk\''
    )
    for host in lab.hosts:
        _do(host, load)
    shared.unlink()


def pipe(leader: LabHost, target: LabHost, writers: _Pace) -> tuple[float, float]:
    """Return the seconds to dump, send and restore by a pipe, and the longest wait of a write."""
    _do(target, "mysql -e 'CREATE DATABASE bare'")
    begun = time.monotonic()
    _do(
        leader,
        "set -o pipefail; mysqldump --single-transaction opennebula | zstd |"
        f" {_SSH} ubuntu@{target.address} 'zstd -d | sudo mysql bare'",
    )
    ended = time.monotonic()
    _do(target, "mysql -e 'DROP DATABASE bare'")
    return ended - begun, writers.longest_wait(begun, ended)


def transfer(zone: Zone, target: LabHost, writers: _Pace) -> tuple[float, float]:
    """Return the seconds that the program takes for the same, and the longest wait of a write."""
    zone.refresh()
    zone.up()
    zone.draw()
    steps = [
        step
        for operation in zone.operations()
        if operation.what.startswith(f"ZoneMember {target.name} ")
        for step in operation.steps
    ]
    begin = next(s.begin for s in steps if s.what == f"{target.name}: allow the transfer")
    end = next(s.end for s in steps if s.what == f"{target.name}: put the database in place")
    ahead = time.monotonic() - time.time()
    return end - begin, writers.longest_wait(begin + ahead, end + ahead)


def _lose(host: LabHost) -> None:
    """Stop the oned and drop its database."""
    _do(host, "systemctl stop opennebula && mysql -e 'DROP DATABASE opennebula'")


def _let_in(leader: LabHost, target: LabHost) -> None:
    key = "/root/.ssh/id_ed25519"
    made = f"mkdir -p -m 700 /root/.ssh && ssh-keygen -q -t ed25519 -N '' -f {key}"
    public = _do(leader, f"{made} && cat {key}.pub")
    _do(target, f"echo '{public.strip()}' >>/home/ubuntu/.ssh/authorized_keys")


def _do(host: LabHost, command: str) -> str:
    done = host.run(command, timeout=LOAD)
    if done.returncode:
        raise SystemExit(f"{host.name}: {command}: {done.stderr}")
    return done.stdout
