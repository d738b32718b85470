"""Log in to a host over SSH, through a bastion if the stack has one."""

import io
import logging
import socket
import time

import paramiko

from hosts import host_keys
from hosts.errors import HostError
from hosts.models import Host, SshSettings, parse_bastion
from hosts.shell import Ended

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

RETRY_AFTER = 5.0
"""Seconds after which a host that could not be reached is tried again."""


class Login:
    """How to log in to one host, by the settings of the stack and its own."""

    def __init__(self, host: Host, settings: SshSettings) -> None:
        self.host = host
        self.user = host.ssh.user or settings.user
        self.port = host.ssh.port or settings.port
        self._settings = settings
        self._refusal: tuple[float, HostError] | None = None

    def connect(self) -> paramiko.SSHClient:
        """Open a connection, with its host key verified. Raises HostError."""
        settings = self._settings
        client = paramiko.SSHClient()
        trusted = host_keys.trust(client, self.host, self.port, settings)
        key = self._private_key()
        try:
            client.connect(
                self.host.address,
                self.port,
                self.user,
                pkey=key,
                allow_agent=key is None,
                look_for_keys=key is None,
                timeout=TCP_TIMEOUT,
                banner_timeout=CONNECT_TIMEOUT,
                auth_timeout=CONNECT_TIMEOUT,
                sock=self._through_bastion(),
                transport_factory=trusted.make_transport,
            )
        except paramiko.AuthenticationException:
            client.close()
            raise self._refused(key) from None
        except (OSError, EOFError, paramiko.SSHException) as error:
            client.close()
            raise HostError(
                self.host.name,
                "connect",
                expected=f"an SSH server at {self.host.address} port {self.port}",
                seen=reason(error),
                remedy="check that the host is up and that this machine reaches that port",
            ) from None
        except HostError:
            client.close()
            raise
        transport = client.get_transport()
        if transport is not None:
            transport.set_keepalive(KEEPALIVE)
            _give_up_on_silence(transport.sock)
        return client

    def connect_unless_refused(self) -> paramiko.SSHClient:
        """A host that could not be reached is not tried again for a while: waits stay waits."""
        if self._refusal is not None and time.monotonic() < self._refusal[0]:
            raise self._refusal[1]
        try:
            return self.connect()
        except HostError as error:
            self._refusal = (time.monotonic() + RETRY_AFTER, error)
            raise

    def no_shell(self, ended: Ended) -> HostError:
        """Return the error of a command that the login shell or sudo did not run."""
        lines = [line for line in ended.stderr.splitlines() if line.strip()]
        # Sudo also complains of what it goes on with, such as a name that does not resolve.
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
                expected=f"sudo without a password for {self.user}",
                seen=sudo[-1],
                remedy=f"add '{self.user} ALL=(ALL) NOPASSWD: ALL' to a file in /etc/sudoers.d,"
                " or log in as root",
            )
        said = [*lines, *ended.stdout.splitlines()][-3:]
        return HostError(
            self.host.name,
            "start a shell",
            expected=f"a login shell for {self.user} that runs commands",
            seen="\n".join(said).strip() or f"exit status {ended.status}",
            remedy=f"see that 'ssh {self.user}@{self.host.address} bash -c true' works: the login"
            " shell in /etc/passwd, its startup files such as ~/.bashrc, a ForceCommand in"
            " sshd_config, and that bash is installed",
        )

    def _refused(self, key: paramiko.PKey | None) -> HostError:
        offered = host_keys.fingerprint(key) if key is not None else "the agent's and default keys"
        return HostError(
            self.host.name,
            "log in",
            expected=f"{self.user}@{self.host.address} to accept {offered}",
            seen="authentication refused",
            remedy="add the public key to that user's authorized_keys, or correct"
            " opennebula-ha:ssh user, private_key_file or private_key",
        )

    def _private_key(self) -> paramiko.PKey | None:
        settings = self._settings
        if settings.private_key is not None:
            place, key = "opennebula-ha:ssh private_key", "key"
        elif settings.private_key_file is not None:
            place, key = str(settings.private_key_file.expanduser()), "path"
        else:
            return None
        try:
            if settings.private_key is not None:
                return _key_from_text(settings.private_key.get_secret_value())
            return paramiko.PKey.from_path(place)
        except OSError as error:
            seen = reason(error)
        except (paramiko.PasswordRequiredException, TypeError):
            seen = "a key with a passphrase"
        except (ValueError, paramiko.SSHException, paramiko.pkey.UnknownKeyType):
            seen = "something else"
        raise HostError(
            self.host.name,
            "read the SSH key",
            expected=f"a private key in {place}",
            seen=seen,
            remedy=f"correct that {key}; a key with a passphrase belongs in the agent",
        )

    def _through_bastion(self) -> paramiko.Channel | None:
        if self._settings.bastion is None:
            return None
        user, name, port = parse_bastion(self._settings.bastion, self.user)
        bastion = Login(
            Host.model_validate(
                {"name": name, "address": name, "ssh": {"user": user, "port": port}}
            ),
            self._settings.model_copy(update={"bastion": None}),
        )
        transport = bastion.connect().get_transport()
        if transport is None:
            raise OSError("the connection closed at once")
        try:
            return transport.open_channel(
                "direct-tcpip",
                (self.host.address, self.port),
                ("127.0.0.1", 0),
                timeout=CONNECT_TIMEOUT,
            )
        except paramiko.ChannelException as error:
            raise HostError(
                self.host.name,
                "connect",
                expected=f"the bastion {name} to reach {self.host.address} port {self.port}",
                seen=error.text.lower(),
                remedy="check that the host is up and that the bastion reaches that port; its sshd"
                " must allow TCP forwarding",
            ) from None


def _key_from_text(text: str) -> paramiko.PKey:
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            key: paramiko.PKey = kind.from_private_key(io.StringIO(text))
        except paramiko.SSHException:
            continue
        return key
    raise ValueError("no key of a known type")


def reason(error: Exception) -> str:
    """Describe a failure of the network, in the system's words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, paramiko.ssh_exception.NoValidConnectionsError):
        return ", ".join(sorted({reason(one) for one in error.errors.values()}))
    if isinstance(error, OSError) and error.strerror:
        return error.strerror + (f": {error.filename}" if error.filename else "")
    return str(error) or type(error).__name__


def _give_up_on_silence(sock: object) -> None:
    """Have the kernel end a connection whose far end acknowledges nothing any more."""
    if isinstance(sock, socket.socket) and hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE * 1000)
