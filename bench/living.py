"""Operation of a zone: an unchanged up, growth, and a rollout."""

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from bench.figures import Figure
from bench.zones import Zone, blank_lab, say, zone_of
from lab.machines import Lab, LabHost
from lab.pulumi.cli import environment
from tests.lab.operators import PASSPHRASE
from tests.lab.zones import call, servers, wait_for

TRIVIAL = Path(__file__).with_name("trivial")
REPEATS = 11
"""For measurements that take seconds."""
STACKS = 50
"""Stacks in one repository and one backend."""


def figures() -> Iterator[Figure]:
    """Yield the lines of the table for a zone of three servers, which grows to five."""
    with blank_lab(3) as lab, zone_of(lab) as zone:
        zone.preview()
        yield most_executions("remote executions a host, preview", zone.executions(), 0)
        zone.up()
        before = zone.executions()
        yield most_executions("remote executions a host, cold up", before, 8)
        yield from unchanged(zone)
        yield most_executions("remote executions a host, up unchanged", since(zone, before), 0)
        before = zone.executions()
        zone.refresh()
        yield most_executions("remote executions a host, refresh", since(zone, before), 1)
        yield from growth(zone)
        yield rollout(zone)


def growth(zone: Zone) -> Iterator[Figure]:
    """Measure an up that adds two front-ends."""
    names = [host.name for host in zone.lab.hosts]
    new = [zone.lab.add_host().name for _ in range(2)]
    zone.operator.config["frontends"] = zone.operator.list_of([*names, *new])
    say(f"three to five: {zone.up():.1f} s")
    zone.draw()
    executions = {name: count for name, count in zone.executions().items() if name in new}
    yield most_executions("remote executions a host that joins", executions, 8)
    for operation in zone.operations():
        if operation.what in {f"ZoneMember {name} create" for name in new}:
            yield Figure(
                f"join of {operation.what.split()[1]}, after its installation",
                operation.seconds,
                15,
                "",
            )


def from_one_to_three() -> Iterator[Figure]:
    """Measure an up that adds two front-ends to one with ``force_ha``."""
    with blank_lab(3) as lab, zone_of(lab, [lab.hosts[0].name]) as zone:
        zone.operator.config["force_ha"] = True
        zone.up()
        zone.operator.config["frontends"] = zone.operator.list_of([h.name for h in lab.hosts])
        seconds = zone.up()
        zone.draw()
        yield Figure("one front-end with force_ha to three", seconds, 60, "")


def unchanged(zone: Zone) -> Iterator[Figure]:
    """Measure an unchanged up and one of as many trivial resources, in turn."""
    # Without the stack and the provider, which the other program also has.
    urns = set(re.findall(r'"urn:pulumi:[^"]+"', zone.operator.state()))
    count = len([urn for urn in urns if "::pulumi:" not in urn])
    with Trivial(zone.lab, count) as run:
        for what, ours in (("up", zone.up), ("preview", zone.preview)):
            pairs = [(ours(), run(what)) for _ in range(REPEATS)]
            yield Figure(
                f"{what} with nothing to change",
                median(pair[0] for pair in pairs),
                1.2 * median(pair[1] for pair in pairs),
                f"1.2 times that of {count} resources with nothing in them",
            )
    alone = median(zone.preview() for _ in range(REPEATS))
    zone.operator.copy_stack(STACKS - 1)
    yield Figure(
        f"preview of one of {STACKS} stacks",
        median(zone.preview() for _ in range(REPEATS)),
        1.1 * alone,
        "1.1 times that of one stack alone",
    )


def rollout(zone: Zone) -> Figure:
    """Measure the rollout of a changed attribute, and the restart of each server by hand."""
    alone = sum(restart_by_hand(zone))
    zone.operator.config["oned"] = {"LOG": {"DEBUG_LEVEL": 4}}
    zone.up()
    zone.draw()
    (taken,) = [
        operation.seconds
        for operation in zone.operations()
        if operation.what.startswith("Rollout ")
    ]
    return Figure("rollout of five servers", taken, 1.1 * alone, "1.1 of their restarts one by one")


def restart_by_hand(zone: Zone) -> Iterator[float]:
    """Yield the seconds that each server takes to restart and to be up again, the leader last."""
    hosts = {host.name: host for host in zone.lab.hosts}
    by_role = sorted(
        servers(zone.lab.hosts[0]), key=lambda server: (server.state == "leader", server.name)
    )
    for server in by_role:
        host = hosts[server.name]
        others = [other for other in zone.lab.hosts if other.name != host.name]
        begun = time.monotonic()
        done = host.run("systemctl reset-failed opennebula; systemctl restart opennebula")
        if done.returncode:
            raise SystemExit(done.stderr)

        def led(view: "Zone" = zone, name: str = server.name) -> bool | None:
            seen = servers(view.lab.host(name))
            return True if any(server.state == "leader" for server in seen) else None

        wait_for(led, f"a leader seen by {server.name}")
        wait_for(lambda others=others: _written(others[0]), "a write")  # type: ignore[misc]

        def back(name: str = server.name) -> bool | None:
            seen = {(server.term, server.index, server.commit) for server in servers(hosts[name])}
            return True if len(seen) == 1 else None

        wait_for(back, f"{server.name} with what the others have")
        seconds = time.monotonic() - begun
        say(f"restart of {server.name} ({server.state}): {seconds:.1f} s")
        yield seconds


def _written(host: LabHost) -> bool | None:
    """Do a harmless write through that host; return None while it knows no leader."""
    try:
        call(host, "one.user.update", 0, 'HA_CHECKED = "bench"', 1)
    except AssertionError:
        return None
    return True


def most_executions(what: str, counted: dict[str, int], allowed: int) -> Figure:
    """Return the number of executions on the host with the most."""
    return Figure(what, max(counted.values()), allowed, "", unit="")


def since(zone: Zone, before: dict[str, int]) -> dict[str, int]:
    """Return by how much each number has grown."""
    return {name: count - before[name] for name, count in zone.executions().items()}


class Trivial:
    """Run the program with trivial resources as an operator of that lab."""

    def __init__(self, lab: Lab, count: int) -> None:
        self._lab = lab
        self._folder = tempfile.TemporaryDirectory(prefix="bench-")
        folder = Path(self._folder.name)
        (folder / "backend").mkdir()
        self._file = folder / "Pulumi.bench.yaml"
        self._file.write_text(f"config:\n  trivial:resources: {count}\n", encoding="utf-8")
        self._environment = environment(folder / "backend", PASSPHRASE, "bench")

    def __enter__(self) -> Callable[[str], float]:
        # The CLI writes next to the project file that it finds, which must not be the repository's.
        shutil.copy(TRIVIAL / "Pulumi.yaml", self._file.parent)
        self._do("stack", "init", "bench", "--cwd", str(self._file.parent))
        self._run("up")
        return self._run

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def _run(self, action: str) -> float:
        agreed = ["--skip-preview", "--yes"] if action == "up" else []
        begun = time.monotonic()
        self._do(action, "--non-interactive", "--config-file", str(self._file), *agreed)
        return time.monotonic() - begun

    def _do(self, *argv: str) -> None:
        done = self._lab.exec(
            ["pulumi", *argv],
            cwd=TRIVIAL,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if done.returncode:
            raise SystemExit(done.stdout)
