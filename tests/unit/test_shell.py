"""The shell that runs one script after another: here it is this machine's own bash."""

import os
import select
import shlex
import shutil
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hosts import answer, sudo
from hosts.failures import command_refused
from hosts.models import Host
from hosts.script import Script
from hosts.shell import Ended, OverdueError, Shell


class LocalChannel:
    """The parts of a channel that a shell uses, connected to a process of this machine."""

    closed = False
    _combine = False

    def set_combine_stderr(self, combine: bool) -> None:
        self._combine = combine

    def exec_command(self, command: str) -> None:
        self.command = command
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            shlex.split(command), stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0
        )

    @property
    def status_event(self) -> Any:
        return SimpleNamespace(wait=lambda seconds: self.process.wait(seconds) is not None)

    def settimeout(self, seconds: float) -> None:
        self._seconds = seconds

    def sendall(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)

    def recv(self, size: int) -> bytes:
        if self._combine:
            files: list[Any] = [self.process.stdout, self.process.stderr]
            ready, _, _ = select.select(files, [], [], self._seconds)
            # Both exist; after the end of one, the other may still have output.
            found = [data for file in ready if (data := os.read(file.fileno(), size))]
            if found or len(ready) == 2:
                return found[0] if found else b""
            return self.recv_stderr(size)
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


def test_one_script_leaves_nothing_for_the_next(shell: Shell) -> None:
    run(shell, "cd /; variable=1; exec 9>/dev/null")
    here = run(shell, 'pwd; echo "${variable:-}"; [ ! -e /proc/self/fd/9 ]')
    assert here == (0, f"{os.getcwd()}\n\n", "", [])  # noqa: PTH109 - as the shell says it


def test_steps_are_reported_when_they_begin(shell: Shell) -> None:
    assert run(shell, "step 'this one'; echo; step 'that one'")[3] == ["this one", "that one"]


def test_output_may_be_long_and_have_any_bytes(shell: Shell) -> None:
    status, out, err, _ = run(shell, "head -c 300000 /dev/zero | tr '\\0' x; printf '\\n\\n' >&2")
    assert (status, len(out), err) == (0, 300000, "\n\n")
    assert run(shell, "printf '\\377'")[1] == "\ufffd"


def test_a_script_that_takes_too_long_is_overdue(shell: Shell) -> None:
    with pytest.raises(OverdueError) as caught:
        run(shell, "step waiting; read -rt 20 <>/dev/ptmx", timeout=1.5)
    assert "#waiting" in caught.value.stdout


CHATTY = """\
echo '#no step'; echo '@motd Cg=='; echo '=remedy none'; printf 'Welcome to '
printf 'sudo: unable to resolve host n1a1\\nbash: warning: setlocale: ' >&2
exec "$@"
"""


def test_output_of_a_login_shell_is_not_output_of_a_script() -> None:
    shell = Shell(cast(Any, LocalChannel()), f"bash -c {shlex.quote(CHATTY)} login ")
    assert run(shell, "step here; echo one; echo two >&2; exit 3") == (
        3,
        "#here\none\n",
        "two\n",
        ["here"],
    )
    assert run(shell, "echo three") == (0, "three\n", "", [])
    shell.close()


@pytest.mark.parametrize("login", ["bash", "sh", "csh", "tcsh", "zsh", "fish", "ksh"])
def test_any_login_shell_starts_it(login: str) -> None:
    """What sshd gives to the login shell is one line, and a word of it."""
    channel = LocalChannel()
    program = shutil.which(login)
    if program is None:
        # Of these csh is the strictest: no line ends within a word, and no event is recalled.
        Shell(cast(Any, channel), "").close()
        assert not {"\n", "!"} & set(channel.command)
        return
    prefix = f"{program} -c "
    whole = channel.exec_command
    channel.exec_command = lambda command: whole(prefix + shlex.quote(command))  # type: ignore[method-assign]
    shell = Shell(cast(Any, channel), "")
    assert run(shell, "echo one; exit 3") == (3, "one\n", "", [])
    shell.close()


STARTUP = """\
set -eu
export BASH_ENV=$0.env GREP_OPTIONS=--color=always POSIXLY_CORRECT=1 CDPATH=/usr TAR_OPTIONS=--no
export SHELLOPTS TMPDIR=/no/such LANG=tr_TR.UTF-8 LC_ALL=tr_TR.UTF-8 HISTFILE=/dev/null TMOUT=1
grep() { echo another; }
export -f grep
alias rm='rm -i'
umask 077
"""


