"""Turn lab hosts into typical production hosts: hardened, verbose, shared with other programs.

Each function gives a host one property. The properties can be combined.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lab.machines import Lab, LabHost
from lab.machines.template import USER
from tests.lab.foreign import do

HOME = f"/home/{USER}"
KEYS = f"/etc/ssh/authorized_keys/{USER}"
"""The folder in which the host's sshd looks for keys, if configured."""
SUDO_PASSWORD = "canary sudo $pass-3b9d"
TEMPLATE = "/etc/cloud/templates/hosts.debian.tmpl"

_CHATTER = r"""
echo 'Welcome to n1a1. Authorized use only.'
echo '#no step of ours'
echo '=remedy none'
echo '@expected bm9uZQ=='
echo 'bash: warning: setlocale: LC_ALL: cannot change locale (en_US.UTF-8)' >&2
printf 'Last login: never '
"""


def sshd(host: LabHost, *lines: str) -> None:
    """Add settings to the host's sshd; they come first and take precedence."""
    text = "\n".join(lines)
    do(
        host,
        f"cat >>/etc/ssh/sshd_config.d/00-hardened.conf <<'END'\n{text}\nEND\n"
        "sshd -t && systemctl reload ssh",
    )


def greet(host: LabHost) -> None:
    """Add a login banner, and startup files and a motd that print on both outputs."""
    do(host, "printf 'sshd: WARNING\\nAll that you do is recorded.\\n' >/etc/issue.net")
    sshd(host, "Banner /etc/issue.net", "PrintMotd yes")
    do(
        host,
        "echo 'Maintenance on Sunday' >/etc/motd\n"
        f"for file in {HOME}/.bashrc {HOME}/.profile; do\n"
        # Before the line that ends a non-interactive shell.
        f"cat - \"$file\" >/tmp/chatty 2>/dev/null <<'END' || true\n{_CHATTER}\nEND\n"
        'mv /tmp/chatty "$file"; done\n'
        f"chown {USER}: {HOME}/.bashrc {HOME}/.profile",
    )


def forget_own_name(host: LabHost) -> None:
    """Give the host a name that does not resolve: sudo complains about it each time."""
    do(
        host,
        "echo stranger >/etc/hostname; hostname stranger\n"
        "sed -i 's/ myhostname//' /etc/nsswitch.conf\n"
        "! getent hosts stranger",
    )


def few_sessions(host: LabHost, most: int) -> None:
    """Limit the number of sessions per connection."""
    sshd(host, f"MaxSessions {most}")


def keys_elsewhere(host: LabHost) -> None:
    """Move all authorized keys to a folder of root's."""
    do(
        host,
        f"install -D -m 0644 {HOME}/.ssh/authorized_keys {KEYS}\nrm {HOME}/.ssh/authorized_keys",
    )
    sshd(host, "AuthorizedKeysFile /etc/ssh/authorized_keys/%u")


def keys_behind_a_link(host: LabHost) -> None:
    """Make authorized_keys a link to a file in another place."""
    do(
        host,
        f"cd {HOME}/.ssh; mkdir ../dotfiles; mv authorized_keys ../dotfiles/keys\n"
        f"chown {USER}: ../dotfiles; ln -s ../dotfiles/keys authorized_keys",
    )


def strict_sudo(host: LabHost) -> None:
    """Give sudo commands their own terminal and a strict umask."""
    do(
        host,
        "printf 'Defaults use_pty\\nDefaults umask=0077\\nDefaults umask_override\\n'"
        " >/etc/sudoers.d/strict; chmod 0440 /etc/sudoers.d/strict; visudo -cq\n"
        "echo 'umask 077' >>/etc/profile; sed -i '1i umask 077' /etc/bash.bashrc",
    )


def sudo_with_password(host: LabHost) -> None:
    """Make sudo ask for the account's password."""
    do(
        host,
        f"echo '{USER}:{SUDO_PASSWORD}' | chpasswd\n"
        f"sed -i 's/NOPASSWD: //' /etc/sudoers.d/{USER}; ! runuser -u {USER} -- sudo -n true",
    )


def another_locale(host: LabHost) -> None:
    """Set a German locale for logins; they complain if it is not installed."""
    do(
        host,
        "localedef -i de_DE -f UTF-8 de_DE.UTF-8 2>/dev/null || true\n"
        "printf 'LANG=de_DE.UTF-8\\nLC_ALL=de_DE.UTF-8\\n' |"
        " tee /etc/default/locale >>/etc/environment",
    )


