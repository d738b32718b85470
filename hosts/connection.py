"""One SSH connection to one host: run scripts there, open streams to its ports."""

import contextlib
import logging
import secrets
import shlex
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import paramiko

from hosts import agent, answer, host_keys, private_keys, ssh_config, sudo
from hosts.errors import HostError, no_room
from hosts.models import Host, SshSettings
from hosts.script import Output, Script, parse
from hosts.shell import START, Ended, OverdueError, Progress, Shell

# It logs each refused connection to an oned that is not up yet; what matters reaches the operator.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)

CONNECT_TIMEOUT = 15.0
"""Seconds for each stage of logging in: the SSH banner, authentication."""

TCP_TIMEOUT = 10.0
"""Seconds for the TCP connection: three of its packets may be lost."""

KEEPALIVE = 15
"""Seconds between two signs of life on an idle connection."""
SILENCE = 45
"""Seconds without an answer to one, after which the connection is lost."""

LEAST_ROOM = 16 << 20
"""Bytes: a disk with less is full, as far as our work is concerned."""

_WRITTEN = "/ /etc /run /tmp /var /var/{backups,cache/{apt,dnf,zypp},lib,lib/mysql,lib/one,log}"
"""Where our work writes: each may be a disk of its own."""

_HELD_BY_ANOTHER = 75
"""flock's exit status if another program holds the lock."""

RETRY_AFTER = 5.0
"""Seconds after which a host that could not be reached is tried again."""


