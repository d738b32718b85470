"""A shell on a host that runs one script after another, each in one round trip."""

import contextlib
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

import paramiko

from hosts import answer, sudo

# It marks its start on both outputs: output before that is the login shell's. The length of each
# script is sent first, since bash would read a script from a pipe byte by byte. The end of each
# script is marked on both outputs, too. It is one line: csh ends a word with the line. Options and
# functions in the environment are ignored (-p), and TMOUT would end it between two scripts.
_LOOP = (
    r"""printf "\n%s begins\n" "$0"; printf "\n%s begins\n" "$0" >&2; """
    r"""unset TMOUT; while read -r size; do (eval "$(head -c "$size")"); """
    r"""printf "\n%s %d\n" "$0" "$?"; printf "\n%s\n" "$0" >&2; done"""
)

_STEPS = 100
"""Largest number of steps to report at once."""

Progress = Callable[[str], None]

START = 30.0
"""Seconds for the login shell to start this one, and for sudo to accept a password: PAM may use a
directory, and delays a wrong password."""


class OverdueError(Exception):
    """A script did not end in time. ``stdout`` is its output until then."""

    def __init__(self, stdout: str) -> None:
        self.stdout = stdout
        super().__init__()


@dataclass(frozen=True)
class Ended:
    """The exit status and output of a script. Status -1: the connection broke."""

    status: int
    stdout: str
    stderr: str
    started: bool = True
    """If False, the shell never started, and the output is that of the login shell or sudo."""


class Shell:
    """A shell on one channel. It runs one script at a time; discard it after any exception."""

    def __init__(
        self, channel: paramiko.Channel, prefix: str, sudo_password: str | None = None
    ) -> None:
        """Start the shell. ``prefix``: sudo without a password, or empty.

        With ``sudo_password`` raises as ``sudo.start`` does.
        """
        self._channel = channel
        self._mark = secrets.token_hex(16)
        self._started = False
        self._rest = bytearray(), bytearray()
        """What came on both outputs with the beginning."""
        sudo.start(channel, f"{prefix}bash -pc '{_LOOP}' {self._mark}", sudo_password, START)

    @property
    def is_usable(self) -> bool:
        """Return whether the shell can run a script."""
        transport = self._channel.get_transport()
        return not self._channel.closed and transport is not None and transport.is_active()

    def run(self, script: str, progress: Progress, timeout: float) -> Ended:
        """Run a script to its end.

        Raises OverdueError, answer.EndlessError, or the error that broke the connection.
        """
        deadline = time.monotonic() + timeout
        if not self._started and (ended := self._begin(deadline)):
            return ended
        text = script.encode()
        self._channel.settimeout(timeout)
        # If the host closes the channel before it has read everything, its output says why.
        with contextlib.suppress(OSError):
            self._channel.sendall(f"{len(text)}\n".encode() + text)
        (out, err), self._rest = self._rest, (bytearray(), bytearray())
        try:
            return self._read(out, err, progress, deadline)
        except TimeoutError:
            raise OverdueError(_text(out)) from None

    def _begin(self, deadline: float) -> Ended | None:
        """Wait until it runs: a startup file that reads would take a script, or a part of it.

        Return what there was instead. Raises what ``run`` does.
        """
        out, err = self._rest
        limit = min(deadline, time.monotonic() + START)
        begins = f"\n{self._mark} begins\n".encode()
        at = -1
        try:
            while at < 0:
                before = len(out)
                if not self._receive(out, err, limit):
                    return self._broken_off(out, err, deadline)
                at = out.find(begins, max(0, before - len(begins)))
        except TimeoutError:
            self.close()
            if limit == deadline:
                raise OverdueError("") from None
            said = f"nothing but its startup files ran within {START:.0f} s: one may wait for input"
            return Ended(1, _text(out), f"{_text(err)}\n{said}", started=False)
        self._started = True
        del out[: at + len(begins)]
        return None

    def _read(self, out: bytearray, err: bytearray, progress: Progress, deadline: float) -> Ended:
        end = re.compile(rb"\n%s (\d+)\n\Z" % self._mark.encode())
        reported = 0
        while (found := end.search(out, max(0, len(out) - 64))) is None:
            before = len(out)
            if not self._receive(out, err, deadline):
                return self._broken_off(out, err, deadline)
            whole = out.rfind(b"\n", before) + 1
            lines = out[reported : whole - 1].split(b"\n") if whole > reported else []
            # A script has a few steps; a faulty host may print any number.
            for line in [line for line in lines if line.startswith(b"#")][-_STEPS:]:
                progress(line[1:].decode(errors="replace"))
            reported = max(reported, whole)
        status, stdout = int(found[1]), _text(out[: found.start()])
        mark = f"\n{self._mark}\n".encode()
        while not err.endswith(mark):
            if not answer.more(self._channel, self._channel.recv_stderr, err, deadline, out):
                return Ended(-1, stdout, _text(err))
        return Ended(status, stdout, _text(self._own(err)[: -len(mark)]))

    def _receive(self, out: bytearray, err: bytearray, deadline: float) -> bool:
        """Append new output, if there is any within a second; return False if the shell ended.

        Raises what ``answer.check`` does.
        """
        answer.check(deadline, out, err)
        # A short timeout, so that the deadline also holds for a silent channel.
        self._channel.settimeout(1.0)
        with contextlib.suppress(TimeoutError):
            data = self._channel.recv(65536)
            if not data:
                return False
            out += data
        while self._channel.recv_stderr_ready() and (data := self._channel.recv_stderr(65536)):
            err += data
            answer.check(deadline, out, err)
        return True

    def _broken_off(self, out: bytearray, err: bytearray, deadline: float) -> Ended:
        """Return the output of a shell that ended unexpectedly."""
        err += answer.read_all(self._channel, self._channel.recv_stderr, deadline)
        status = answer.exit_status(self._channel, deadline)
        return Ended(status, _text(out), _text(self._own(err)), self._started)

    def _own(self, output: bytearray) -> bytearray:
        """Return the output without what was printed before the shell started."""
        _, begins, own = output.partition(f"\n{self._mark} begins\n".encode())
        return own if begins else output

    def close(self) -> None:
        """Close the channel, which ends the shell."""
        self._channel.close()


def _text(data: bytes | bytearray) -> str:
    return bytes(data).decode(errors="replace")
