"""The crash matrix on lab hosts: a change of a stack, interrupted at each remote execution.

For each cell the hosts and the state come back from saved disks, the change is interrupted once,
and `up` runs again. The end must be that of the change without the interruption. Cells that are
done are listed in a file; remove it to begin again.
"""

import argparse
import fcntl
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import astuple, dataclass, field
from difflib import unified_diff
from pathlib import Path
from typing import Any

from lab.machines import Lab, LabFault, LabHost
from tests.lab.operators import ROOT, SERIES, VIP, VIP_KEYS, VIP_VALUES, Execution, Fault, Operator
from tests.lab.traffic import Writer
from tests.lab.zones import assert_whole, leader_seen_by, one, wait_for, zone_entry

DONE = ROOT / ".lab" / "crash-matrix.jsonl"
OTHER_VIP = "10.2.50.87"
THREE = ("n1a1", "n1a2", "n1a3")
NEW = "n1a4"
HEM = "opennebula-hem"


@dataclass(frozen=True)
class Start:
    """What a change starts from: the front-ends of the stack, and which hosts run."""

    hosts: Sequence[str] = THREE
    front_ends: Sequence[str] = ()
    without_vip: bool = False


@dataclass(frozen=True)
class Change:
    """A change of a stack: ``make`` gets the operator and the leader's name."""

    start: str
    make: Callable[[Operator, str], None]
    vip: str = VIP


def _front_ends(operator: Operator, names: Sequence[str], **keys: object) -> None:
    operator.config["frontends"] = operator.list_of(names)
    operator.config.update(keys)


def _without(leader: str) -> list[str]:
    return [name for name in (*THREE, NEW) if name != leader]


def _password(operator: Operator, _leader: str) -> None:
    operator.secrets["one_pass"] = "another-one-pass"


OTHER_SETTING = {"oned": {"RAFT": {"LOG_PURGE_TIMEOUT": 300}}}


STARTS = {
    "blank": Start(),
    "one": Start(front_ends=THREE[:1], without_vip=True),
    "three": Start(front_ends=THREE),
    "three and a blank one": Start(hosts=(*THREE, NEW), front_ends=THREE),
    "four": Start(hosts=(*THREE, NEW), front_ends=(*THREE, NEW)),
}
CHANGES = {
    "bootstrap": Change("blank", lambda operator, _: _front_ends(operator, THREE)),
    "convert": Change("one", lambda operator, _: _front_ends(operator, THREE, **VIP_VALUES)),
    "grow": Change(
        "three and a blank one", lambda operator, _: _front_ends(operator, (*THREE, NEW))
    ),
    "change oned": Change("three", lambda operator, _: operator.config.update(OTHER_SETTING)),
    "change the password": Change("three", _password),
    "change the VIP": Change(
        "three", lambda operator, _: operator.config.update(one_vip=OTHER_VIP), OTHER_VIP
    ),
    "shrink": Change("four", lambda operator, leader: _front_ends(operator, _without(leader))),
}
HOWS = ("unreached", "after", "lost")


@dataclass(frozen=True)
class Cell:
    """An interruption of a change. Its hosts have the names of their roles at the start."""

    change: str
    fault: Fault

    def __str__(self) -> str:
        name, number, how, step = astuple(self.fault)
        where = f"{how} {step}" if how == "inside" else how
        return f"{self.change} | {name} | {number} | {where}"

    @classmethod
    def parse(cls, text: str) -> "Cell":
        """Return the cell that is written like this."""
        change, name, number, where = text.split(" | ")
        how, _, step = where.partition(" ")
        return cls(change, Fault(name, int(number), how, int(step or 0)))


def cells(change: str, executions: Sequence[Execution]) -> list[Cell]:
    """Return all cells of a change, in an order in which any first part is a sample."""
    found = [
        Cell(change, Fault(seen.name, seen.number, how))
        for seen in executions
        for how in (HOWS if seen.changes else HOWS[2:])
    ]
    found += [
        Cell(change, Fault(seen.name, seen.number, "inside", step))
        for seen in executions
        if seen.changes
        for step in range(seen.steps + 1)
    ]
    found.sort(key=str)
    random.Random(0).shuffle(found)
    return found


