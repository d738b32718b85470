"""What a host shows beside its facts, before anything of ours is on it: see preflight.sh."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from procedures.facts.observe import finite

_EVERYWHERE = ("0.0.0.0", "*", "[::]")  # noqa: S104 - as ss prints it


@dataclass(frozen=True)
class ClockReading:
    """By how many seconds a host's clock is ahead of this machine's: between the two."""

    least: float
    most: float

    @classmethod
    def compared(cls, sent: float, begun: float, ended: float, received: float) -> "ClockReading":
        """By the clock there at the begin and the end of a script, and by the one here around it.

        What is between is the script's own time, and no doubt about the clock.
        """
        return cls(*sorted((ended - received, begun - sent)))

    @property
    def ahead(self) -> float:
        """Most probably."""
        return (self.least + self.most) / 2

    @property
    def doubt(self) -> float:
        """By how much that may be wrong."""
        return (self.most - self.least) / 2


@dataclass(frozen=True)
class Room:
    """The free bytes of a file system, by where it is mounted."""

    mount: str
    free: int


@dataclass(frozen=True)
class Listener:
    """Who listens at a port, and at which addresses."""

    process: str
    addresses: tuple[str, ...]

    def answers_at(self, address: str) -> bool:
        """Whether it is there for others who ask at that address."""
        return any(one in (*_EVERYWHERE, address) for one in self.addresses)


@dataclass(frozen=True)
class Probe:
    """One host."""

    distribution: str
    release: str
    clock: ClockReading
    has_systemd: bool = True
    memory: int = 0
    """In bytes."""
    room: Mapping[str, Room] = field(default_factory=dict)
    """By the path that was asked for."""
    macs: frozenset[str] = frozenset()
    neighbours: Mapping[str, str] = field(default_factory=dict)
    """Address to the MAC that answered for it on the link."""
    listening: Mapping[int, Listener] = field(default_factory=dict)
    """By port."""
    reached: Mapping[tuple[str, int], str] = field(default_factory=dict)
    """Address and port to what came of it: ``open``, or why not in the system's words."""
    name_sources: tuple[str, ...] = ("files", "dns")
    """Where names are looked up, in that order: of nsswitch.conf."""
    is_enforcing: bool = False
    """SELinux does more than to note."""
    has_apparmor: bool = False
    login: str = "root"
    """The account that this program logs in as, and its groups."""
    groups: tuple[str, ...] = ()
    sshd: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    """What sshd does with a login of that account: by the address it comes from, then by setting.
    """
    locales: frozenset[str] = frozenset()
    """The locales that exist there, as ``locale -a`` prints them; empty where it cannot."""
    own_name: str = ""
    """What the host calls itself, and the address that it finds for that, if any."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Proxies in the environment of services."""
    managers: tuple[str, ...] = ()
    """Units at work that manage addresses."""
    vip_files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By VIP, the files of network configuration that name it."""
    password_policy: Mapping[str, str] = field(default_factory=dict)
    """MariaDB's plugins that judge passwords, and their variables."""


def read_probe(values: Mapping[str, str], sent: float, received: float) -> Probe:
    """From what preflight.sh told, and when it was sent and its answer was here."""
    return Probe(
        distribution=values["distribution"],
        release=values["release"],
        clock=ClockReading.compared(
            sent, finite(values["begun"]), finite(values["ended"]), received
        ),
        has_systemd=bool(values["systemd"]),
        memory=int(values["memory"]) << 10,
        room=dict(_room(values["room"])),
        macs=frozenset(re.findall(r"link/ether (\S+)", values["macs"])),
        neighbours=dict(re.findall(r"^(\S+) .*\blladdr (\S+)", values["neighbours"], re.MULTILINE)),
        listening=_listening(values["listening"]),
        reached=dict(_reached(values["reached"])),
        name_sources=_name_sources(values["nsswitch"]),
        is_enforcing=values["selinux"] == "1",
        has_apparmor=values["apparmor"] == "Y",
        login=values.get("login", "root"),
        groups=tuple(values.get("groups", "").split()),
        sshd=_sshd(values.get("sshd", "")),
        locales=frozenset(values.get("locales", "").split()),
        own_name=values.get("own_name", ""),
        environment=dict(
            line.partition("=")[::2] for line in values.get("environment", "").splitlines()
        ),
        managers=tuple(values.get("managers", "").split()),
        vip_files=_vip_files(values.get("vip_files", "")),
        password_policy=dict(
            line.partition(" ")[::2] for line in values.get("password_policy", "").splitlines()
        ),
    )


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


def _room(text: str) -> Iterable[tuple[str, Room]]:
    for line in text.splitlines():
        path, free, mount = line.split(" ", 2)
        yield path, Room(mount, int(free) << 10)


def _reached(text: str) -> Iterable[tuple[tuple[str, int], str]]:
    for line in text.splitlines():
        address, port, said = line.split(" ", 2)
        yield (address, int(port)), said


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
    """Without what is to be done with their answers."""
    text = line.partition("#")[0].removeprefix("hosts:")
    return tuple(re.sub(r"\[[^]]*\]", " ", text).split())
