"""The lab's network: a bridge in the control namespace; a namespace and a veth pair for each host.

A host with 10.2.50.N also has fd00:2:50::N; the control namespace is number 1 in both.
"""

from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface, IPv6Network
from pathlib import Path

from lab.machines.faults import LabFault
from lab.machines.shell import command

CONTROL = IPv4Interface("10.2.50.1/24")
FIRST_HOST = IPv4Address("10.2.50.10")
MOST_HOSTS = 70
IPV6 = IPv6Network("fd00:2:50::/64")
BRIDGE = "lab0"
NAMESPACES = Path("/run/netns")

# The bridge drops the packets between two hosts that are cut, and all packets from and to a
# partitioned host; the link stays up.
_FILTER = """
table bridge lab {
    set partitioned { type ifname; }
    set cut { type ifname . ifname; }
    chain forward {
        type filter hook forward priority 0;
        iifname @partitioned drop
        oifname @partitioned drop
        iifname . oifname @cut drop
    }
    chain input { type filter hook input priority 0; iifname @partitioned drop; }
    chain output { type filter hook output priority 0; oifname @partitioned drop; }
}
"""


def address_of(number: int) -> IPv4Address:
    """Return the address of the host with this number, from 1."""
    return FIRST_HOST + (number - 1)


def ipv6_of(address: IPv4Address) -> IPv6Interface:
    """Return the IPv6 address of the host with this IPv4 address."""
    return IPv6Interface(f"{IPV6.network_address}{address.packed[-1]}/{IPV6.prefixlen}")


def number_of(address: str) -> int:
    """Return the number of the host with this address."""
    return int(IPv4Address(address)) - int(FIRST_HOST) + 1


@dataclass(frozen=True)
class Network:
    """The network namespaces of one lab, which have a common prefix."""

    prefix: str

    @property
    def control(self) -> str:
        """The name of the control namespace."""
        return f"{self.prefix}-control"

    @property
    def control_path(self) -> Path:
        """The control namespace as a path."""
        return NAMESPACES / self.control

    def namespace(self, host: str) -> str:
        """Return the name of a host's namespace."""
        return f"{self.prefix}-{host}"

    def create(self) -> None:
        """Make the control namespace with the bridge."""
        command(["ip", "netns", "add", self.control])
        self._ip(
            self.control,
            "link set lo up",
            f"link add {BRIDGE} type bridge forward_delay 0 stp_state 0 mcast_snooping 0",
            f"address add {CONTROL} dev {BRIDGE}",
            f"address add {ipv6_of(CONTROL.ip)} dev {BRIDGE} nodad",
            f"link set {BRIDGE} up",
        )
        self._nft(_FILTER)

    def attach(self, host: str, address: IPv4Address) -> None:
        """Make a host's namespace and connect it to the bridge."""
        namespace = self.namespace(host)
        mac = "02:00:" + ":".join(f"{byte:02x}" for byte in address.packed)
        command(["ip", "netns", "add", namespace])
        self._ip(
            self.control,
            f"link add {host} type veth peer name eth0 address {mac} netns {namespace}",
            f"link set {host} master {BRIDGE} up",
        )
        self._ip(namespace, "link set lo up", *plug_in(address))

    def unplug(self, host: str) -> None:
        """Take the link down: the host no longer answers."""
        with suppress(LabFault):
            self._ip(self.control, f"link set {host} down")

    def detach(self, host: str) -> None:
        """Remove a host's veth pair and its namespace."""
        with suppress(LabFault):
            self._ip(self.control, f"link delete {host}")
        if (NAMESPACES / self.namespace(host)).exists():
            command(["ip", "netns", "delete", self.namespace(host)])

    def partition(self, host: str) -> None:
        """Drop all packets from and to the host."""
        self._nft(f"add element bridge lab partitioned {{ {host} }}")

    def cut(self, one: str, other: str) -> None:
        """Drop all packets between two hosts."""
        self._nft(f"add element bridge lab cut {{ {one} . {other}, {other} . {one} }}")

    def heal(self, host: str, others: list[str]) -> None:
        """Forward the host's packets again, also those to hosts that it was cut from."""
        self._nft(
            f"add element bridge lab partitioned {{ {host} }}\n"
            f"delete element bridge lab partitioned {{ {host} }}\n"
        )
        for other in others:
            pair = f"{{ {host} . {other}, {other} . {host} }}"
            self._nft(f"add element bridge lab cut {pair}\ndelete element bridge lab cut {pair}\n")

    def filter(self, host: str, rules: str) -> None:
        """Load nftables rules in a host's namespace."""
        self._nft(rules, NAMESPACES / self.namespace(host))

    def lengthen(self, host: str) -> tuple[str, str]:
        """Split a host's veth pair in two; return the ends for a delay line in between."""
        inner, outer = f"in-{host}", f"out-{host}"
        self._ip(
            self.control,
            f"link set {host} down",
            f"link set {host} nomaster name {inner}",
            f"link add {host} type veth peer name {outer}",
            f"link set {host} master {BRIDGE} up",
            f"link set {inner} up promisc on",
            f"link set {outer} up promisc on",
        )
        return inner, outer

    def shorten(self, host: str) -> None:
        """Connect a host to the bridge again, without the delay line."""
        self._ip(
            self.control,
            f"link delete {host}",
            f"link set in-{host} down",
            f"link set in-{host} name {host} promisc off",
            f"link set {host} master {BRIDGE} up",
        )

    def remove(self) -> None:
        """Remove every namespace of this lab."""
        for path in NAMESPACES.glob(f"{self.prefix}-*"):
            command(["ip", "netns", "delete", path.name])

    def _ip(self, namespace: str, *lines: str) -> None:
        command(["ip", "-n", namespace, "-batch", "-"], stdin="\n".join(lines) + "\n")

    def _nft(self, rules: str, namespace: Path | None = None) -> None:
        enter = f"--net={namespace or self.control_path}"
        command(["nsenter", enter, "nft", "-f", "-"], stdin=rules)


def plug_in(address: IPv4Address) -> list[str]:
    """Return the commands for `ip` that give eth0 its addresses and no others."""
    return [
        "link set eth0 down",
        "address flush dev eth0",
        f"address add {address}/{CONTROL.network.prefixlen} dev eth0",
        "link set eth0 up",
        f"address add {ipv6_of(address)} dev eth0 nodad",
    ]