class Site:
    """A lab with an operator, saved at the start of a change."""

    def __init__(self, lab: Lab, directory: Path, start: str) -> None:
        self.lab = lab
        self.start = STARTS[start]
        self.operator = Operator(lab, directory, front_ends=self.start.front_ends or THREE)
        self.operator.config["allow_even"] = True
        self._directory = directory
        if self.start.without_vip:
            for key in VIP_KEYS:
                del self.operator.config[key]
        if self.start.front_ends:
            run = self.operator.up()
            assert run.ok, run.output
            one(lab.host(THREE[0]), "oneuser create alice secret-of-alice")
            if len(self.start.front_ends) > 1:
                assert_whole(lab, list(self.start.front_ends))
        self._config = deepcopy((self.operator.config, self.operator.secrets))
        shutil.copytree(self.operator.backend, directory / "saved")
        self._on_each(lambda host: host.save("saved"))

    def restore(self) -> dict[str, str]:
        """Return to the start; return the roles of the hosts, by name."""
        shutil.rmtree(self.operator.backend)
        shutil.copytree(self._directory / "saved", self.operator.backend)
        self.operator.config, self.operator.secrets = deepcopy(self._config)
        self._on_each(_start_again)
        if len(self.start.front_ends) < 2:
            return {host.name: host.name for host in self.lab.hosts}
        leader_seen_by(self.lab.host(THREE[0]))
        leader = assert_whole(self.lab, list(self.start.front_ends))
        followers = [name for name in self.start.front_ends if name != leader]
        roles = {name: f"follower{number}" for number, name in enumerate(followers, 1)}
        return {NEW: "new", **roles, leader: "leader"}

    def _on_each(self, act: Callable[[LabHost], object]) -> None:
        hosts = self.lab.hosts
        with ThreadPoolExecutor(len(hosts)) as pool:
            list(pool.map(act, hosts))


def _start_again(host: LabHost) -> None:
    host.restore("saved")
    host.start()


@dataclass
class Ended:
    """How a run of a cell ended."""

    executions: list[Execution]
    fired: bool
    end: dict[str, Any] = field(default_factory=dict)


def run(site: Site, name: str, fault: Fault | None) -> Ended:
    """Make the change with that fault, run `up` again, and check the zone."""
    change, lab, operator = CHANGES[name], site.lab, site.operator
    roles = site.restore()
    hosts = {role: name for name, role in roles.items()}
    change.make(operator, hosts.get("leader", THREE[0]))
    real = fault and Fault(*(_translated(part, hosts) for part in astuple(fault)))
    with Writer(lab) as writer:
        first, executions, fired = operator.up_with(real)
        named = [
            Execution(*(_translated(part, roles) for part in astuple(seen))) for seen in executions
        ]
        if fault is None:
            assert first.ok, first.output
        elif not fired:
            return Ended(named, fired)
        else:
            again = operator.up()
            assert again.ok, f"{again.output}\n--- interrupted:\n{first.output}"
            assert "pending operations" not in again.output
        unchanged = operator.up("--expect-no-changes")
        assert unchanged.ok, unchanged.output
    front_ends = list(operator.config["frontends"])
    leader = assert_whole(lab, front_ends, change.vip)
    wait_for(lambda: running(lab, HEM) == [leader] or None, f"{HEM} on {leader} alone")
    users = one(lab.host(leader), "oneuser list")
    assert writer.lost(users) == []
    assert not site.start.front_ends or " alice " in users
    ends = {roles[host.name]: end(host, lab, roles) for host in lab.hosts}
    listed = re.findall(
        r"<(?:NAME|ENDPOINT)>(?:<!\[CDATA\[)?([^]<]+)", zone_entry(lab.host(leader))
    )
    ends["zone"] = {"entry": _renamed(listed, _names(lab, roles))}
    return Ended(named, fired, ends)


def running(lab: Lab, unit: str) -> list[str]:
    """Return the hosts on which that unit runs."""
    asked = f"systemctl is-active {unit}"
    return [host.name for host in lab.hosts if host.run(asked).returncode == 0]


