"""The errors of a connection, as operators see them."""

import re

import paramiko

from hosts import answer
from hosts.errors import HostError
from hosts.models import Host
from hosts.private_keys import Keys
from hosts.shell import Ended
from hosts.ssh_config import Login

_SUDO = re.compile(
    "^sudo:|^Sorry, user |is not in the sudoers file|is not allowed to (run|execute)"
)


def login_refused(host: Host, login: Login, keys: Keys) -> HostError:
    """Return the error of a login that sshd refused."""
    locked = keys.locked()
    return HostError(
        host.name,
        "log in",
        expected=f"{login.user}@{login.address} to accept {keys}",
        seen="authentication refused" + (f"; {locked[0]} has a passphrase" if locked else ""),
        remedy=(f"run ssh-add {locked[0]}, if that is the key; or " if locked else "")
        + "add the public key to that user's authorized_keys, or correct"
        " opennebula-ha:ssh user, private_key_file or private_key",
    )


def command_refused(host: Host, user: str, ended: Ended, *, has_password: bool) -> HostError:
    """Return the error of a command that the login shell or sudo did not run.

    ``has_password``: sudo got a password.
    """
    lines = [line for line in ended.stderr.splitlines() if line.strip()]
    # sudo also prints warnings, such as a name that it cannot resolve.
    sudo = [line for line in lines if _SUDO.search(line) and "unable to resolve" not in line]
    if re.search(r"\btty\b", "\n".join(sudo)):
        return HostError(
            host.name,
            "become root",
            expected="sudo without a terminal",
            seen=sudo[-1],
            remedy=f"add 'Defaults:{user} !requiretty' to a file in /etc/sudoers.d,"
            " or log in as root",
        )
    if sudo:
        return HostError(
            host.name,
            "become root",
            expected=f"sudo for {user}" if has_password else f"sudo without a password for {user}",
            seen=sudo[-1],
            remedy=f"add '{user} ALL=(ALL) NOPASSWD: ALL' to a file in /etc/sudoers.d, set"
            " the password (pulumi config set --secret --path ssh.sudo_password), or log in as"
            " root",
        )
    output = [*lines, *ended.stdout.splitlines()][-3:]
    return HostError(
        host.name,
        "start a shell",
        expected=f"a login shell for {user} that runs commands",
        seen="\n".join(output).strip() or f"exit status {ended.status}",
        remedy=f"make sure that 'ssh {user}@{host.login_address} bash -c true' works: the"
        " login shell in /etc/passwd, its startup files such as ~/.bashrc, a ForceCommand in"
        " sshd_config, and that bash is installed",
    )


def too_much_output(host: Host, user: str, step: str, start: str) -> HostError:
    """Return the error of an output that is too large; ``start`` is its beginning."""
    return HostError(
        host.name,
        step,
        expected=f"an answer of at most {answer.MOST >> 20} MiB",
        seen=f"more, which begins with {start!r}",
        remedy=f"find out what prints that: a startup file of {user} such as ~/.bashrc, or a"
        " program on the host that is not the one of the distribution; then run again",
    )


def connection_lost(host: Host, step: str, error: Exception) -> HostError:
    """Return the error of a connection that broke during a step."""
    return HostError(
        host.name,
        step,
        expected="the connection to last",
        seen=reason(error),
        remedy="check the host and the network, then run again: it resumes here",
    )


def reason(error: Exception) -> str:
    """Return why a connection failed, in words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, paramiko.ssh_exception.NoValidConnectionsError):
        return ", ".join(sorted({reason(failure) for failure in error.errors.values()}))
    if isinstance(error, OSError) and error.strerror:
        return error.strerror + (f": {error.filename}" if error.filename else "")
    return str(error) or type(error).__name__
