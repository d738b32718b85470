"""Check the network between the front-ends: names, ports, and the VIP."""

import ipaddress
from collections import defaultdict
from collections.abc import Iterator

from opennebula import packages
from opennebula import ports as at
from procedures.facts.observe import NO_ADDRESS, wrong_names
from procedures.preflight.context import Finding, Site, Weight, fault, skippable

OPEN = "open"
REFUSED = "Connection refused"


@skippable
def names(site: Site) -> Iterator[Finding]:
    """Check that each resolves all names, or will with our part of /etc/hosts.

    The zone checks the same before a server joins. A server that this run adopts gets no such part.
    """
    asked = site.spec.hosts
    if len(asked) < 2 or not site.joining:
        return
    listed = {entry.name for seen in site.unchanged.values() for entry in seen.pool}
    others = ", ".join(sorted(site.joining - listed))
    for name, facts in site.facts.items():
        adopted = name in site.unchanged
        written = site.spec.ensure_hosts and not adopted
        wrong = wrong_names(facts, asked)
        if written:
            wrong = _past_the_hosts_file(wrong, site.seen[name].probe.name_sources)
        if wrong:
            yield fault(
                name,
                "resolve the front-ends' names",
                expected=", ".join(f"{other} at {asked[other].address}" for other in wrong),
                seen=", ".join(f"{other} at {found}" for other, found in wrong.items()),
                remedy="put files first in the line 'hosts:' of /etc/nsswitch.conf, so that"
                " what we write into /etc/hosts counts"
                if written
                else "correct the name service or /etc/hosts there, or set"
                " opennebula-ha:ensure_hosts: true"
                if not adopted
                else f"run up without {others} first, since the up that adopts a server writes"
                " nothing on it; or add these names to /etc/hosts there"
                if site.spec.ensure_hosts and others
                else "correct the name service or /etc/hosts there",
            )


def _past_the_hosts_file(wrong: dict[str, str], sources: tuple[str, ...]) -> dict[str, str]:
    """Return the names that stay wrong with our part of /etc/hosts. resolved reads it, too."""
    if "files" not in sources:
        return wrong
    if set(sources[: sources.index("files")]) <= {"resolve", "mymachines"}:
        return {}
    return {name: at for name, at in wrong.items() if at != NO_ADDRESS}


@skippable
def ports(site: Site) -> Iterator[Finding]:
    """Check the ports of SSH, which transfers use, and of oned.

    gRPC is required if Raft uses it. Otherwise it is a warning: only clients that call a follower
    by gRPC need it.
    """
    for target in site.seen:
        wanted = {site.ssh[target]: "sshd", **site.spec.core_ports}
        is_optional = at.GRPC in wanted and not site.spec.register_grpc
        grpc = {at.GRPC: wanted.pop(at.GRPC)} if is_optional else {}
        sources = [
            source for source in site.seen if source != target and site.joining & {source, target}
        ]
        yield from _unreached(site, target, sources, wanted)
        sources = [source for source in sources if not _is_cut_off(site, source, target)]
        yield from _unreached(site, target, sources, grpc, Weight.WARNING)


@skippable
def service_ports(site: Site) -> Iterator[Finding]:
    """Check the ports of the other services, unless nothing at all gets through."""
    features = site.spec.reachable if site.change.new else site.change.added
    wanted = {at.FEATURES[name]: packages.FEATURES[name] for name in features}
    for target in site.seen:
        sources = [
            source
            for source in site.seen
            if source != target
            and (site.joining & {source, target} or not site.change.new)
            and not _is_cut_off(site, source, target)
        ]
        yield from _unreached(site, target, sources, wanted)


def _is_cut_off(site: Site, source: str, target: str) -> bool:
    address, reached = site.spec.hosts[target].address, site.seen[source].probe.reached
    core = {reached.get((address, port), OPEN) for port in (site.ssh[target], at.ONED)}
    return not core & {OPEN, REFUSED}


