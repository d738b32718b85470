"""Commands on the machine that runs the lab."""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lab.machines.faults import LabFault
from lab.machines.processes import ProcessId

REPOSITORY_ROOT = Path(__file__).resolve().parents[2]

# Folders of an administrator's commands; root's PATH does not always have them.
ADMINISTRATION = "/usr/sbin:/sbin"

# Run a command so that all that it starts and mounts ends with this process.
BOUND_TO_US = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
)


def environment() -> dict[str, str]:
    """Return the environment of this process, with the folders of an administrator's commands."""
    return dict(os.environ) | {"PATH": f"{os.environ.get('PATH', os.defpath)}:{ADMINISTRATION}"}


def command(
    argv: Sequence[str | Path],
    *,
    stdin: str | None = None,
    timeout: float = 60,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run a command; return its output. Raises LabFault if it fails."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=env or environment(),
            # A host's files must not depend on the umask of the user who boots it.
            umask=0o022,
            check=False,
        )
    except FileNotFoundError:
        raise LabFault(f"the lab needs the command {words[0]}, which is not installed") from None
    except subprocess.TimeoutExpired:
        raise LabFault(f"`{' '.join(words[:6])}` did not end within {timeout:g} s") from None
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()
        raise LabFault(
            f"`{' '.join(words[:6])}` ended with {done.returncode} and said: "
            + " / ".join(said[-5:])
        )
    return done.stdout


def wait_until(condition: Callable[[], bool], what: str, timeout: float) -> None:
    """Wait for a condition. Raises LabFault after that time."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise LabFault(f"waited {timeout:g} s for {what}, in vain")
        time.sleep(0.02)


def in_cgroup(cgroup: Path, argv: Sequence[str | Path]) -> list[str]:
    """Return the command line that enters a cgroup and then executes the command."""
    enter = 'echo 0 > "$1/cgroup.procs" && shift && exec "$@"'
    return ["sh", "-c", enter, "sh", str(cgroup), *(str(word) for word in argv)]


def start_service(argv: Sequence[str], log: Path) -> ProcessId:
    """Start a process that outlives this one, and wait until it prints `ready`."""
    with log.open("a") as file:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            cwd=REPOSITORY_ROOT,
            start_new_session=True,
        )
    threading.Thread(target=process.wait, daemon=True).start()
    if process.stdout is None or process.stdout.readline().strip() != "ready":
        said = log.read_text().strip().splitlines()[-3:]
        raise LabFault(f"the service that logs to {log.name} did not start: {' / '.join(said)}")
    process.stdout.close()
    return ProcessId.of(process.pid)