class Connection:
    """A connection that is verified, logged in and kept until the end of the operation."""

    def __init__(
        self, host: Host, settings: SshSettings, login: ssh_config.Login | None = None
    ) -> None:
        """``login``: the way to it, instead of the one in the stack and in ~/.ssh/config."""
        self.host = host
        self._settings = settings
        self._given_login = login
        self._jump_hosts: list[Connection] = []
        self._client: paramiko.SSHClient | None = None
        self._further: list[paramiko.SSHClient] = []
        self._refusal: tuple[float, HostError] | None = None
        self._met: paramiko.PKey | None = None
        """The host's key, once it was accepted."""
        self._lock = threading.Lock()
        self._held: set[tuple[str, int]] = set()
        self._idle: list[Shell] = []

    def connect(self) -> None:
        """Connect and log in, where that is not done yet. Raises HostError."""
        self._transport()

    @cached_property
    def login(self) -> ssh_config.Login:
        """The way to the host. Raises HostError."""
        return self._given_login or ssh_config.login(self.host, self._settings)

    @property
    def user(self) -> str:
        """The account that is logged in to. Raises HostError."""
        return self.login.user

    @property
    def port(self) -> int:
        """The port of the host's sshd. Raises HostError."""
        return self.login.port

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
                report = progress or (lambda _: None)
                ended = shell.run(
                    script.text(), lambda step: report(self._shown(script, step)), script.timeout
                )
        except OverdueError as error:
            steps = parse(error.stdout).steps
            raise self._failed(
                self._shown(script, steps[-1]) if steps else script.title,
                expected=f"an end within {script.timeout:.0f} s",
                seen="still at it",
                remedy="look at the load and the journal of the host, then run again",
            ) from None
        except answer.EndlessError as error:
            raise self._endless(script.title, self._shown(script, error.start)) from None
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

        def move(channel: paramiko.Channel, deadline: float) -> bool:
            with file.open("rb") as source:
                while (data := source.read(1 << 20)) and time.monotonic() < deadline:
                    channel.sendall(data)
            if not data:
                channel.shutdown_write()
            return not data

        status, said = self._copy(title, f"sh -c {shlex.quote(command)}", move, timeout)
        if status:
            raise self._failed(
                title,
                expected=f"room for it in {folder}",
                seen=said,
                remedy=f"see that {self.user} may write to {folder} there with sudo, and that there"
                " is room; then run again",
            )

    def receive(self, path: str, file: Path, timeout: float) -> None:
        """Copy a file from there, which root can read, to a file that only this account can read.

        Raises HostError where it does not arrive whole within that many seconds.
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

        status, said = self._copy(title, f"cat {shlex.quote(path)}", move, timeout)
        if status:
            partial.unlink(missing_ok=True)
            raise self._failed(
                title,
                expected="a file that root can read",
                seen=said,
                remedy="see what it is on that host, then run again",
            )
        partial.replace(file)

    def _copy(
        self,
        title: str,
        command: str,
        move: Callable[[paramiko.Channel, float], bool],
        timeout: float,
    ) -> tuple[int, str]:
        """Run one end of a copy as root there; return its exit status and what it says of it.

        ``move`` is the other end, until a moment (monotonic): it returns whether it moved all.
        Raises HostError if it did not, or if the connection is lost.
        """
        channel = self._channel(title)
        deadline = time.monotonic() + timeout
        try:
            self._start_as_root(channel, command)
            channel.settimeout(SILENCE)
            if not move(channel, deadline):
                raise TimeoutError
            deadline = max(deadline, time.monotonic() + SILENCE)
            said = answer.read_all(channel, channel.recv_stderr, deadline).decode(errors="replace")
            status = answer.exit_status(channel, deadline)
        except answer.EndlessError as error:
            raise self._endless(title, error.start) from None
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise self._lost(title, error) from None
        finally:
            channel.close()
        return status, said.strip() or f"exit status {status}"

    @contextmanager
    def hold(self, path: str, timeout: float) -> Iterator[None]:
        """Hold a lock file on the host; it falls with the connection, whatever ends it.

        A thread that holds it already does not wait for itself.
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
            wait = f"flock --close -w {int(timeout)} -E {_HELD_BY_ANOTHER} {path}"
            try:
                self._start_as_root(channel, f"{wait} -c 'echo; echo {mark}; exec cat >/dev/null'")
                # A login shell may print anything before.
                said = bytearray()
                while f"\n{mark}\n".encode() not in said:
                    answer.check(deadline, said)
                    channel.settimeout(max(deadline - time.monotonic(), 0.01))
                    data = channel.recv(4096)
                    if not data:
                        raise self._not_held(path, title, timeout, said, channel)
                    said += data
            except answer.EndlessError as error:
                raise self._endless(title, error.start) from None
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
        return self._no_shell(Ended(status, said.decode(errors="replace"), errors, started=False))

    def open_stream(
        self, port: int, timeout: float, address: str = "127.0.0.1"
    ) -> paramiko.Channel:
        """A stream from the host to a port of its own loopback, or of another host.

        Raises OSError if no program listens there.
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
                channel.exec_command(f"bash -c 'df -Pk {_WRITTEN}' 2>/dev/null")
                deadline = time.monotonic() + CONNECT_TIMEOUT
                table = answer.read_all(channel, channel.recv, deadline)
        except (HostError, OSError, EOFError, answer.EndlessError, paramiko.SSHException):
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
            for jump_host in self._jump_hosts:
                jump_host.close()
            self._jump_hosts.clear()

    @property
    def _sudo_password(self) -> str | None:
        """The password for sudo; None if there is nothing to give to it."""
        secret = self._settings.sudo_password
        return None if secret is None or self.user == "root" else secret.get_secret_value()

    @property
    def _as_root(self) -> str:
        return "" if self.user == "root" or self._sudo_password else sudo.UNASKED

    def _start_as_root(self, channel: paramiko.Channel, command: str) -> None:
        if (password := self._sudo_password) is None:
            channel.exec_command(f"{self._as_root}{command}")
            return
        with self._told_of_sudo():
            sudo.start(channel, command, password, START)

    @contextmanager
    def _told_of_sudo(self) -> Iterator[None]:
        """Raise what sudo says, if it does not accept the password, as an error for operators."""
        try:
            yield
        except sudo.RefusedError as error:
            if not error.wrong_password:
                raise self._no_shell(Ended(1, "", error.said, started=False)) from None
            raise HostError(
                self.host.name,
                "become root",
                expected=f"opennebula-ha:ssh sudo_password to be the password of {self.user}",
                seen=f"sudo: {error.said}",
                remedy="correct it: pulumi config set --secret --path ssh.sudo_password",
            ) from None

    @contextmanager
    def _shell(self, title: str, *, lend_agent: bool) -> Iterator[Shell]:
        """For one script. It is kept for the next, unless it came to grief or has the agent."""
        if lend_agent and self._settings.forward_agent and agent.has_keys():
            # sshd offers what is forwarded to all that runs on a connection: this is its own.
            with contextlib.closing(self._connect()) as client:
                channel = self._channel(title, client.get_transport())
                with agent.lent(channel):
                    yield self._new_shell(channel, f'env {agent.SOCKET}="$SSH_AUTH_SOCK" ')
            return
        shell = self._idle_shell() or self._new_shell(self._channel(title))
        try:
            yield shell
        except BaseException:
            shell.close()
            raise
        self._idle.append(shell)

    def _new_shell(self, channel: paramiko.Channel, prefix: str = "") -> Shell:
        with self._told_of_sudo():
            return Shell(channel, f"{self._as_root}{prefix}", self._sudo_password)

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
            raise self._no_shell(ended)
        output = parse(ended.stdout)
        if ended.status == 0:
            return output
        step = self._shown(script, output.steps[-1]) if output.steps else script.title
        errors = self._shown(script, ended.stderr)
        values = {name: self._shown(script, value) for name, value in output.values.items()}
        if "remedy" in values:
            raise self._failed(
                step,
                expected=values["expected"],
                seen=values["seen"],
                remedy=values["remedy"],
            )
        if ended.status == -1:
            raise self._lost(step, ConnectionError("the connection broke off"))
        said = (errors.strip() or self._shown(script, output.noise).strip()).splitlines()[-6:]
        command = values.get("failed", "").strip().partition("\n")[0]
        of = f" of '{command}'" if command else ""
        raise self._failed(
            step,
            expected="success",
            seen=f"exit status {ended.status}{of}: " + ("\n".join(said) or "silence"),
            remedy=(f"run that command on {self.host.name}" if command else "look at the journal")
            + " to find the cause and correct it, then run again: the run resumes here",
        )

    def _shown(self, script: Script, text: str) -> str:
        """What a host said to a script, without any secret that it may know."""
        password = self._sudo_password
        text = script.redact(text)
        return text.replace(password, "********") if password else text

    def _no_shell(self, ended: Ended) -> HostError:
        """Return the error of a command that the login shell or sudo did not run."""
        lines = [line for line in ended.stderr.splitlines() if line.strip()]
        # Sudo also reports what does not stop it, such as a name that does not resolve.
        sudo = [
            line for line in lines if line.startswith("sudo:") and "unable to resolve" not in line
        ]
        if "tty" in "".join(sudo):
            return HostError(
                self.host.name,
                "become root",
                expected="sudo without a terminal",
                seen=sudo[-1],
                remedy=f"add 'Defaults:{self.user} !requiretty' to a file in /etc/sudoers.d,"
                " or log in as root",
            )
        if sudo:
            return HostError(
                self.host.name,
                "become root",
                expected=f"sudo without a password for {self.user}"
                if self._sudo_password is None
                else f"sudo for {self.user}",
                seen=sudo[-1],
                remedy=f"add '{self.user} ALL=(ALL) NOPASSWD: ALL' to a file in /etc/sudoers.d, set"
                " the password (pulumi config set --secret --path ssh.sudo_password), or log in as"
                " root",
            )
        said = [*lines, *ended.stdout.splitlines()][-3:]
        return HostError(
            self.host.name,
            "start a shell",
            expected=f"a login shell for {self.user} that runs commands",
            seen="\n".join(said).strip() or f"exit status {ended.status}",
            remedy=f"see that 'ssh {self.user}@{self.host.login_address} bash -c true' works: the"
            " login shell in /etc/passwd, its startup files such as ~/.bashrc, a ForceCommand in"
            " sshd_config, and that bash is installed",
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
        client = self._connect()
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
                self._client = self._reconnect()
                transport = self._client.get_transport()
            if transport is None:
                raise OSError("the connection closed at once")
            return transport

    def _reconnect(self) -> paramiko.SSHClient:
        """A host that could not be reached is not tried again for a while: waits stay waits."""
        if self._refusal is not None and time.monotonic() < self._refusal[0]:
            raise self._refusal[1]
        try:
            return self._connect()
        except HostError as error:
            self._refusal = (time.monotonic() + RETRY_AFTER, error)
            raise

    def _connect(self) -> paramiko.SSHClient:
        settings, login = self._settings, self.login
        client = paramiko.SSHClient()
        trusted = host_keys.trust(client, self.host, login.port, settings, self._met)
        keys = private_keys.find(self.host.name, login, settings)
        try:
            client.connect(
                login.address,
                login.port,
                login.user,
                pkey=keys.first,
                key_filename=[str(file) for file in keys.files],  # type: ignore[arg-type]
                allow_agent=keys.agent,
                look_for_keys=keys.defaults,
                timeout=TCP_TIMEOUT,
                banner_timeout=CONNECT_TIMEOUT,
                auth_timeout=CONNECT_TIMEOUT,
                sock=self._way(),
                transport_factory=trusted.make_transport,
            )
        except paramiko.AuthenticationException:
            client.close()
            raise self._refused(keys) from None
        except (OSError, EOFError, paramiko.SSHException) as error:
            client.close()
            raise HostError(
                self.host.name,
                "connect",
                expected=f"an SSH server at {login.address} port {login.port}",
                seen=_reason(error),
                remedy=f"check '{login.proxy_command}', the ProxyCommand in {settings.config_file}"
                if login.proxy_command
                else "check that the host is up and that this machine reaches that port",
            ) from None
        except HostError:
            client.close()
            raise
        transport = client.get_transport()
        if transport is not None:
            self._met = transport.get_remote_server_key()
            transport.set_keepalive(KEEPALIVE)
            _end_on_silence(transport.sock)
        return client

    def _refused(self, keys: private_keys.Keys) -> HostError:
        locked = keys.locked()
        return HostError(
            self.host.name,
            "log in",
            expected=f"{self.user}@{self.login.address} to accept {keys}",
            seen="authentication refused" + (f"; {locked[0]} has a passphrase" if locked else ""),
            remedy=(f"run ssh-add {locked[0]}, if that is the key; or " if locked else "")
            + "add the public key to that user's authorized_keys, or correct"
            " opennebula-ha:ssh user, private_key_file or private_key",
        )

    def _way(self) -> Any:
        """Return what leads to the host's sshd, if that is not a connection of its own."""
        login = self.login
        if login.proxy_command:
            return paramiko.ProxyCommand(login.proxy_command)
        if not login.hops:
            return None
        *before, last = login.hops
        jump_host = Connection(
            Host(name=last.address, address=last.address),
            self._settings,
            replace(last, hops=tuple(before)),
        )
        self._jump_hosts.append(jump_host)
        try:
            return jump_host._transport().open_channel(
                "direct-tcpip",
                (login.address, login.port),
                ("127.0.0.1", 0),
                timeout=CONNECT_TIMEOUT,
            )
        except paramiko.ChannelException as error:
            raise HostError(
                self.host.name,
                "connect",
                expected=f"the bastion {last.address} to reach {login.address} port {login.port}",
                seen=error.text.lower(),
                remedy="check that the host is up and that the bastion reaches that port; its sshd"
                " must allow TCP forwarding",
            ) from None

    def _endless(self, step: str, start: str) -> HostError:
        return HostError(
            self.host.name,
            step,
            expected=f"an answer of at most {answer.MOST >> 20} MiB",
            seen=f"more, which begins with {start!r}",
            remedy=f"look what prints that: a startup file of {self.user} such as ~/.bashrc, or a"
            " program on the host that is not the one of the distribution; then run again",
        )

    def _lost(self, step: str, error: Exception) -> HostError:
        return HostError(
            self.host.name,
            step,
            expected="the connection to last",
            seen=_reason(error),
            remedy="check the host and the network, then run again: it resumes here",
        )


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, paramiko.ssh_exception.NoValidConnectionsError):
        return ", ".join(sorted({_reason(failure) for failure in error.errors.values()}))
    if isinstance(error, OSError) and error.strerror:
        return error.strerror + (f": {error.filename}" if error.filename else "")
    return str(error) or type(error).__name__


def _end_on_silence(sock: object) -> None:
    """Have the kernel end a connection whose far end acknowledges nothing any more."""
    if isinstance(sock, socket.socket) and hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE * 1000)