def _translated(part: Any, names: Mapping[str, str]) -> Any:
    if not isinstance(part, str):
        return part
    first, *rest = part.split(" ")
    return " ".join((names.get(first, first), *rest))


_LOOK = r"""
import json, os, pathlib, pwd, re, stat, subprocess

def said(*argv):
    return subprocess.run(argv, capture_output=True, text=True).stdout.splitlines()

found = {}
for root in ("/etc", "/home", "/root", "/run", "/srv", "/tmp", "/usr/local", "/var"):
    for folder, folders, files in os.walk(root):
        for name in files + folders:
            path = pathlib.Path(folder, name)
            if re.match(SKIPPED, str(path)):
                continue
            try:
                info = path.lstat()
                text = ""
                if path.is_symlink():
                    text = os.readlink(path)
                elif path.is_file() and re.match(READ, str(path)):
                    text = path.read_text(errors="replace")
            except OSError:
                continue
            found[str(path)] = [oct(info.st_mode), pwd.getpwuid(info.st_uid).pw_name, text]
        folders[:] = [name for name in folders if not re.match(SKIPPED, os.path.join(folder, name))]
users = [line for line in said("mysql", "-Ne", "SELECT User, Host FROM mysql.user")]
print(json.dumps({
    "files": found,
    "units": [unit for unit in said("systemctl", "list-unit-files", "--no-legend", "--plain")
              if "transient" not in unit],
    # What belongs to the leader, whatever its role was at the start, is checked by itself.
    "running": [line.split()[0] for line in said(
        "systemctl", "list-units", "--no-legend", "--plain", "--state=active",
        "--type=service", "opennebula*", "mariadb*") if not line.startswith("opennebula-hem.")],
    "databases": said("mysql", "-Ne", "SHOW DATABASES"),
    "accounts": [grant for user in users for grant in said(
        "mysql", "-Ne", "SHOW GRANTS FOR '%s'@'%s'" % tuple(user.split("\t")))],
    "packages": said("dpkg-query", "-W", "opennebula*", "mariadb*"),
}))
"""
_SKIPPED = (
    r"/etc/(ssh/ssh_host|machine-id|ld\.so\.cache|one/.*\.aug)|/var/backups/opennebula"
    # The zone's lock is on its first front-end, whatever its role.
    r"|/run/(?!opennebula)"
    r"|(/var)?/tmp/systemd-private|/var/(cache|log/journal|lib/(mysql|apt|dpkg|systemd|ucf|private))"
    r"|/var/lib/one/(\.one/.*token|datastores|vms|remotes)|.*/__pycache__|.*\.pyc$"
)
_READ = r"/etc/|/var/lib/one/\.one/one_auth|.*authorized_keys"


def end(host: LabHost, lab: Lab, roles: Mapping[str, str]) -> dict[str, Any]:
    """Return what is equal on that host however often the change was interrupted."""
    program = _LOOK.replace("SKIPPED", repr(_SKIPPED)).replace("READ", repr(_READ))
    done = host.run(f"python3 - <<'END'\n{program}\nEND")
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = _renamed(json.loads(done.stdout), _names(lab, roles))
    return seen


