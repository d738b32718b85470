"""A shell on a host that runs one script after another: each costs one round trip alone."""

import contextlib
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

import paramiko

# It says on both of its outputs that it begins: what comes before is of the host's login shell.
# Of each script it is given the length first. It says on both of its outputs when one has ended.
# From a pipe bash would read a script byte by byte.
_LOOP = r"""printf "\n%s begins\n" "$0"
printf "\n%s begins\n" "$0" >&2
while read -r size; do
    (eval "$(head -c "$size")")
    printf "\n%s %d\n" "$0" "$?"
    printf "\n%s\n" "$0" >&2
done"""

Progress = Callable[[str], None]


class OverdueError(Exception):
    """A script that did not end in time; what it said until then."""

    def __init__(self, stdout: str) -> None:
        self.stdout = stdout
        super().__init__()


@dataclass(frozen=True)
class Ended:
    """What a script left. A status of -1: the connection broke off."""

    status: int
    stdout: str
    stderr: str
    started: bool = True
    """Without it the shell never ran: then this is what the login shell or sudo said."""


class Shell:
    """One channel of a connection. Serves one script at a time; useless after any exception."""

    def __init__(self, channel: paramiko.Channel, prefix: str) -> None:
        """``prefix`` makes the shell root's."""
        self._channel = channel
        self._mark = secrets.token_hex(16)
        self._started = False
        channel.exec_command(f"{prefix}bash -c '{_LOOP}' {self._mark}")

    @property
    def is_usable(self) -> bool:
        """Whether it can take a script."""
        transport = self._channel.get_transport()
        return not self._channel.closed and transport is not None and transport.is_active()

    def run(self, script: str, progress: Progress, timeout: float) -> Ended:
        """Run a script to its end. Raises OverdueError, or whatever breaks the connection."""
        deadline = time.monotonic() + timeout
        text = script.encode()
        self._channel.settimeout(timeout)
        # A far end that hangs up before it has read all says why: in its output, or by its silence.
        with contextlib.suppress(OSError):
            self._channel.sendall(f"{len(text)}\n".encode() + text)
        out, err = bytearray(), bytearray()
        end = re.compile(rb"\n%s (\d+)\n\Z" % self._mark.encode())
        told = 0
        self._channel.settimeout(1.0)
        # Whatever a login shell prints, no end is looked for before the beginning.
        while not self._started or (found := end.search(out, max(0, len(out) - 64))) is None:
            # A channel that is silent for a second is looked at again: the deadline holds.
            with contextlib.suppress(TimeoutError):
                data = self._channel.recv(65536)
                if not data:
                    status = self._channel.recv_exit_status()
                    while data := self._channel.recv_stderr(65536):
                        err += data
                    return Ended(status, _text(out), _text(self._own(err)), self._started)
                out += data
            while self._channel.recv_stderr_ready() and (data := self._channel.recv_stderr(65536)):
                err += data
            if not self._started:
                self._started = self._begins in out
                out = self._own(out)
            *whole, _ = out[told:].split(b"\n") if self._started else [b""]
            for line in whole:
                told += len(line) + 1
                if line.startswith(b"#"):
                    progress(line[1:].decode(errors="replace"))
            if time.monotonic() > deadline:
                raise OverdueError(_text(out))
        status, said = int(found[1]), _text(out[: found.start()])
        mark = f"\n{self._mark}\n".encode()
        while not err.endswith(mark):
            data = self._channel.recv_stderr(65536)
            if not data:
                return Ended(-1, said, _text(err))
            err += data
        return Ended(status, said, _text(self._own(err)[: -len(mark)]))

    @property
    def _begins(self) -> bytes:
        return f"\n{self._mark} begins\n".encode()

    def _own(self, output: bytearray) -> bytearray:
        """Drop what was printed before the shell began."""
        _, begins, own = output.partition(self._begins)
        return own if begins else output

    def close(self) -> None:
        """End it."""
        self._channel.close()


def _text(data: bytes | bytearray) -> str:
    return bytes(data).decode(errors="replace")