def _unreached(
    site: Site,
    target: str,
    sources: list[str],
    wanted: dict[int, str],
    weight: Weight = Weight.REFUSAL,
) -> Iterator[Finding]:
    address, there = site.spec.hosts[target].address, site.seen[target].probe
    # If no program listens yet, the host itself refuses: no firewall blocks the port.
    kept = {port for port, listener in there.listening.items() if listener.answers_at(address)}
    kept.add(site.ssh[target])
    failed: dict[tuple[str, str], list[str]] = defaultdict(list)
    for source in sorted(sources):
        for port, what in wanted.items():
            said = site.seen[source].probe.reached.get((address, port), OPEN)
            if said != OPEN and (said != REFUSED or port in kept):
                failed[source, said].append(f"{port} ({what})")
    if not failed:
        return
    missed = sorted({source for source, _ in failed})
    yield fault(
        target,
        "check that the front-ends reach each other",
        expected=f"an answer at {address} to {', '.join(missed)}",
        seen="; ".join(
            f"from {source} to {target} port {', '.join(which)}: {said}"
            for (source, said), which in failed.items()
        ),
        remedy=f"let TCP from {', '.join(site.spec.hosts[name].address for name in missed)} to"
        f" these ports of {address} through, in the firewalls of both ends and between them",
        weight=weight,
    )


@skippable
def interface(site: Site) -> Iterator[Finding]:
    """Check that each VIP's interface has an address in the VIP's subnet.

    A VIP outside all of the host's subnets may be intended: a single address, or an IPv4 one whose
    interface is set for that host, since the settings permit only these.
    """
    for name, facts in site.facts.items():
        there = [f"{known.interface} {known.address}/{known.prefix}" for known in facts.addresses]
        vips = {vip.address for vip in site.spec.vips.get(name, ())}
        own = [address for address in facts.addresses if address.address not in vips]
        for vip in site.change.vips_of(name):
            here = [address for address in own if address.interface == vip.interface]
            if any(ipaddress.ip_address(address.address) in vip.network for address in here):
                continue
            may_be_elsewhere = not vip.is_ipv6 or vip.network.num_addresses == 1
            if (
                may_be_elsewhere
                and here
                and not any(ipaddress.ip_address(address.address) in vip.network for address in own)
            ):
                yield fault(
                    name,
                    "check the VIP's interface",
                    expected=f"an address in {vip.network} on {vip.interface}",
                    seen=", ".join(there),
                    remedy=f"make sure that clients have a route to {vip.address} that follows"
                    " the leader: without one they reach it at most from that interface's subnet",
                    weight=Weight.WARNING,
                )
                continue
            yield fault(
                name,
                "check the VIP's interface",
                expected=f"interface {vip.interface} with an address in {vip.network}",
                seen=", ".join(there) or "no address at all",
                remedy="correct opennebula-ha:one_vip_if, or opennebula-ha:frontends"
                f" {name} one_vip_if for this host alone; of a further VIP its interface in"
                " opennebula-ha:one_vips",
            )


@skippable
def vip(site: Site) -> Iterator[Finding]:
    """Check that no other host has a VIP."""
    probes = [report.probe for report in site.seen.values()]
    addresses = {host.address for host in site.spec.hosts.values()}
    own = {mac for probe in probes for mac in probe.macs}
    if any(
        entry.name not in site.spec.hosts for facts in site.facts.values() for entry in facts.pool
    ):
        # A front-end may hold it; the check of the zone reports that.
        return
    own |= {mac for probe in probes for of, mac in probe.neighbours.items() if of in addresses}
    strange: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, seen in sorted(site.seen.items()):
        for address in site.change.addresses:
            mac = seen.probe.neighbours.get(address, "")
            if mac and mac not in own:
                strange[address, mac].append(name)
    for (address, mac), names in strange.items():
        yield fault(
            ", ".join(names),
            "check that the VIP is free",
            expected=f"no other host at {address}",
            seen=f"{mac} there, which is not a front-end",
            remedy="remove that address from the computer that has it, or set"
            " opennebula-ha:one_vip to a free one",
            # A server of the zone that does not answer may hold it.
            weight=Weight.WARNING if site.known & site.silent.keys() else Weight.REFUSAL,
        )
