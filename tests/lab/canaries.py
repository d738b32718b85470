"""Secrets of a stack, looked for wherever they could be left.

Each has a text that nothing else has. The process lists of the hosts and of the operator's machine
are sampled while the operations of a test run. What the tests themselves run on hosts is left out.
"""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lab.machines import Lab, LabHost
from tests.lab.foreign import do
from tests.lab.hardened import SUDO_PASSWORD
from tests.lab.operators import Operator, Secret

TYPING_ERROR = "canary-of-a-typing-error"
_SECRET = r"canary[ -](?:one-pass|db-password|sudo|of-a-typing)[\w $-]*"
"""ONE_PASS, DB_PASSWORD and those that replace them, SUDO_PASSWORD and TYPING_ERROR."""
_YOUNG = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
"""After how many rounds a process is looked at: it starts as a copy of the one that started it."""
_LOOK = r"""
import json, os, re, stat, subprocess
secret, since = re.compile(SECRET.encode()), SINCE
away = ("/proc", "/sys", "/dev/pts", "/dev/mqueue", "/srv/shared")
found = {"secrets": {}, "cores": [], "writable": [], "names": []}
def look(path, text):
    for match in set(secret.findall(text)):
        found["secrets"].setdefault(path, []).append(match.decode())
for folder, folders, files in os.walk("/"):
    folders[:] = [one for one in folders if os.path.join(folder, one) not in away]
    for path in (os.path.join(folder, one) for one in (*folders, *files)):
        try:
            seen = os.lstat(path)
        except FileNotFoundError:
            continue
        is_file = stat.S_ISREG(seen.st_mode)
        if seen.st_ctime < since or not (is_file or stat.S_ISDIR(seen.st_mode)):
            continue
        found["names"].append(path)
        if seen.st_mode & 0o022 and not seen.st_mode & stat.S_ISVTX:
            found["writable"].append(f"{seen.st_mode & 0o7777:o} {path}")
        if is_file:
            try:
                with open(path, "rb") as file:
                    text = file.read()
            except FileNotFoundError:
                continue
            look(path, text)
            if text[:4] == b"\x7fELF" and text[16:17] == b"\x04":
                found["cores"].append(path)
look("journal", subprocess.run(["journalctl", "-a"], stdout=subprocess.PIPE, check=True).stdout)
print(json.dumps(found))
"""


@dataclass
class Samples:
    """What was seen of the processes of a lab."""

    arguments: set[str] = field(default_factory=set)
    """The arguments that have a secret in them."""
    programs: set[str] = field(default_factory=set)


def plant(lab: Lab, operator: Operator) -> None:
    """Give the stack its SSH key and a password for sudo as secrets, too."""
    operator.config["ssh"] = {
        "user": "ubuntu",
        "private_key": Secret(lab.key.read_text()),
        "known_hosts_file": str(lab.known_hosts),
        "sudo_password": Secret(SUDO_PASSWORD),
    }


@contextmanager
def sampled(lab: Lab) -> Iterator[Samples]:
    """Sample the arguments of all processes of a lab, of its hosts and of the operator."""
    samples, over = Samples(), threading.Event()
    thread = threading.Thread(target=_sample, args=(lab, samples, over))
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()


def _sample(lab: Lab, samples: Samples, over: threading.Event) -> None:
    secret = re.compile("|".join([_SECRET, *map(re.escape, key_lines(lab))]))
    last, ages = _newest(), dict[int, int]()
    while not over.wait(0.002):
        newest = _newest()
        started = range(last + 1, newest + 1) if newest >= last else range(1, newest + 1)
        ages = {pid: age + 1 for pid, age in ages.items() if age < _YOUNG[-1]}
        ages |= dict.fromkeys(started, 1)
        last = newest
        for pid in [pid for pid, age in ages.items() if age in _YOUNG]:
            process = Path("/proc", str(pid))
            try:
                group = (process / "cgroup").read_text()
                if lab.name not in group or "/visitors" in group:
                    continue
                arguments = (process / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            samples.programs.add(arguments.partition("\0")[0].rpartition("/")[2])
            if secret.search(arguments):
                samples.arguments.add(arguments.replace("\0", " "))


def _newest() -> int:
    """Return the ID of the process that started last."""
    return int(Path("/proc/loadavg").read_text().split()[-1])


def key_lines(lab: Lab) -> list[str]:
    """Return those lines of the operator's private key that no other key has."""
    return lab.key.read_text().splitlines()[2:-1]


def secrets_in(text: str, lab: Lab) -> set[str]:
    """Return the secrets that a text has."""
    return {*re.findall(_SECRET, text), *(line for line in key_lines(lab) if line in text)}


@dataclass(frozen=True)
class Left:
    """What is on a host that was not there before."""

    secrets: dict[str, set[str]]
    """By file; what is in the journal has that name."""
    cores: list[str]
    """Core dumps."""
    writable: list[str]
    """Files and folders that others than their owner may change, with their modes."""
    names: list[str]
    """All files and folders that changed."""


def left_on(host: LabHost, lab: Lab, since: float) -> Left:
    """Look at each file that changed since that time, and at the journal."""
    # The script comes to the host as text of its own, with no secret in it but the key's lines.
    lines = "|".join(map(re.escape, key_lines(lab)))
    program = f"SECRET, SINCE = {_SECRET + '|' + lines!r}, {since}\n{_LOOK}"
    seen = json.loads(do(host, f"python3 - <<'END'\n{program}\nEND"))
    secrets = {path: set(found) for path, found in seen.pop("secrets").items()}
    return Left(secrets, **seen)


def now() -> float:
    """Return the time, to be compared with that of a file."""
    return time.time()
