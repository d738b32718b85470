"""One host over SSH: run scripts, copy files, hold locks, open streams to ports."""

import contextlib
import logging
import secrets
import shlex
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko
from paramiko.agent import AgentRequestHandler

from hosts import answer, failures, private_keys, sudo
from hosts.errors import HostError, no_room
from hosts.models import Host, SshSettings
from hosts.script import Output, Script, parse
from hosts.shell import START, Ended, OverdueError, Progress, Shell
from hosts.transports import CONNECT_TIMEOUT, SILENCE, Transports, session_of

# It logs each refused connection to an oned that has not started yet.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)

AGENT_SOCKET = "OPERATOR_AGENT"
"""Environment variable of a script that may use the operator's SSH agent: its socket's path."""

LEAST_ROOM = 16 << 20
"""Free bytes below which a disk counts as full."""

_WRITTEN = "/ /etc /run /tmp /var /var/{backups,cache/{apt,dnf,zypp},lib,lib/mysql,lib/one,log}"
"""Folders that our scripts write to, each of which may be a disk of its own."""

_HELD_BY_ANOTHER = 75
"""flock's exit status if another program holds the lock."""


class Connection:
    """Access to one host, with verified connections that are kept for later operations."""

    def __init__(self, host: Host, settings: SshSettings) -> None:
        self.host = host
        self._settings = settings
        self._transports = Transports(host, settings)
        self._held: set[tuple[str, int]] = set()
        self._idle: list[Shell] = []

    def connect(self) -> None:
        """Connect and log in, unless that is done. Raises HostError."""
        self._transports.first()

    @property
    def user(self) -> str:
        """Return the login user. Raises HostError."""
        return self._transports.login.user

    @property
    def port(self) -> int:
        """Return the port of the host's sshd. Raises HostError."""
        return self._transports.login.port

    @property
    def host_key(self) -> str:
        """Return the host's verified public key in the form of known_hosts. Raises HostError."""
        key = self._transports.first().get_remote_server_key()
        return f"{key.get_name()} {key.get_base64()}"

    def run(
        self, script: Script, progress: Progress | None = None, *, lend_agent: bool = False
    ) -> Output:
        """Run a script as root and return its output.

        ``lend_agent``: the script may use the operator's SSH agent, if the settings allow that and
        an agent runs. Raises HostError if the script fails or exceeds its timeout, or if the
        connection breaks.
        """
        report = progress or (lambda _: None)
        try:
            with (
                self._lasting(script.title, script),
                self._shell(script.title, lend_agent=lend_agent) as shell,
            ):
                ended = shell.run(
                    script.text(), lambda step: report(self._redacted(script, step)), script.timeout
                )
        except OverdueError as error:
            steps = parse(error.stdout).steps
            raise self._failed(
                self._redacted(script, steps[-1]) if steps else script.title,
                expected=f"completion within {script.timeout:.0f} s",
                seen="still running",
                remedy="look at the load and the journal of the host, then run again",
            ) from None
        return self._judge(script, ended)

    def send(self, file: Path, folder: str, timeout: float) -> None:
        """Copy a file of this machine into a folder on the host that only root can read.

        Raises HostError if the copy is not complete within that many seconds.
        """
        title = f"send {file.name}"
        target = shlex.quote(f"{folder}/{file.name}")
        steps = f"umask 077 && mkdir -p {shlex.quote(folder)} && cat >{target}.partial"
        command = f"{steps} && mv {target}.partial {target}"

        def move(channel: paramiko.Channel, deadline: float) -> bool:
            with file.open("rb") as source:
                while (data := source.read(1 << 20)) and time.monotonic() < deadline:
                    channel.sendall(data)
            if not data:
                channel.shutdown_write()
            return not data

        status, errors = self._copy(title, f"sh -c {shlex.quote(command)}", move, timeout)
        if status:
            raise self._failed(
                title,
                expected=f"room for it in {folder}",
                seen=errors,
                remedy=f"make sure that {self.user} may write to {folder} there with sudo, and that"
                " there is room; then run again",
            )

    def receive(self, path: str, file: Path, timeout: float) -> None:
        """Copy a file that root can read from the host to a file that only this account can read.

        Raises HostError if the copy is not complete within that many seconds.
        """
        title = f"copy {path}"
        partial = file.with_name(f"{file.name}.partial")
        partial.unlink(missing_ok=True)

        def move(channel: paramiko.Channel, deadline: float) -> bool:
            partial.touch(mode=0o600, exist_ok=False)
            with partial.open("wb") as copy:
                while (data := channel.recv(1 << 20)) and time.monotonic() < deadline:
                    copy.write(data)
            return not data

        status, errors = self._copy(title, f"cat {shlex.quote(path)}", move, timeout)
        if status:
            partial.unlink(missing_ok=True)
            raise self._failed(
                title,
                expected="a file that root can read",
                seen=errors,
                remedy="find out what it is on that host, then run again",
            )
        partial.replace(file)

    def _copy(
        self,
        title: str,
        command: str,
        move: Callable[[paramiko.Channel, float], bool],
        timeout: float,
    ) -> tuple[int, str]:
        """Run the host's side of a copy as root; return its exit status and error output.

        ``move`` is this machine's side: it copies until a deadline (monotonic), and returns whether
        it has copied everything. Raises HostError if it has not, or if the connection breaks.
        """
        with contextlib.closing(self._channel(title)) as channel, self._lasting(title):
            deadline = time.monotonic() + timeout
            self._start_as_root(channel, command)
            channel.settimeout(SILENCE)
            if not move(channel, deadline):
                raise TimeoutError
            deadline = max(deadline, time.monotonic() + SILENCE)
            errors = answer.read_all(channel, channel.recv_stderr, deadline)
            status = answer.exit_status(channel, deadline)
        return status, errors.decode(errors="replace").strip() or f"exit status {status}"

    @contextmanager
    def hold(self, path: str, timeout: float) -> Iterator[None]:
        """Hold a lock file on the host; the end of the connection releases it.

        A thread that holds the lock does not wait for itself.
        """
        title = f"take the lock {path}"
        holder = (path, threading.get_ident())
        if holder in self._held:
            yield
            return
        channel = self._channel(title)
        try:
            deadline = time.monotonic() + timeout + CONNECT_TIMEOUT
            mark = secrets.token_hex(16)
            # With -c flock takes root's own shell, which may be any.
            wait = f"flock --close -w {int(timeout)} -E {_HELD_BY_ANOTHER} {path}"
            with self._lasting(title):
                self._start_as_root(
                    channel, f"{wait} sh -c 'echo; echo {mark}; exec cat >/dev/null'"
                )
                # A login shell may print any text before the mark.
                output = bytearray()
                while f"\n{mark}\n".encode() not in output:
                    if not answer.more(channel, channel.recv, output, deadline):
                        raise self._not_held(title, timeout, output, channel)
            self._held.add(holder)
            yield
        finally:
            self._held.discard(holder)
            channel.close()

    def _not_held(
        self, title: str, timeout: float, output: bytearray, channel: paramiko.Channel
    ) -> HostError:
        deadline = time.monotonic() + CONNECT_TIMEOUT
        errors = answer.read_all(channel, channel.recv_stderr, deadline).decode(errors="replace")
        status = answer.exit_status(channel, deadline)
        if status == _HELD_BY_ANOTHER:
            return HostError(
                self.host.name,
                title,
                expected=f"the lock within {timeout:.0f} s",
                seen="another program holds it",
                remedy="another run is changing this zone: wait until it ends, then run again",
            )
        return self._command_refused(
            Ended(status, output.decode(errors="replace"), errors, started=False)
        )

    def open_stream(
        self, port: int, timeout: float, address: str = "127.0.0.1"
    ) -> paramiko.Channel:
        """Return a stream from the host to a port of its loopback, or of another host.

        Raises OSError if no program listens there.
        """
        try:
            channel = self._transports.first().open_channel(
                "direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=timeout
            )
        except paramiko.ChannelException as error:
            if error.code == 1:
                raise HostError(
                    self.host.name,
                    "ask oned through SSH",
                    expected="sshd that forwards connections to 127.0.0.1",
                    seen="administratively prohibited",
                    remedy="permit it in sshd_config (AllowTcpForwarding local, PermitOpen any, no"
                    " DisableForwarding) and in authorized_keys (the key without restrict or"
                    " no-port-forwarding)",
                ) from None
            raise ConnectionRefusedError(error.text) from None
        except (EOFError, paramiko.SSHException) as error:
            raise OSError(str(error) or "connection lost") from None
        channel.settimeout(timeout)
        return channel

    def full_disks(self) -> str:
        """Return the mount points of full disks, in words; empty if none is full, or unknown."""
        try:
            with contextlib.closing(self._transports.open_session()) as channel:
                channel.exec_command(f"bash -c 'df -Pk {_WRITTEN} 2>/dev/null'")
                deadline = time.monotonic() + CONNECT_TIMEOUT
                table = answer.read_all(channel, channel.recv, deadline)
        except (HostError, OSError, EOFError, answer.EndlessError, paramiko.SSHException):
            return ""
        # Mount points by what is available, in KiB: the sixth and the fourth column.
        rows = [line.split(None, 5) for line in table.decode(errors="replace").splitlines()]
        room = {row[5]: int(row[3]) << 10 for row in rows if len(row) > 5 and row[3].isdigit()}
        return ", ".join(sorted(mount for mount, size in room.items() if size < LEAST_ROOM))

    def close(self) -> None:
        """Close the connection."""
        self._transports.close()

    @property
    def _sudo_password(self) -> str | None:
        """Return the password for sudo; None if sudo gets no password."""
        secret = self._settings.sudo_password
        return None if secret is None or self.user == "root" else secret.get_secret_value()

    @property
    def _as_root(self) -> str:
        return "" if self.user == "root" or self._sudo_password else sudo.NON_INTERACTIVE

    def _start_as_root(self, channel: paramiko.Channel, command: str) -> None:
        with self._raising_refusals():
            sudo.start(channel, f"{self._as_root}{command}", self._sudo_password, START)

    @contextmanager
    def _raising_refusals(self) -> Iterator[None]:
        """Raise HostError if sudo does not accept the password, or does not run the command."""
        try:
            yield
        except sudo.RefusedError as error:
            if not error.wrong_password:
                raise self._command_refused(Ended(1, "", error.message, started=False)) from None
            raise HostError(
                self.host.name,
                "become root",
                expected=f"opennebula-ha:ssh sudo_password to be the password of {self.user}",
                seen=f"sudo: {error.message}",
                remedy="correct it: pulumi config set --secret --path ssh.sudo_password",
            ) from None

    @contextmanager
    def _shell(self, title: str, *, lend_agent: bool) -> Iterator[Shell]:
        """Return a shell for one script, and keep it for the next one.

        A shell is closed after an error, or if the agent was forwarded.
        """
        if lend_agent and self._settings.forward_agent and private_keys.agent_keys():
            # All programs of a connection can use the agent, so this is a connection of its own.
            with contextlib.closing(self._transports.connect()) as client:
                channel = self._channel(title, client)
                with contextlib.closing(AgentRequestHandler(channel)):
                    yield self._new_shell(channel, f'env {AGENT_SOCKET}="$SSH_AUTH_SOCK" ')
            return
        shell = self._idle_shell() or self._new_shell(self._channel(title))
        try:
            yield shell
        except BaseException:
            shell.close()
            raise
        self._idle.append(shell)

    def _new_shell(self, channel: paramiko.Channel, prefix: str = "") -> Shell:
        with self._raising_refusals():
            return Shell(channel, f"{self._as_root}{prefix}", self._sudo_password)

    def _idle_shell(self) -> Shell | None:
        with contextlib.suppress(IndexError):
            while True:
                shell = self._idle.pop()
                if shell.is_usable:
                    return shell
        return None

    def _judge(self, script: Script, ended: Ended) -> Output:
        # The output of a login shell may look like a script's.
        if not ended.started and ended.status != -1:
            raise self._command_refused(ended)
        output = parse(ended.stdout)
        if ended.status == 0:
            return output
        step = self._redacted(script, output.steps[-1]) if output.steps else script.title
        errors = self._redacted(script, ended.stderr)
        values = {name: self._redacted(script, value) for name, value in output.values.items()}
        if "remedy" in values:
            what = {name: values[name] for name in ("expected", "seen", "remedy")}
            raise self._failed(step, **what)
        if ended.status == -1:
            raise failures.connection_lost(
                self.host, step, ConnectionError("the connection broke off")
            )
        last = (errors.strip() or self._redacted(script, output.noise).strip()).splitlines()[-6:]
        command = values.get("failed", "").strip().partition("\n")[0]
        of = f" of '{command}'" if command else ""
        raise self._failed(
            step,
            expected="success",
            seen=f"exit status {ended.status}{of}: " + ("\n".join(last) or "silence"),
            remedy=(f"run that command on {self.host.name}" if command else "look at the journal")
            + " to find the cause and correct it, then run again: the run resumes here",
        )

    def _redacted(self, script: Script, text: str) -> str:
        """Return what a host said without any secret that it may know."""
        password = self._sudo_password
        text = script.redact(text)
        return text.replace(password, "********") if password else text

    def _command_refused(self, ended: Ended) -> HostError:
        has_password = self._sudo_password is not None
        return failures.command_refused(self.host, self.user, ended, has_password=has_password)

    @contextmanager
    def _lasting(self, step: str, script: Script | None = None) -> Iterator[None]:
        """Raise HostError if the connection breaks in this block, or an output does not end."""
        try:
            yield
        except answer.EndlessError as error:
            start = self._redacted(script, error.start) if script else error.start
            raise failures.too_much_output(self.host, self.user, step, start) from None
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise failures.connection_lost(self.host, step, error) from None

    def _failed(self, step: str, *, expected: str, seen: str, remedy: str) -> HostError:
        """Return the error of a step. If a disk is full, that is the reported reason."""
        full = self.full_disks()
        if full:
            return no_room(self.host.name, step, full, seen=seen)
        return HostError(self.host.name, step, expected=expected, seen=seen, remedy=remedy)

    def _channel(self, title: str, client: paramiko.SSHClient | None = None) -> paramiko.Channel:
        with self._lasting(title):
            try:
                return session_of(client) if client else self._transports.open_session()
            except paramiko.ChannelException as error:
                raise HostError(
                    self.host.name,
                    title,
                    expected=f"sshd to open a session for {self.user}",
                    seen=error.text.lower(),
                    remedy="set MaxSessions to 1 or more (10 is its default) in sshd_config, also"
                    " in its Match blocks; then reload sshd",
                ) from None
