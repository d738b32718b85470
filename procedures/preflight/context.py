"""What a stack is about to change, and what preflight observed on its hosts.

A host is *new* if the stack did not have it at that address. A new host without OpenNebula's data
is *fresh*, and is checked completely. On all other hosts, preflight checks only what this change
needs: it must be possible to repair a zone that is partly broken.
"""

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from hosts.errors import HostError
from opennebula.zone import STANDALONE_ID
from procedures.bootstrap.convert_database import Step, plan
from procedures.facts.facts import Facts
from procedures.preflight.probe import Probe
from procedures.specs import PreflightSpec, PreparedSpec, Vip


class Weight(Enum):
    """How serious a finding is."""

    NOTE = 0
    WARNING = 1
    REFUSAL = 2


@dataclass(frozen=True)
class Finding:
    """A fault that a check found."""

    error: HostError
    weight: Weight = Weight.REFUSAL


def fault(
    host: str,
    step: str,
    *,
    expected: str,
    seen: str,
    remedy: str,
    weight: Weight = Weight.REFUSAL,
) -> Finding:
    """Return the finding with that error."""
    return Finding(HostError(host, step, expected=expected, seen=seen, remedy=remedy), weight)


@dataclass(frozen=True)
class HostReport:
    """What a host reported. Its facts can only be observed with systemd."""

    probe: Probe
    facts: Facts | None


@dataclass(frozen=True)
class StackChange:
    """What the stack wants, and what it wanted at its last ``up``, if there was one."""

    spec: PreflightSpec
    before: PreflightSpec | None

    @cached_property
    def was(self) -> PreflightSpec:
        """What the stack wanted then; nothing before its first ``up``."""
        return self.before or PreflightSpec(hosts={}, version=self.spec.version)

    @cached_property
    def new(self) -> frozenset[str]:
        """The hosts that the stack did not have at these addresses."""
        return frozenset(
            name
            for name, host in self.spec.hosts.items()
            if name not in self.was.hosts or self.was.hosts[name].address != host.address
        )

    @property
    def leaving(self) -> frozenset[str]:
        """The hosts that were removed from the stack."""
        return frozenset(self.was.hosts) - self.spec.hosts.keys()

    @cached_property
    def renamed(self) -> Mapping[str, str]:
        """New front-ends at the address of one that leaves the stack, each with that one's name."""
        gone = {
            (host.address, host.ssh.port): host.name
            for host in self.was.hosts.values()
            if host.name not in self.spec.hosts
        }
        present = {name: (host.address, host.ssh.port) for name, host in self.spec.hosts.items()}
        return {name: gone[at] for name, at in sorted(present.items()) if at in gone}

    @property
    def is_upgrade(self) -> bool:
        """Whether OpenNebula's version changes."""
        return self.was.version != self.spec.version

    @property
    def changes_packages(self) -> bool:
        """Whether the front-ends need other packages, or get them from elsewhere.

        A state of an earlier version only has OpenNebula's version.
        """
        return self.is_upgrade or self.was.packages not in (None, self.spec.packages)

    @property
    def added(self) -> tuple[str, ...]:
        """Services that the front-ends did not have to reach so far."""
        return tuple(name for name in self.spec.reachable if name not in self.was.reachable)

    @property
    def addresses(self) -> list[str]:
        """The VIPs that are new to the stack, so that no front-end can hold them yet."""
        known = {vip.address for vips in self.was.vips.values() for vip in vips}
        wanted = dict.fromkeys(v.address for vips in self.spec.vips.values() for v in vips)
        return [address for address in wanted if address not in known]

    def prepared_on(self, name: str) -> PreparedSpec:
        """Return what must be prepared on that host: all on a new one, or what is new to the stack.

        A state of an earlier version does not list it.
        """
        wanted = self.spec.prepared or PreparedSpec()
        return wanted if name in self.new else wanted.since(self.was.prepared or wanted)

    def vips_of(self, name: str) -> list[Vip]:
        """Return the VIPs of that host that are new or get another interface."""
        old = self.was.vips.get(name, ()) if name not in self.new else ()
        return [vip for vip in self.spec.vips.get(name, ()) if vip not in old]


