"""A shell on a host that runs one script after another: each costs one round trip alone."""

import contextlib
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

import paramiko

from hosts import answer, sudo

# It says on both of its outputs that it begins: what comes before is of the host's login shell.
# Of each script it is given the length first. It says on both of its outputs when one has ended.
# From a pipe bash would read a script byte by byte. It is one line: some login shells end a word
# with it. Options and functions that the environment has for bash (-p) are not for our scripts, and
# TMOUT would end it between two of them.
_LOOP = (
    r"""printf "\n%s begins\n" "$0"; printf "\n%s begins\n" "$0" >&2; """
    r"""unset TMOUT; while read -r size; do (eval "$(head -c "$size")"); """
    r"""printf "\n%s %d\n" "$0" "$?"; printf "\n%s\n" "$0" >&2; done"""
)

_STEPS = 100
"""How many steps at once are reported."""

Progress = Callable[[str], None]

START = 30.0
"""Seconds for the login shell to start ours, and for sudo to accept a password: PAM may ask a
directory, and waits after a wrong one."""


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

    def __init__(
        self, channel: paramiko.Channel, prefix: str, sudo_password: str | None = None
    ) -> None:
        """Start it: as root if ``prefix`` is sudo's, or with the password that sudo wants.

        With a password it raises what ``sudo.start`` does.
        """
        self._channel = channel
        self._mark = secrets.token_hex(16)
        self._started = False
        self._rest = bytearray(), bytearray()
        """What came on both outputs with the beginning."""
        command = f"{prefix}bash -pc '{_LOOP}' {self._mark}"
        if sudo_password is None:
            channel.exec_command(command)
        else:
            sudo.start(channel, command, sudo_password, START)

    @property
    def is_usable(self) -> bool:
        """Whether it can take a script."""
        transport = self._channel.get_transport()
        return not self._channel.closed and transport is not None and transport.is_active()

    def run(self, script: str, progress: Progress, timeout: float) -> Ended:
        """Run a script to its end.

        Raises OverdueError, answer.EndlessError, or whatever breaks the connection.
        """
        deadline = time.monotonic() + timeout
        if not self._started and (ended := self._begin(deadline)):
            return ended
        text = script.encode()
        self._channel.settimeout(timeout)
        # A far end that hangs up before it has read all says why: in its output, or by its silence.
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
                answer.check(limit, out, err)
                before = len(out)
                self._channel.settimeout(1.0)
                with contextlib.suppress(TimeoutError):
                    data = self._channel.recv(65536)
                    if not data:
                        return self._broken_off(out, err, deadline)
                    out += data
                while self._channel.recv_stderr_ready() and (
                    data := self._channel.recv_stderr(65536)
                ):
                    err += data
                    answer.check(limit, out, err)
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
        told = 0
        while (found := end.search(out, max(0, len(out) - 64))) is None:
            answer.check(deadline, out, err)
            before = len(out)
            # A channel that is silent for a second is looked at again: the deadline holds.
            self._channel.settimeout(1.0)
            with contextlib.suppress(TimeoutError):
                data = self._channel.recv(65536)
                if not data:
                    return self._broken_off(out, err, deadline)
                out += data
            while self._channel.recv_stderr_ready() and (data := self._channel.recv_stderr(65536)):
                err += data
                answer.check(deadline, out, err)
            whole = out.rfind(b"\n", before) + 1
            lines = out[told : whole - 1].split(b"\n") if whole > told else []
            # A script has a few steps; a host that is out of order may say any number.
            for line in [line for line in lines if line.startswith(b"#")][-_STEPS:]:
                progress(line[1:].decode(errors="replace"))
            told = max(told, whole)
        status, said = int(found[1]), _text(out[: found.start()])
        mark = f"\n{self._mark}\n".encode()
        while not err.endswith(mark):
            answer.check(deadline, out, err)
            self._channel.settimeout(max(deadline - time.monotonic(), 0.01))
            data = self._channel.recv_stderr(65536)
            if not data:
                return Ended(-1, said, _text(err))
            err += data
        return Ended(status, said, _text(self._own(err)[: -len(mark)]))

    def _broken_off(self, out: bytearray, err: bytearray, deadline: float) -> Ended:
        """Return what a shell left that ended by itself."""
        err += answer.read_all(self._channel, self._channel.recv_stderr, deadline)
        status = answer.exit_status(self._channel, deadline)
        return Ended(status, _text(out), _text(self._own(err)), self._started)

    def _own(self, output: bytearray) -> bytearray:
        """Drop what was printed before the shell began."""
        _, begins, own = output.partition(f"\n{self._mark} begins\n".encode())
        return own if begins else output

    def close(self) -> None:
        """End it."""
        self._channel.close()


def _text(data: bytes | bytearray) -> str:
    return bytes(data).decode(errors="replace")
