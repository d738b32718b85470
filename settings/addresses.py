"""Check the addresses of front-ends and VIPs. Pure: settings in, faults out."""

import ipaddress
from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from opennebula import ports
from settings.faults import of
from settings.model import FrontEnd, Settings

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def front_end_faults(config: Settings) -> Iterator[str]:
    """Yield the faults in the number, names and addresses of the front-ends."""
    front_ends = config.frontends
    count = len(front_ends)
    if count > 1 and count % 2 == 0 and not config.allow_even:
        yield of(
            "frontends",
            f"{count} front-ends tolerate no more failures than {count - 1};"
            f" list {count - 1} or {count + 1}; for a zone that already runs with {count} servers,"
            " set allow_even: true",
        )
    servers = Counter(
        front_end.zone_server for front_end in front_ends.values() if front_end.zone_server
    )
    for server in sorted(server for server, times in servers.items() if times > 1):
        yield of("frontends", f"several have zone_server {server}, which is one zone server")
    for name in sorted(front_ends.keys() & config.lost):
        yield of(f"frontends.{name}", "also listed under lost; remove it from one of them")
    seen: dict[ipaddress.IPv4Address, str] = {}
    for name, front_end in sorted(front_ends.items()):
        address = front_end.address
        if address is not None and (other := seen.setdefault(address, name)) != name:
            yield of(f"frontends.{name}.address", f"{address} is the address of {other}")
        if (
            name.split(".")[0] in _LOCAL
            or name.endswith(".localhost")
            or (address is not None and _is_no_host(address))
        ):
            yield of(
                f"frontends.{name}",
                "expected a name and an address that the other front-ends can use",
            )


_LOCAL = ("localhost", "ip6-localhost", "ip6-loopback", "broadcasthost")
"""Names that every host resolves to itself."""


def _is_no_host(address: IPAddress) -> bool:
    """Tell whether other hosts cannot reach a host at this address."""
    return (
        address.is_loopback
        or address.is_unspecified
        or address.is_multicast
        or (address.version == 4 and address.is_reserved)
    )


def vip_faults(config: Settings) -> Iterator[str]:
    """Yield the faults of the VIPs."""
    front_ends = config.frontends
    values = {name: getattr(config, name) for name in ("one_vip", "one_vip_cidr", "one_vip_if")}
    if not values.keys() <= config.model_fields_set:
        return
    of_their_own = {name for name, front_end in front_ends.items() if front_end.one_vip_if}
    missing = [name for name, value in values.items() if value is None]
    if missing == ["one_vip_if"] and front_ends and len(of_their_own) == len(front_ends):
        missing = []
    if 0 < len(missing) < len(values):
        for name in missing:
            yield of(name, "missing; one_vip, one_vip_cidr and one_vip_if go together")
    first, prefix = config.one_vip, config.one_vip_cidr
    if first is not None and prefix is not None:
        yield from _address_faults("one_vip", first, prefix, front_ends, of_their_own)
    if config.one_vips and first is None:
        yield of("one_vips", "one_vip is missing: set the first VIP there")
    seen = {first}
    for address in config.one_vips:
        if address.address in seen:
            yield of("one_vips", f"{address.address} is listed twice")
        seen.add(address.address)
        for name in sorted(address.interfaces.keys() - front_ends.keys() if front_ends else ()):
            yield of(
                "one_vips",
                f"{address.address} has an interface for {name}, which is not in frontends",
            )
        elsewhere = set(front_ends) if address.interface else of_their_own | set(address.interfaces)
        yield from _address_faults("one_vips", address.address, address.cidr, front_ends, elsewhere)


def leader_faults(config: Settings) -> Iterator[str]:
    """Yield the faults of keys that concern the leader, also where the stack has no HA zone."""
    port = config.leader_check.port
    if port in ports.RESERVED:
        yield of("leader_check.port", f"{port} is a port of OpenNebula's own")
    if not config.frontends or config.highly_available:
        return
    wanted = {
        "one_vip": config.one_vip,
        "zone_endpoint": config.zone_endpoint,
        "leader_check": port,
    }
    for key, value in wanted.items():
        if value is not None:
            yield of(key, "one front-end alone has no leader; set force_ha: true, or remove it")


def _address_faults(
    key: str,
    vip: IPAddress,
    prefix: int,
    front_ends: Mapping[str, FrontEnd],
    elsewhere: Collection[str],
) -> Iterator[str]:
    """Yield the faults of one VIP.

    ``elsewhere``: the front-ends that have it on an interface of its own.
    """
    if prefix > vip.max_prefixlen:
        length = "one_vip_cidr" if key == "one_vip" else key
        yield of(
            length,
            f"{prefix} is not a prefix length of {vip}: expected at most {vip.max_prefixlen}",
        )
        return
    if (
        vip.is_link_local
        or _is_no_host(vip)
        or (isinstance(vip, ipaddress.IPv6Address) and vip.ipv4_mapped)
    ):
        yield of(key, f"expected an address that clients can use, not {vip}")
        return
    network = ipaddress.ip_network(f"{vip}/{prefix}", strict=False)
    if (
        vip.version == 4
        and prefix < 31
        and vip in (network.network_address, network.broadcast_address)
    ):
        yield of(key, f"{vip} is the network's or broadcast address of {network}")
    for name, front_end in sorted(front_ends.items()):
        if front_end.address == vip:
            yield of(key, f"{vip} is the address of {name}; expected an unused address")
        elif (
            front_end.address is not None
            and vip.version == 4
            and network.num_addresses > 1
            and front_end.address not in network
            and name not in elsewhere
        ):
            where = f"frontends.{name}.one_vip_if" if key == "one_vip" else "its interface"
            yield of(
                key,
                f"{vip}/{prefix} is not in a subnet with {name} at {front_end.address}; if that is"
                f" intended, name the VIP's interface in {where}",
            )