def _names(lab: Lab, roles: Mapping[str, str]) -> dict[str, str]:
    """Return what stands for each name and address."""
    addresses = {host.address: f"address-of-{roles[host.name]}" for host in lab.hosts}
    return {**roles, **addresses}


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """Return the value with roles instead of names and addresses, and without the text of keys."""
    if isinstance(value, dict):
        return {_renamed(key, names): _renamed(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    for name, role in names.items():
        value = re.sub(rf"(?<![\w.]){re.escape(name)}(?![\w.])", role, value)
    return re.sub(r"AAAA[\w+/=]+ \S+", "KEY", value)


def differences(expected: Mapping[str, Any], seen: Mapping[str, Any]) -> Iterator[str]:
    """Say how two ends differ."""
    for role, before in expected.items():
        for kind, value in before.items():
            now = seen[role][kind]
            if isinstance(value, dict):
                for key in sorted(value.keys() | now.keys()):
                    then, there = _lines(value.get(key)), _lines(now.get(key))
                    for line in unified_diff(then, there, n=0, lineterm=""):
                        yield f"{role}: {key}: {line}"
            elif sorted(value) != sorted(now):
                changed = sorted(set(value) ^ set(now))
                yield f"{role}: {kind}: {changed}"


def _lines(file: list[str] | None) -> list[str]:
    """Return the mode, the owner and the lines of a file, but for what each server has its own."""
    if file is None:
        return []
    mode, owner, text = file
    own = re.sub(r"SERVER_ID *= *\d+", "SERVER_ID", text)
    # Hosts are listed by their addresses.
    return [mode, owner, *sorted(own.splitlines())]


@dataclass
class Matrix:
    """Runs cells, and lists those that are done in a file."""

    labs: int
    limit: int
    wanted: Sequence[str]
    only: Cell | None = None
    tally: Counter[str] = field(default_factory=Counter)

    def run(self) -> int:
        """Run them all; return the number of those that ended differently."""
        done = self._done()
        with ThreadPoolExecutor(self.labs) as pool:
            list(pool.map(lambda name: self._change(name, done), self.wanted))
        print(
            f"crash matrix: {self.tally['cells']:,} cells now, {len(self._done()):,} in all,"
            f" {self.tally['not reached']:,} whose execution did not take place,"
            f" {self.tally['losses']:,} losses",
            flush=True,
        )
        return self.tally["losses"]

    def _change(self, name: str, done: set[str]) -> None:
        change = CHANGES[name]
        start = STARTS[change.start]
        with tempfile.TemporaryDirectory(prefix="crash-") as folder:
            place = Path(folder)
            lab_name = f"crash-{os.getpid() % 10000}-{list(CHANGES).index(name)}"
            with Lab.running(
                lab_name,
                len(start.hosts),
                state=place / lab_name,
                template="mariadb",
                wait_scale=0.2,
                repository=os.environ.get("LAB_REPOSITORY"),
            ) as lab:
                site = Site(lab, place / "stack", change.start)
                usual = run(site, name, None)
                left = [c for c in cells(name, usual.executions) if str(c) not in done]
                print(f"{name}: {len(usual.executions)} executions, {len(left)} cells left")
                for cell in [self.only] if self.only else left[: self.limit]:
                    self._cell(site, cell, usual)

    def _cell(self, site: Site, cell: Cell, usual: Ended) -> None:
        begun = time.monotonic()
        try:
            ended = run(site, cell.change, cell.fault)
            differ = list(differences(usual.end, ended.end)) if ended.fired else []
            assert not differ, "\n".join(differ)
            result = "ok" if ended.fired else "not reached"
        except (AssertionError, LabFault, subprocess.TimeoutExpired) as error:
            result = f"LOST: {error}"
        self.tally["cells"] += 1
        self.tally["not reached"] += result == "not reached"
        self.tally["losses"] += result.startswith("LOST")
        print(f"{cell}: {result[:6000]} ({time.monotonic() - begun:.0f} s)", flush=True)
        if not result.startswith("LOST"):
            DONE.parent.mkdir(exist_ok=True)
            with DONE.open("a") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.write(json.dumps({"version": _version(), "cell": str(cell)}) + "\n")

    @staticmethod
    def _done() -> set[str]:
        lines = DONE.read_text().splitlines() if DONE.exists() else []
        listed = [json.loads(line) for line in lines]
        return {line["cell"] for line in listed if line["version"] == _version()}


def _version() -> str:
    return f"{SERIES} {'packages' if os.environ.get('LAB_REPOSITORY') else 'stand-in'}"


def main() -> int:
    """Run cells."""
    parser = argparse.ArgumentParser(prog="crash-matrix", description=__doc__)
    parser.add_argument("--cells", type=int, default=sys.maxsize, help="at most, of each change")
    parser.add_argument("--labs", type=int, default=1, help="at the same time")
    parser.add_argument("--change", choices=CHANGES, action="append")
    parser.add_argument("--cell", type=Cell.parse, help="only this one, as printed")
    given = parser.parse_args()
    wanted = [given.cell.change] if given.cell else given.change or list(CHANGES)
    return min(1, Matrix(given.labs, given.cells, wanted, given.cell).run())


if __name__ == "__main__":
    sys.exit(main())
