"""What preflight observes on a host, in addition to its facts: see preflight.sh."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from procedures.facts.fact import columns, fact, finite, lines, pairs, parsed, reported, shell

_EVERYWHERE = ("0.0.0.0", "*", "[::]")  # noqa: S104 - as ss prints it


@dataclass(frozen=True)
class ClockReading:
    """Limits of how many seconds a host's clock is ahead of this machine's."""

    least: float
    most: float

    @classmethod
    def compared(cls, sent: float, begun: float, ended: float, received: float) -> "ClockReading":
        """Compare a script's begin and end, by the host's clock, with the time here around it.

        The time that the script itself takes does not make the result less exact.
        """
        return cls(*sorted((ended - received, begun - sent)))

    @property
    def ahead(self) -> float:
        """The most probable number of seconds."""
        return (self.least + self.most) / 2

    @property
    def doubt(self) -> float:
        """The largest error of ``ahead``, in seconds."""
        return (self.most - self.least) / 2


@dataclass(frozen=True)
class Room:
    """Free bytes of a file system, and its mount point."""

    mount: str
    free: int


@dataclass(frozen=True)
class Listener:
    """The program that listens at a port, and its addresses."""

    process: str
    addresses: tuple[str, ...]

    def answers_at(self, address: str) -> bool:
        """Return whether other hosts that connect to that address reach it."""
        return any(own in (*_EVERYWHERE, address) for own in self.addresses)


def _sshd(text: str) -> dict[str, dict[str, tuple[str, ...]]]:
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for line in text.splitlines():
        address, name, value = (*line.split(" ", 2), "")[:3]
        known = found.setdefault(address, {})
        known[name.lower()] = (*known.get(name.lower(), ()), value)
    return found


def _vip_files(text: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        address, _, file = line.partition(" ")
        found[address] = (*found.get(address, ()), file)
    return found


def _by_path(text: str) -> dict[str, str]:
    lines = (line.partition("\t") for line in text.splitlines())
    return {path: seen for path, _, seen in lines if seen}


def _listening(text: str) -> dict[int, Listener]:
    found: dict[int, Listener] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) < 4:
            continue
        address, _, port = words[3].rpartition(":")
        process = re.search(r'\(\("([^"]+)"', line)
        number = int(port)
        known = found[number].addresses if number in found else ()
        found[number] = Listener(process[1] if process else "another program", (*known, address))
    return found


def _name_sources(line: str) -> tuple[str, ...]:
    """Return the sources in order, without the actions in brackets."""
    text = line.partition("#")[0].removeprefix("hosts:")
    return tuple(re.sub(r"\[[^]]*\]", " ", text).split())


@dataclass(frozen=True)
class Probe:
    """What preflight observes on one host. ``fact`` describes how."""

    clock: ClockReading
    distribution: str = fact('echo "$ID"', str)
    release: str = fact('echo "$VERSION_ID"', str)
    has_systemd: bool = fact("[ ! -d /run/systemd/system ] || echo yes", bool, default=True)
    memory: int = fact(
        "awk '$1 == \"MemTotal:\" {print $2}' /proc/meminfo",
        lambda text: int(text) << 10,
        default=0,
    )
    """Bytes."""
    room: Mapping[str, Room] = fact(
        """for path in $paths; do
        there=$path
        until [ -e "$there" ]; do there=$(dirname "$there"); done
        timeout 10 df -Pk "$there" | awk -v path="$path" 'NR == 2 {print path, $4, $6}'
    done""",
        lambda text: {path: Room(mount, int(free) << 10) for path, free, mount in columns(text, 3)},
    )
    """By the path that was asked for."""
    macs: frozenset[str] = fact(
        "ip -o link show", lambda text: frozenset(re.findall(r"link/ether (\S+)", text))
    )
    neighbours: Mapping[str, str] = reported(
        lambda text: dict(re.findall(r"^(\S+) .*\blladdr (\S+)", text, re.MULTILINE))
    )
    """By address: the MAC that answered for it on the link."""
    listening: Mapping[int, Listener] = fact("ss -Hltnp 2>/dev/null || true", _listening)
    """By port."""
    reached: Mapping[tuple[str, int], str] = fact(
        """while read -r address port; do
        [ -z "$port" ] || knock "$address" "$port" &
    done < <(printf '%s\\n' "$targets"); wait""",
        lambda text: {(address, int(port)): said for address, port, said in columns(text, 3)},
    )
    """By address and port: ``open``, or the system's reason why not."""
    name_sources: tuple[str, ...] = fact(
        "grep '^hosts:' /etc/nsswitch.conf 2>/dev/null || true",
        _name_sources,
        default=("files", "dns"),
    )
    """The sources of names in the order of nsswitch.conf."""
    is_enforcing: bool = fact("cat /sys/fs/selinux/enforce 2>/dev/null || true", "1".__eq__)
    """Whether SELinux enforces its policy."""
    has_apparmor: bool = fact(
        "cat /sys/module/apparmor/parameters/enabled 2>/dev/null || true", "Y".__eq__
    )
    has_python: bool = fact("type -P python3 || true", bool, default=True)
    """Whether Python 3 is installed."""
    login: str = fact('echo "$login"', str, default="root")
    """The account that this program logs in with."""
    groups: tuple[str, ...] = fact("""id -Gnz "$login" | tr '\\0' '\\n'""", lines)
    sshd: Mapping[str, Mapping[str, tuple[str, ...]]] = fact(
        """for address in $senders; do
        sshd_settings "$login" "$address" | sed -nE "s/^(authorizedkeysfile|pubkeyauthentication|\
authenticationmethods|permitrootlogin|forcecommand|(allow|deny)(users|groups)) /$address &/p"
    done""",
        _sshd,
    )
    """By source address and setting: what sshd applies to a login of that account."""
    locales: frozenset[str] = fact(
        "locale -a 2>/dev/null || true", lambda text: frozenset(text.split())
    )
    """The locales that ``locale -a`` prints; empty if it fails."""
    own_name: str = fact(
        """own=$(cat /proc/sys/kernel/hostname)
    printf '%s ' "$own"
    getent ahosts "$own" | awk 'NR == 1 {print $1}'""",
        str,
    )
    """The host's own name, and the address that it resolves it to, if any."""
    environment: Mapping[str, str] = fact(
        """{
        systemctl show-environment
        systemctl show -p Environment --value opennebula.service \
            opennebula-{fireedge,flow,gate,form}.service
        grep -hv '^[[:space:]]*[#;]' /etc/systemd/system/{service,opennebula*.service}.d/*.conf
    } 2>/dev/null | tr ' "'\\' '\\n\\n\\n' | sed 's/^Environment=//' |
        grep -iE '^(https?|all|no|grpc)_proxy=' | awk '!seen[$0]++' || true""",
        lambda text: pairs(text, "="),
        hidden=True,
    )
    """Proxies in the environment of services."""
    managers: tuple[str, ...] = fact(
        """for unit in keepalived systemd-networkd NetworkManager; do
        ! systemctl -q is-active $unit.service 2>/dev/null || echo $unit
    done""",
        lambda text: tuple(text.split()),
    )
    """Active units that manage addresses."""
    sudo_refusal: str = fact("sudo_refusal", str)
    """Why sudo refuses an account with a rule like OpenNebula's; empty if it does not."""
    vip_files: Mapping[str, tuple[str, ...]] = fact(
        """for vip in $vips; do
        { grep -rlsIwF -- "$vip" /etc/netplan /etc/network /etc/systemd/network \
            /etc/NetworkManager /etc/sysconfig/network /etc/sysconfig/network-scripts \
            /etc/keepalived || true; } | sort | sed "s,^,$vip ,"
    done""",
        _vip_files,
    )
    """By VIP: the files of the network configuration that contain it."""
    missing: tuple[tuple[str, str], ...] = fact(
        "missing", lambda text: tuple(line.partition(" ")[::2] for line in text.splitlines())
    )
    """What the host does not have, of what operators prepare: kind and name."""
    blocked_mounts: Mapping[str, str] = fact("blocked_mounts", _by_path)
    """By mount point: the files or the other line of fstab that are in the way."""
    refused_shares: Mapping[str, str] = fact("refused_shares", _by_path)
    """By source: why a share could not be mounted in a trial."""
    blocked_links: Mapping[str, str] = fact("blocked_links", _by_path)
    """By the path of a datastore's link: the other link or the files that are in the way."""
    certificate_fault: str = fact("fault_of_own_pair", str)
    """What is wrong with the key and certificate that the web server must have."""
    password_policy: Mapping[str, str] = fact(
        """sql -e "
        SELECT CONCAT(plugin_name, ' ') FROM information_schema.plugins
            WHERE plugin_type = 'PASSWORD VALIDATION' AND plugin_status = 'ACTIVE'
        UNION ALL SELECT CONCAT(LOWER(variable_name), ' ', variable_value)
            FROM information_schema.global_variables
            WHERE variable_name LIKE 'simple_password_check_%'" 2>/dev/null || true""",
        pairs,
    )
    """MariaDB's active plugins that check passwords, and their variables."""


SHELL = shell(Probe)


def read_probe(reports: Mapping[str, str], sent: float, received: float) -> Probe:
    """Parse the reports of preflight.sh. ``sent``, ``received``: this machine's time around it."""
    begun, ended = finite(reports["begun"]), finite(reports["ended"])
    clock = ClockReading.compared(sent, begun, ended, received)
    return Probe(clock=clock, **parsed(Probe, reports))