@dataclass(frozen=True)
class Site:
    """The change of the stack, and its hosts."""

    change: StackChange
    seen: Mapping[str, HostReport]
    silent: Mapping[str, HostError]
    """The hosts that could not be logged in to, each with the reason."""
    ssh: Mapping[str, int]
    """Port of each host's sshd."""
    converts: bool = False
    """Whether data in SQLite may be moved to MariaDB."""
    db_password: str = field(default="", repr=False)

    @property
    def spec(self) -> PreflightSpec:
        """What the stack wants."""
        return self.change.spec

    @cached_property
    def facts(self) -> Mapping[str, Facts]:
        """The facts of each host on which they could be observed."""
        return {name: report.facts for name, report in self.seen.items() if report.facts}

    @cached_property
    def holding(self) -> frozenset[str]:
        """The hosts that hold OpenNebula's data."""
        return frozenset(name for name, facts in self.facts.items() if facts.has_content)

    @property
    def may_have_zone(self) -> bool:
        """Return whether there may be a zone: a host holds data, or that is unknown.

        Hosts that leave are not observed, and new hosts alone do not show what the stack has.
        """
        return bool(self.holding or self.change.leaving) or self.seen.keys() <= self.change.new

    @cached_property
    def fresh(self) -> frozenset[str]:
        """The hosts that are checked completely."""
        return self.change.new & self.seen.keys() - self.holding

    @property
    def fresh_probes(self) -> Mapping[str, Probe]:
        """What was observed on the fresh hosts, in the order of their names."""
        return {name: self.seen[name].probe for name in sorted(self.fresh)}

    @cached_property
    def joining(self) -> frozenset[str]:
        """The hosts that enter the zone: the fresh ones, and those that return with old data."""
        returning = self.change.new & self.holding
        return self.fresh | {name for name in returning if not self._is_listed(name)}

    @cached_property
    def unchanged(self) -> Mapping[str, Facts]:
        """The servers of a running zone that this run adopts, and on which it writes nothing."""
        servers = {
            name: facts
            for name, facts in self.facts.items()
            if name in self.change.new - self.joining and facts.server_id != STANDALONE_ID
        }
        is_one = len({facts.identity for facts in self.facts.values() if facts.identity}) == 1
        return servers if is_one and any(facts.active for facts in servers.values()) else {}

    def _is_listed(self, name: str) -> bool:
        """Return whether the newest copy of a host's data has the host in its pool, or is its own.

        The list of a server that left is an old one.
        """
        own = self.facts[name]
        copies = [facts for facts in self.facts.values() if facts.identity == own.identity]
        newest = max(copies, key=lambda facts: (facts.active, facts.log_term, facts.log_index))
        return newest is own or any(entry.name == name for entry in newest.pool)

    @cached_property
    def converted(self) -> Mapping[str, Facts]:
        """The hosts whose data will be moved from SQLite to MariaDB."""
        return {
            name: facts
            for name, facts in self.facts.items()
            if Step.LOOK in plan(facts, self.spec.database, converts=self.converts)
        }

    @cached_property
    def known(self) -> frozenset[str]:
        """The hosts that belong to the zone already, running or not."""
        listed = {entry.name for facts in self.facts.values() for entry in facts.pool}
        return (frozenset(self.spec.hosts) - self.change.new) | listed


def in_network(network: str, address: str) -> bool:
    """Return whether an address is in a network; False if one of them is not valid."""
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


Check = Callable[[Site], Iterator[Finding]]

ALWAYS: list[Check] = []
SKIPPABLE: dict[str, Check] = {}
"""By name: that of the function, which ``skip_checks`` in the config uses."""


def always(check: Check) -> Check:
    """Mark a check that operators cannot skip."""
    ALWAYS.append(check)
    return check


def skippable(check: Check) -> Check:
    """Mark a check that ``skip_checks`` in the config can skip by its name."""
    SKIPPABLE[check.__name__] = check
    return check
