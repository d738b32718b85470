"""The shell that scripts are sent to, one after another: here it is this machine's own bash."""

import os
import select
import shlex
import subprocess
from collections.abc import Iterator
from typing import Any, cast

import pytest

from hosts.script import Script
from hosts.shell import OverdueError, Shell


class LocalChannel:
    """As much of a channel as a shell uses, to a process of this machine."""

    closed = False

    def exec_command(self, command: str) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            shlex.split(command), stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0
        )

    def settimeout(self, seconds: float) -> None:
        self._seconds = seconds

    def sendall(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)

    def recv(self, size: int) -> bytes:
        return self._read(self.process.stdout, size)

    def recv_stderr(self, size: int) -> bytes:
        return self._read(self.process.stderr, size)

    def recv_stderr_ready(self) -> bool:
        assert self.process.stderr is not None
        return bool(select.select([self.process.stderr], [], [], 0)[0])

    def recv_exit_status(self) -> int:
        return self.process.wait()

    def get_transport(self) -> "LocalChannel":
        return self

    def is_active(self) -> bool:
        return self.process.poll() is None

    def close(self) -> None:
        self.closed = True
        self.process.kill()
        self.process.wait()
        for file in (self.process.stdin, self.process.stdout, self.process.stderr):
            if file is not None:
                file.close()

    def _read(self, file: Any, size: int) -> bytes:
        if not select.select([file], [], [], self._seconds)[0]:
            raise TimeoutError
        return os.read(file.fileno(), size)


@pytest.fixture
def shell() -> Iterator[Shell]:
    shell = Shell(cast(Any, LocalChannel()), "")
    yield shell
    shell.close()


def run(shell: Shell, body: str, timeout: float = 20.0) -> tuple[int, str, str, list[str]]:
    said: list[str] = []
    script = Script("test", body, exclusive=False).text()
    ended = shell.run(script, said.append, timeout)
    return ended.status, ended.stdout, ended.stderr, said


def test_each_script_has_its_own_status_and_outputs(shell: Shell) -> None:
    assert run(shell, "echo one; echo two >&2") == (0, "one\n", "two\n", [])
    assert run(shell, "printf 'no end of line'; exit 65") == (65, "no end of line", "", [])
    assert run(shell, "false") == (1, "=failed false\n", "", [])
    assert run(shell, "echo three") == (0, "three\n", "", [])


def test_one_script_leaves_nothing_to_the_next(shell: Shell) -> None:
    run(shell, "cd /; variable=1; exec 9>/dev/null")
    here = run(shell, 'pwd; echo "${variable:-}"; [ ! -e /proc/self/fd/9 ]')
    assert here == (0, f"{os.getcwd()}\n\n", "", [])  # noqa: PTH109 - as the shell says it


def test_steps_are_told_as_they_begin(shell: Shell) -> None:
    assert run(shell, "step 'this one'; echo; step 'that one'")[3] == ["this one", "that one"]


def test_what_a_script_says_may_be_long_and_have_any_bytes(shell: Shell) -> None:
    status, out, err, _ = run(shell, "head -c 300000 /dev/zero | tr '\\0' x; printf '\\n\\n' >&2")
    assert (status, len(out), err) == (0, 300000, "\n\n")
    assert run(shell, "printf '\\377'")[1] == "\ufffd"


def test_a_script_that_takes_too_long_is_overdue(shell: Shell) -> None:
    with pytest.raises(OverdueError) as caught:
        run(shell, "step waiting; read -r <>/dev/ptmx", timeout=1.5)
    assert "#waiting" in caught.value.stdout


CHATTY = """\
echo '#no step'; echo '@motd Cg=='; echo '=remedy none'; printf 'Welcome to '
printf 'sudo: unable to resolve host n1a1\\nbash: warning: setlocale: ' >&2
exec "$@"
"""


def test_what_a_login_shell_prints_is_no_part_of_what_a_script_says() -> None:
    shell = Shell(cast(Any, LocalChannel()), f"bash -c {shlex.quote(CHATTY)} login ")
    assert run(shell, "step here; echo one; echo two >&2; exit 3") == (
        3,
        "#here\none\n",
        "two\n",
        ["here"],
    )
    assert run(shell, "echo three") == (0, "three\n", "", [])
    shell.close()


@pytest.mark.parametrize(
    ("prefix", "status", "out", "err"),
    [
        ("bash -c 'echo not available; exit 1' ", 1, "not available\n", ""),
        ("bash -c 'echo sudo: a password is required >&2; exit 1' ", 1, "", "password"),
    ],
)
def test_a_shell_that_never_starts_is_told_from_a_script_that_fails(
    prefix: str, status: int, out: str, err: str
) -> None:
    shell = Shell(cast(Any, LocalChannel()), prefix)
    ended = shell.run(Script("test", "true", exclusive=False).text(), lambda _: None, 20)
    assert (ended.status, ended.stdout, ended.started) == (status, out, False)
    assert err in ended.stderr
    shell.close()


def test_a_shell_that_ends_in_the_middle_says_how() -> None:
    channel = LocalChannel()
    shell = Shell(cast(Any, channel), "env -u X ")
    assert shell.is_usable
    status, _, _, _ = run(shell, f"kill {channel.process.pid}")
    assert status == -15
    assert not shell.is_usable
    shell.close()