def test_startup_files_change_nothing_for_a_script(tmp_path: Path) -> None:
    (tmp_path / "bashrc.env").write_text("echo of BASH_ENV; set -u; exit 7\n")
    file = tmp_path / "bashrc"
    file.write_text(f'{STARTUP}exec "$@"\n')
    shell = Shell(cast(Any, LocalChannel()), f"bash {file} ")
    body = """
    cd /; cd bin; pwd; echo abc | grep b; umask; i=I; echo "${i,,}"
    mktemp -u; echo "${unset_variable-none} ${TMOUT-none}"; bash -c 'echo inner'
    """
    status, out, err, _ = run(shell, body)
    lines = out.splitlines()
    assert (status, err) == (0, "")
    assert lines[:4] == ["/bin", "abc", "0022", "i"]
    assert not lines[4].startswith("/no")
    assert lines[5:] == ["none none", "inner"]
    assert run(shell, "echo still there")[:2] == (0, "still there\n")
    shell.close()


def test_a_startup_file_that_reads_gets_no_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hosts.shell.START", 0.5)
    waits = "printf 'Which site? '; read -r answer; exec \"$@\""
    channel = LocalChannel()
    shell = Shell(cast(Any, channel), f"bash -c {shlex.quote(waits)} login ")
    sent: list[bytes] = []
    monkeypatch.setattr(channel, "sendall", sent.append)
    ended = shell.run("script", lambda _: None, 60)
    assert (ended.started, sent) == (False, [])
    assert "one may wait for input" in ended.stderr
    assert ended.stdout == "Which site? "
    assert not shell.is_usable


@pytest.mark.parametrize(
    ("prefix", "status", "out", "err"),
    [
        ("bash -c 'echo not available; exit 1' ", 1, "not available\n", ""),
        ("bash -c 'echo sudo: a password is required >&2; exit 1' ", 1, "", "password"),
    ],
)
def test_a_shell_that_never_starts_differs_from_a_failed_script(
    prefix: str, status: int, out: str, err: str
) -> None:
    shell = Shell(cast(Any, LocalChannel()), prefix)
    ended = shell.run(Script("test", "true", exclusive=False).text(), lambda _: None, 20)
    assert (ended.status, ended.stdout, ended.started) == (status, out, False)
    assert err in ended.stderr
    shell.close()


def test_a_shell_that_ends_during_a_script_reports_how() -> None:
    channel = LocalChannel()
    shell = Shell(cast(Any, channel), "env -u X ")
    assert shell.is_usable
    status, _, _, _ = run(shell, f"kill {channel.process.pid}")
    assert status == -15
    assert not shell.is_usable
    shell.close()


