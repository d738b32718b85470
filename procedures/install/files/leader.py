"""Our Raft hook, and the leader check for load balancers."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from hosts.errors import HostError
from opennebula import raft_hook
from opennebula.zone import in_url
from procedures.install.files.managed import ManagedFile, ours, own_file
from procedures.specs import InstallationSpec

HOOK = raft_hook.path(raft_hook.OURS)
ANNOUNCE = "/usr/local/lib/opennebula-ha/announce"
SUDOERS = "/etc/sudoers.d/opennebula-ha"
LEADS = "/usr/local/lib/opennebula-ha/leads"
SOCKET_UNIT = "opennebula-ha-leader.socket"
SOCKET = f"/etc/systemd/system/{SOCKET_UNIT}"
SERVICE = "/etc/systemd/system/opennebula-ha-leader@.service"
PATHS = (HOOK, ANNOUNCE, SUDOERS, LEADS, SOCKET, SERVICE)

_MAY_NOT = "oneadmin may not run ip address by sudo, without which no hook can move a VIP"
_HOOK_COMMANDS = """\
Defaults:oneadmin !requiretty
oneadmin ALL=(root) NOPASSWD: /usr/sbin/ip address *, /sbin/ip address *, /usr/bin/arping, \\
    /usr/sbin/arping, /usr/bin/systemctl start opennebula-flow, \\
    /usr/bin/systemctl stop opennebula-flow, /usr/bin/systemctl start opennebula-gate, \\
    /usr/bin/systemctl stop opennebula-gate, /usr/bin/systemctl start opennebula-form, \\
    /usr/bin/systemctl stop opennebula-form, /usr/bin/systemctl start opennebula-hem, \\
    /usr/bin/systemctl stop opennebula-hem
"""
"""Commands of OpenNebula's own hook, as the packages' sudoers file allows them."""

_PROGRAMS = Path(__file__).parent / "programs"
_LISTEN = """\
[Unit]
Description=Whether this front-end leads OpenNebula's zone, for load balancers

[Socket]
ListenStream={listen}
FreeBind=yes
Accept=yes
MaxConnections=32
# Many questions are no reason to answer none any more.
TriggerLimitIntervalSec=0

[Install]
WantedBy=sockets.target
"""
_ANSWER = f"""\
[Unit]
Description=The answer whether this front-end leads OpenNebula's zone
CollectMode=inactive-or-failed

[Service]
ExecStart=-{LEADS} --http
User=oneadmin
StandardInput=socket
StandardError=journal
RuntimeMaxSec=10
MemoryMax=64M
TasksMax=8
NoNewPrivileges=yes
ProtectSystem=strict
PrivateDevices=yes
CapabilityBoundingSet=
# Each question is worth no line in the journal.
LogLevelMax=warning
"""


def files(
    spec: InstallationSpec, present: Mapping[str, str], *, sudo_refusal: str = ""
) -> Iterator[ManagedFile]:
    """Yield the files of the hook, if a role uses it, and of the leader check, if it has a port.

    ``sudo_refusal``: what sudo says if oneadmin may not move a VIP with it. The package's sudoers
    file allows it; without that file, ours does.
    """
    # The hook is not removed: an oned that has not restarted yet may still run it when it stops.
    stays = bool(present.get(HOOK)) and not ours(present[HOOK], "")
    yield own_file(HOOK, program("vips.sh") if spec.has_hook or stays else "", "755", "oneadmin")
    yield own_file(ANNOUNCE, program("announce.py") if spec.has_hook else "", "755")
    allowed = f"oneadmin ALL=(root) NOPASSWD: {ANNOUNCE}\n" if spec.has_hook else ""
    lacks = moves_vips(spec) and bool(sudo_refusal)
    if lacks or (moves_vips(spec) and _HOOK_COMMANDS in present.get(SUDOERS, "")):
        allowed += _HOOK_COMMANDS
    yield replace(
        own_file(SUDOERS, allowed, "440"),
        differences=lambda *_: (f"{_MAY_NOT} ({sudo_refusal})",) if lacks else (),
    )
    listen = f"{in_url(spec.host.address)}:{spec.leader_check}"
    has_leads = has_check(spec) or spec.has_hook or spec.backup is not None
    yield own_file(LEADS, program("leads.sh") if has_leads else "", "755")
    yield own_file(SOCKET, _LISTEN.format(listen=listen) if has_check(spec) else "", "644")
    yield own_file(SERVICE, _ANSWER if has_check(spec) else "", "644")


def moves_vips(spec: InstallationSpec) -> bool:
    """Return whether Raft's hooks move a VIP there."""
    return spec.hooks is not None and bool(spec.vips)


def refused_by_sudo(host: str, said: str) -> HostError:
    """Return the error for a host whose sudo stops the hooks, whatever OpenNebula's file allows."""
    has_tty = "tty" in said
    return HostError(
        host,
        "ask sudo what oneadmin may do",
        expected="commands that /etc/sudoers.d/opennebula allows, without a terminal and without a"
        " password: Raft's hooks move the VIP by them",
        seen=said,
        remedy="sudo obeys the last line that fits, and reads /etc/sudoers.d by name: move "
        + ("'Defaults requiretty'" if has_tty else "the rule that asks for a password")
        + " to a file that comes before opennebula, such as /etc/sudoers.d/00-local"
        + (
            "; or add 'Defaults:oneadmin !requiretty' to one that comes last, such as"
            " /etc/sudoers.d/zz-oneadmin"
            if has_tty
            else ", and have /etc/sudoers include that folder in its last line"
        ),
    )


def has_check(spec: InstallationSpec) -> bool:
    """Return whether the front-end has the leader check."""
    return spec.hooks is not None and spec.leader_check is not None


def program(name: str) -> str:
    """Return the text of a program that runs on the hosts."""
    return (_PROGRAMS / name).read_text(encoding="utf-8")