def own_environment(host: LabHost) -> None:
    """Give logins and sudo an environment with options for programs, and root no login shell."""
    do(
        host,
        "printf 'TMOUT=900\nGREP_OPTIONS=--color=always\nPOSIXLY_CORRECT=1\nCDPATH=/usr\n"
        "MYSQL_HOST=10.9.9.9\nONE_XMLRPC=http://10.9.9.9:2633/RPC2\n"
        "BASH_ENV=/etc/profile.d/site.sh\n' >>/etc/environment\n"
        "printf 'set -u\nreadonly TMOUT=900\nalias rm=\"rm -i\"\nread -r -p Site? site\n'"
        " >/etc/profile.d/site.sh\n"
        "sed -i 's/^UMASK.*/UMASK 077/' /etc/login.defs; usermod -s /usr/sbin/nologin root",
    )


def noexec_tmp(host: LabHost) -> None:
    """Mount /tmp and /var/tmp without the right to execute files."""
    do(
        host,
        "mount -o remount,noexec,nosuid,nodev /tmp 2>/dev/null ||"
        " mount -t tmpfs -o noexec,nosuid,nodev,mode=1777 tmpfs /tmp\n"
        "mount -t tmpfs -o noexec,nosuid,nodev,mode=1777 tmpfs /var/tmp",
    )


def rewrite_hosts_at_boot(host: LabHost) -> None:
    """Do what cloud-init does with ``manage_etc_hosts: true``."""
    do(
        host,
        f"mkdir -p /etc/cloud/templates /etc/cloud/cloud.cfg.d\n"
        f"cat >{TEMPLATE} <<'END'\n## template:jinja\n"
        "127.0.0.1 localhost\n::1 localhost ip6-localhost\nEND\n"
        "printf 'manage_etc_hosts: true\\n' >/etc/cloud/cloud.cfg\n"
        "cat >/etc/systemd/system/cloud-init.service <<'END'\n"
        "[Unit]\nBefore=network-pre.target opennebula.service\n"
        "[Service]\nType=oneshot\nRemainAfterExit=yes\n"
        f"ExecStart=/bin/sh -c \"grep -v '^## ' {TEMPLATE} >/etc/hosts\"\n"
        "[Install]\nWantedBy=multi-user.target\nEND\n"
        "systemctl daemon-reload; systemctl enable cloud-init.service 2>/dev/null",
    )


def restart_all_after_installations(host: LabHost) -> None:
    """Restart services as needrestart does in its automatic mode, with the same exceptions."""
    do(
        host,
        "cat >/usr/local/sbin/needrestart-like <<'END'\n#!/bin/sh\n"
        '[ -z "$NEEDRESTART_SUSPEND" ] || exit 0\n'
        "systemctl try-restart opennebula.service\nEND\n"
        "chmod +x /usr/local/sbin/needrestart-like\n"
        "echo 'DPkg::Post-Invoke {\"/usr/local/sbin/needrestart-like\";};'"
        " >/etc/apt/apt.conf.d/99needrestart",
    )


@contextmanager
def locked(host: LabHost, *files: str) -> Iterator[Callable[[], None]]:
    """Hold the package manager's locks until the returned function is called, or to the end."""
    unit = "some-upgrade"
    program = "import fcntl, time; held = [open(file, 'w') for file in FILES]; "
    program += "[fcntl.lockf(file, fcntl.LOCK_EX) for file in held]; time.sleep(3600)"
    program = program.replace("FILES", repr(list(files)))
    do(host, f'systemd-run -q --unit={unit} python3 -c "{program}"')

    def release() -> None:
        host.run(f"systemctl stop {unit}; systemctl reset-failed {unit}")

    try:
        yield release
    finally:
        release()


def harden(lab: Lab, names: list[str]) -> None:
    """Give three hosts all properties that can be combined."""
    first, second, third = (lab.host(name) for name in names)
    for host in (first, second, third):
        greet(host)
        strict_sudo(host)
        noexec_tmp(host)
        rewrite_hosts_at_boot(host)
        restart_all_after_installations(host)
    another_locale(first)
    own_environment(second)
    sudo_with_password(third)
    few_sessions(first, 1)
    few_sessions(second, 2)
    keys_elsewhere(second)
    keys_behind_a_link(third)
