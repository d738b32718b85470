"""Commands that run when a server becomes leader or follower."""

import subprocess
import threading
from pathlib import Path

from .conf import Vector
from .journal import Journal


class Hook:
    """A RAFT_*_HOOK; each run has its own thread: Raft does not wait for it."""

    def __init__(self, name: str, command: list[str], journal: Journal) -> None:
        self._name = name
        self._command = command
        self._journal = journal

    def start(self) -> None:
        """Start the command."""
        threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def _run(self) -> None:
        try:
            # The child inherits the daemon's blocked signals: a stop of the service does not end a
            # running hook, but waits for it.
            done = subprocess.run(
                self._command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
            )
        except OSError as error:
            self._journal.error("HKM", f"Executing Hook: {self._name}: {error}")
            return
        text = f"Hook: {self._name} executed with rc: {done.returncode}."
        if done.stdout:
            text += f"\nHook stdout: {done.stdout}"
        if done.stderr:
            text += f"\nHook stderr: {done.stderr}"
        self._journal.info("HKM", text)


def make_hook(name: str, settings: Vector | None, remotes: Path, journal: Journal) -> Hook | None:
    """Return the hook in oned.conf, or None."""
    if settings is None:
        return None
    command = settings.get("COMMAND", "")
    if not command:
        journal.warning("ONE", f"Empty COMMAND attribute in {name}. Hook not registered!")
        return None
    program = command if command.startswith("/") else str(remotes / "hooks" / command)
    return Hook(name, [program, *settings.get("ARGUMENTS", "").split()], journal)
