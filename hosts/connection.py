"""One SSH connection to one host: run scripts there, open streams to its ports."""

import contextlib
import secrets
import shlex
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko

from hosts import agent
from hosts.errors import HostError, no_room
from hosts.login import CONNECT_TIMEOUT, SILENCE, Login, reason
from hosts.models import Host, SshSettings
from hosts.script import Output, Script, parse
from hosts.shell import Ended, OverdueError, Progress, Shell

LEAST_ROOM = 16 << 20
"""Bytes: a disk with less is full, as far as our work is concerned."""

_WRITTEN = "/ /etc /run /tmp /var /var/{backups,cache/{apt,dnf,zypp},lib,lib/mysql,lib/one,log}"
"""Where our work writes: each may be a disk of its own."""

_HELD_BY_ANOTHER = 75
"""What flock is to end with where somebody else has the lock."""


class Connection:
    """A connection that is verified, logged in and kept until the end of the operation."""

    def __init__(self, host: Host, settings: SshSettings) -> None:
        self._login = Login(host, settings)
        self.host = host
        self.user = self._login.user
        self.port = self._login.port
        self._forwards_agent = settings.forward_agent
        self._client: paramiko.SSHClient | None = None
        self._further: list[paramiko.SSHClient] = []
        self._lock = threading.Lock()
        self._held: set[tuple[str, int]] = set()
        self._idle: list[Shell] = []

    def connect(self) -> None:
        """Connect and log in, where that is not done yet. Raises HostError."""
        self._transport()

    @property
    def host_key(self) -> str:
        """The host's public key, verified, as it stands in a known_hosts file."""
        key = self._transport().get_remote_server_key()
        return f"{key.get_name()} {key.get_base64()}"

    def run(
        self, script: Script, progress: Progress | None = None, *, lend_agent: bool = False
    ) -> Output:
        """Run a script as root and give back what it gave.

        With ``lend_agent`` it may use the operator's agent, if the settings allow that and there
        is one. Raises HostError when it fails, when it takes longer than its timeout, or when the
        connection is lost.
        """
        try:
            with self._shell(script.title, lend_agent=lend_agent) as shell:
                ended = shell.run(script.text(), progress or (lambda _: None), script.timeout)
        except OverdueError as error:
            steps = parse(error.stdout).steps
            raise self._failed(
                steps[-1] if steps else script.title,
                expected=f"an end within {script.timeout:.0f} s",
                seen="still at it",
                remedy="look at the load and the journal of the host, then run again",
            ) from None
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise self._lost(script.title, error) from None
        return self._judge(script, ended)

    def send(self, file: Path, folder: str, timeout: float) -> None:
        """Copy a file of this machine into a folder there that is root's alone.

        Raises HostError where it does not arrive whole within that many seconds.
        """
        title = f"send {file.name}"
        place = shlex.quote(f"{folder}/{file.name}")
        steps = f"umask 077 && mkdir -p {shlex.quote(folder)} && cat >{place}.partial"
        command = f"{steps} && mv {place}.partial {place}"
        channel = self._channel(title)
        deadline = time.monotonic() + timeout
        try:
            channel.exec_command(f"{self._as_root}sh -c {shlex.quote(command)}")
            channel.settimeout(SILENCE)
            with file.open("rb") as source:
                while (data := source.read(1 << 20)) and time.monotonic() < deadline:
                    channel.sendall(data)
            if data:
                raise TimeoutError
            channel.shutdown_write()
            said = channel.makefile_stderr("r").read().decode(errors="replace")
            status = channel.recv_exit_status()
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise self._lost(title, error) from None
        finally:
            channel.close()
        if status:
            raise self._failed(
                title,
                expected=f"room for it in {folder}",
                seen=said.strip() or f"exit status {status}",
                remedy=f"see that {self.user} may write to {folder} there with sudo, and that there"
                " is room; then run again",
            )

    @contextmanager
    def hold(self, path: str, timeout: float) -> Iterator[None]:
        """Hold a lock file on the host; it falls with the connection, whatever ends it.

        Who holds it already goes on: a thread does not wait for itself.
        """
        title = f"take the lock {path}"
        holder = (path, threading.get_ident())
        if holder in self._held:
            yield
            return
        channel = self._channel(title)
        try:
            channel.settimeout(timeout + CONNECT_TIMEOUT)
            mark = secrets.token_hex(16)
            wait = f"flock --close -w {int(timeout)} -E {_HELD_BY_ANOTHER} {path}"
            try:
                channel.exec_command(
                    f"{self._as_root}{wait} -c 'echo; echo {mark}; exec cat >/dev/null'"
                )
                # A login shell may print anything before.
                said = bytearray()
                while f"\n{mark}\n".encode() not in said and (data := channel.recv(4096)):
                    said += data
                if not data:
                    raise self._not_held(path, title, timeout, said, channel)
            except (OSError, EOFError, paramiko.SSHException) as error:
                raise self._lost(title, error) from None
            self._held.add(holder)
            yield
        finally:
            self._held.discard(holder)
            channel.close()

    def _not_held(
        self, path: str, title: str, timeout: float, said: bytearray, channel: paramiko.Channel
    ) -> HostError:
        errors = channel.makefile_stderr("r").read().decode(errors="replace")
        status = channel.recv_exit_status()
        if status == _HELD_BY_ANOTHER:
            return HostError(
                self.host.name,
                title,
                expected=f"the lock within {timeout:.0f} s",
                seen="another program holds it",
                remedy="another run is changing this zone: wait until it ends, then run again",
            )
        return self._login.no_shell(
            Ended(status, said.decode(errors="replace"), errors, started=False)
        )

    def open_stream(
        self, port: int, timeout: float, address: str = "127.0.0.1"
    ) -> paramiko.Channel:
        """A stream from the host to a port of its own loopback, or of another host.

        Raises OSError where nobody listens.
        """
        try:
            channel = self._transport().open_channel(
                "direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=timeout
            )
        except paramiko.ChannelException as error:
            if error.code == 1:
                raise HostError(
                    self.host.name,
                    "ask oned through SSH",
                    expected="sshd that forwards connections to 127.0.0.1",
                    seen="administratively prohibited",
                    remedy="set AllowTcpForwarding to local or yes in sshd_config",
                ) from None
            raise ConnectionRefusedError(error.text) from None
        except (EOFError, paramiko.SSHException) as error:
            raise OSError(str(error) or "connection lost") from None
        channel.settimeout(timeout)
        return channel

    def full_disks(self) -> str:
        """Where the host has no room left, in words; empty where it has, or cannot tell."""
        try:
            channel = self._open_session()
            with contextlib.closing(channel):
                channel.settimeout(CONNECT_TIMEOUT)
                channel.exec_command(f"bash -c 'df -Pk {_WRITTEN}' 2>/dev/null")
                table = channel.makefile("r").read()
        except (HostError, OSError, EOFError, paramiko.SSHException):
            return ""
        # Mount points by what is available, in KiB: the sixth and the fourth column.
        rows = [line.split(None, 5) for line in table.decode(errors="replace").splitlines()]
        room = {row[5]: int(row[3]) << 10 for row in rows if len(row) > 5 and row[3].isdigit()}
        return ", ".join(sorted(place for place, size in room.items() if size < LEAST_ROOM))

    def close(self) -> None:
        """End the connection."""
        with self._lock:
            for client in (self._client, *self._further):
                if client is not None:
                    client.close()
            self._client = None
            self._further.clear()

    @property
    def _as_root(self) -> str:
        return "" if self.user == "root" else "sudo -n -- "

    @contextmanager
    def _shell(self, title: str, *, lend_agent: bool) -> Iterator[Shell]:
        """For one script. It is kept for the next, unless it came to grief or has the agent."""
        if lend_agent and self._forwards_agent and agent.has_keys():
            # sshd offers what is forwarded to all that runs on a connection: this is its own.
            with contextlib.closing(self._login.connect()) as client:
                channel = self._channel(title, client.get_transport())
                with agent.lent(channel):
                    yield Shell(channel, f'{self._as_root}env {agent.SOCKET}="$SSH_AUTH_SOCK" ')
            return
        shell = self._idle_shell() or Shell(self._channel(title), self._as_root)
        try:
            yield shell
        except BaseException:
            shell.close()
            raise
        self._idle.append(shell)

    def _idle_shell(self) -> Shell | None:
        with contextlib.suppress(IndexError):
            while True:
                shell = self._idle.pop()
                if shell.is_usable:
                    return shell
        return None

    def _judge(self, script: Script, ended: Ended) -> Output:
        # A login shell may print what looks like ours.
        if not ended.started and ended.status != -1:
            raise self._login.no_shell(ended)
        output = parse(ended.stdout)
        if ended.status == 0:
            return output
        step = output.steps[-1] if output.steps else script.title
        errors = script.redact(ended.stderr)
        values = {name: script.redact(value) for name, value in output.values.items()}
        if "remedy" in values:
            raise self._failed(
                step,
                expected=values["expected"],
                seen=values["seen"],
                remedy=values["remedy"],
            )
        if ended.status == -1:
            raise self._lost(step, ConnectionError("the connection broke off"))
        said = (errors.strip() or script.redact(output.noise).strip()).splitlines()[-6:]
        command = values.get("failed", "").strip().partition("\n")[0]
        of = f" of '{command}'" if command else ""
        raise self._failed(
            step,
            expected="success",
            seen=f"exit status {ended.status}{of}: " + ("\n".join(said) or "silence"),
            remedy=(f"run that command on {self.host.name}" if command else "look at the journal")
            + " to find the cause and correct it, then run again: the run resumes here",
        )

    def _failed(self, step: str, *, expected: str, seen: str, remedy: str) -> HostError:
        """The error of a step. A full disk hides behind many symptoms: it is looked for."""
        full = self.full_disks()
        if full:
            return no_room(self.host.name, step, full, seen=seen)
        return HostError(self.host.name, step, expected=expected, seen=seen, remedy=remedy)

    def _channel(self, title: str, transport: paramiko.Transport | None = None) -> paramiko.Channel:
        try:
            return (
                transport.open_session(timeout=CONNECT_TIMEOUT)
                if transport
                else self._open_session()
            )
        except paramiko.ChannelException as error:
            raise HostError(
                self.host.name,
                title,
                expected=f"sshd to open a session for {self.user}",
                seen=error.text.lower(),
                remedy="set MaxSessions to 1 or more (10 is its default) in sshd_config, also in"
                " its Match blocks; then reload sshd",
            ) from None
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise self._lost(title, error) from None

    def _open_session(self) -> paramiko.Channel:
        """Open a session, on a further connection where MaxSessions allows no more on one."""
        transports = [self._transport(), *self._further_transports()]
        for transport in transports:
            with contextlib.suppress(paramiko.ChannelException):
                return transport.open_session(timeout=CONNECT_TIMEOUT)
        client = self._login.connect()
        with self._lock:
            self._further.append(client)
        further = client.get_transport()
        if further is None:
            raise OSError("the connection closed at once")
        return further.open_session(timeout=CONNECT_TIMEOUT)

    def _further_transports(self) -> list[paramiko.Transport]:
        with self._lock:
            found = [client.get_transport() for client in self._further]
        return [transport for transport in found if transport and transport.is_active()]

    def _transport(self) -> paramiko.Transport:
        with self._lock:
            transport = self._client.get_transport() if self._client else None
            if transport is None or not transport.is_active():
                self._client = self._login.connect_unless_refused()
                transport = self._client.get_transport()
            if transport is None:
                raise OSError("the connection closed at once")
            return transport

    def _lost(self, step: str, error: Exception) -> HostError:
        return HostError(
            self.host.name,
            step,
            expected="the connection to last",
            seen=reason(error),
            remedy="check the host and the network, then run again: it resumes here",
        )