SUDO = r"""#!/bin/bash
# A sudo that asks as often as the real one.
while [ "$1" != -- ]; do [ "$1" != -p ] || prompt=$2; shift; done; shift
for _ in 1 2 3; do
    [ "$LC_ALL" = C ] || echo 'sudo: lokal' >&2
    printf %s "$prompt" >&2
    read -r given || exit 1
    echo "$given" >>"$ASKED"
    [ "$given" != 'the $pass "word' ] || exec "$@"
    echo 'Sorry, try again.' >&2
done
"""
PASSWORD = 'the $pass "word'


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file in which a fake sudo records the password that it gets."""
    (tmp_path / "sudo").write_text(SUDO)
    (tmp_path / "sudo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("ASKED", str(tmp_path / "asked"))
    return tmp_path / "asked"


@pytest.mark.parametrize("prefix", ["", "env VARIABLE='a b' "])
def test_sudo_gets_its_password_once_and_the_script_does_not(asked: Path, prefix: str) -> None:
    channel = LocalChannel()
    shell = Shell(cast(Any, channel), prefix, PASSWORD)
    said = run(shell, "cat; tr '\\0' ' ' </proc/$PPID/cmdline; echo \"${VARIABLE:-}\"")
    assert said[0] == 0
    assert "pass" not in said[1]
    assert ("a b" in said[1]) == bool(prefix)
    assert run(shell, "echo two; echo three >&2")[1:3] == ("two\n", "three\n")
    assert asked.read_text() == f"{PASSWORD}\n"
    assert "pass" not in channel.command
    shell.close()


def test_sudo_that_does_not_ask_gets_nothing(asked: Path) -> None:
    never = '#!/bin/bash\nwhile [ "$1" != -- ]; do shift; done; exec "${@:2}"'
    (asked.parent / "sudo").write_text(never)
    shell = Shell(cast(Any, LocalChannel()), "", PASSWORD)
    assert run(shell, "echo one; cat") == (0, "one\n", "", [])
    shell.close()
    assert not asked.exists()


def test_a_wrong_password_is_tried_once(asked: Path) -> None:
    with pytest.raises(sudo.RefusedError) as caught:
        Shell(cast(Any, LocalChannel()), "", "wrong")
    assert caught.value.wrong_password
    assert asked.read_text() == "wrong\n"


def test_sudo_that_fails_reports_the_reason(asked: Path) -> None:
    (asked.parent / "sudo").write_text(
        "#!/bin/bash\nprintf 'Hi ' >&2; echo sudo: a tty >&2; exit 1"
    )
    with pytest.raises(sudo.RefusedError) as caught:
        Shell(cast(Any, LocalChannel()), "", PASSWORD)
    assert caught.value.message == "sudo: a tty\n"


class Flood(LocalChannel):
    """A host that sends the same for ever, on one of its outputs."""

    def __init__(self, out: bytes = b"", err: bytes = b"", first: str = "") -> None:
        self._out, self._err, self._first = out, err, first

    def exec_command(self, command: str) -> None:
        mark = command.rsplit(maxsplit=1)[-1]
        self._start = self._first.format(mark=mark).encode()

    def sendall(self, data: bytes) -> None:
        pass

    def recv(self, size: int) -> bytes:
        start, self._start = self._start, b""
        if start or self._out:
            return start or self._out
        raise TimeoutError

    def recv_stderr(self, size: int) -> bytes:
        if self._err:
            return self._err
        raise TimeoutError

    def recv_stderr_ready(self) -> bool:
        return bool(self._err)

    def close(self) -> None:
        pass


BEGINS = "\n{mark} begins\n"


@pytest.mark.parametrize(
    "channel",
    [
        Flood(out=b"x" * 65536),
        Flood(err=b"x" * 65536),
        Flood(out=b"x" * 65536, first=BEGINS),
        Flood(out=b"#x\n" * 20000, first=BEGINS),
        Flood(err=b"x" * 65536, first=BEGINS),
        Flood(err=b"x" * 65536, first=BEGINS + "one\n{mark} 0\n"),
    ],
    ids=["before", "before, errors", "one line", "steps", "errors", "errors after the end"],
)
def test_a_host_that_sends_gigabytes_is_stopped(
    channel: Flood, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer, "MOST", 1 << 20)
    shell = Shell(cast(Any, channel), "")
    tracemalloc.start()
    try:
        with pytest.raises(answer.EndlessError) as caught:
            shell.run("script", lambda _: None, 60)
        assert tracemalloc.get_traced_memory()[1] < 8 * answer.MOST
    finally:
        tracemalloc.stop()
    assert len(caught.value.start) <= 200


@pytest.mark.parametrize(
    "channel",
    [
        Flood(),
        Flood(first=BEGINS),
        Flood(out=b"x\n", first=BEGINS),
        Flood(out=b"x"),
        Flood(err=b"x", first=BEGINS),
        Flood(first=BEGINS + "one\n{mark} 0\n"),
        Flood(err=b"x", first=BEGINS + "one\n{mark} 0\n"),
    ],
    ids=["silent", "begins", "drips", "drips before", "errors", "no end", "errors, no end"],
)
def test_a_host_that_answers_for_ever_is_overdue(channel: Flood) -> None:
    shell = Shell(cast(Any, channel), "")
    began = time.monotonic()
    with pytest.raises(OverdueError):
        shell.run("script", lambda _: None, 0.2)
    assert time.monotonic() - began < 5


def test_output_after_the_end_is_read_up_to_a_time_and_size() -> None:
    flood = cast(Any, Flood(out=b"x" * 65536))
    flood._start = b""
    with pytest.raises(answer.EndlessError):
        answer.read_all(flood, flood.recv, time.monotonic() + 60)
    with pytest.raises(TimeoutError):
        answer.read_all(flood, flood.recv, time.monotonic() - 1)
    never = SimpleNamespace(status_event=threading.Event())
    assert answer.exit_status(cast(Any, never), time.monotonic() + 0.05) == -1


@pytest.mark.parametrize(
    ("said", "step", "remedy"),
    [
        ("sudo: a password is required", "become root", "NOPASSWD"),
        (
            "Sorry, user deploy is not allowed to execute '/bin/bash' as root on n1.",
            *("become root", "NOPASSWD"),
        ),
        ("Sorry, user deploy may not run sudo on n1.", "become root", "NOPASSWD"),
        ("deploy is not in the sudoers file.", "become root", "NOPASSWD"),
        ("deploy is not allowed to run sudo on n1.", "become root", "NOPASSWD"),
        ("sudo: sorry, you must have a tty to run sudo", "become root", "!requiretty"),
        ("sudo: unknown user pretty", "become root", "NOPASSWD"),
        ("This account is not available", "start a shell", "bash -c true"),
    ],
)
def test_a_refusal_of_sudo_is_not_one_of_the_shell(said: str, step: str, remedy: str) -> None:
    ended = Ended(1, "", f"sudo: unable to resolve host n1\n{said}\n", started=False)
    host = Host(name="n1a1", address="10.2.50.10")
    error = command_refused(host, "deploy", ended, has_password=False)
    assert (error.step, error.seen) == (step, ended.stderr.strip() if "start" in step else said)
    assert remedy in error.remedy
