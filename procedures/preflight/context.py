"""What a stack is about to change, and what its hosts look like.

A host is *new* where the stack did not have it at that address, and *fresh* where it holds no data
of OpenNebula's besides: that one is checked fully. Of all others only what this change needs of
them counts: a zone that is half broken must stay open to repair.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from hosts.errors import HostError
from procedures.bootstrap.convert_database import Step, plan
from procedures.facts.facts import Facts
from procedures.preflight.probe import Probe
from procedures.specs import PreflightSpec, Vip


class Weight(Enum):
    """What a finding is to the operator."""

    NOTE = 0
    WARNING = 1
    REFUSAL = 2


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be."""

    error: HostError
    weight: Weight = Weight.REFUSAL


@dataclass(frozen=True)
class HostReport:
    """A host that answered. There are no facts where none can be had: without systemd."""

    ground: Probe
    facts: Facts | None

    @property
    def holds_data(self) -> bool:
        """Of OpenNebula's."""
        return self.facts is not None and self.facts.has_content


@dataclass(frozen=True)
class StackChange:
    """What a stack will be, and what it was at its last ``up``, if there was one."""

    spec: PreflightSpec
    before: PreflightSpec | None

    @cached_property
    def new(self) -> frozenset[str]:
        """The hosts that the stack did not have."""
        old = self.before.hosts if self.before else {}
        return frozenset(
            name
            for name, host in self.spec.hosts.items()
            if name not in old or old[name].address != host.address
        )

    @property
    def leaving(self) -> frozenset[str]:
        """The hosts that the stack had and has no more."""
        return frozenset(self.before.hosts if self.before else ()) - self.spec.hosts.keys()

    @cached_property
    def renamed(self) -> Mapping[str, str]:
        """The new front-ends that are where one that leaves the stack was, and its name."""
        old = self.before.hosts.values() if self.before else ()
        gone = {
            (host.address, host.ssh.port): host.name
            for host in old
            if host.name not in self.spec.hosts
        }
        here = {name: (host.address, host.ssh.port) for name, host in self.spec.hosts.items()}
        return {name: gone[at] for name, at in sorted(here.items()) if at in gone}

    @property
    def is_upgrade(self) -> bool:
        """To another version."""
        return self.before is not None and self.before.version != self.spec.version

    @property
    def added(self) -> tuple[str, ...]:
        """Features that others could not reach."""
        old = self.before.reachable if self.before else ()
        return tuple(name for name in self.spec.reachable if name not in old)

    @property
    def addresses(self) -> list[str]:
        """The VIPs that no front-end of ours can have yet."""
        old = self.before.vips.values() if self.before else ()
        known = {vip.address for vips in old for vip in vips}
        wanted = dict.fromkeys(v.address for vips in self.spec.vips.values() for v in vips)
        return [address for address in wanted if address not in known]

    def vips_of(self, name: str) -> list[Vip]:
        """The VIPs that are others for that host, or whose interface is."""
        old = self.before.vips.get(name, ()) if self.before and name not in self.new else ()
        return [vip for vip in self.spec.vips.get(name, ()) if vip not in old]


@dataclass(frozen=True)
class Site:
    """The change, and its hosts."""

    change: StackChange
    seen: Mapping[str, HostReport]
    silent: Mapping[str, HostError]
    """Those that did not let us in, and why."""
    ssh: Mapping[str, int]
    """The port of each one's sshd."""
    converts: bool = False
    """Data in SQLite may be moved to MariaDB."""
    db_password: str = field(default="", repr=False)

    @property
    def spec(self) -> PreflightSpec:
        """What the stack will be."""
        return self.change.spec

    @property
    def may_have_zone(self) -> bool:
        """Return whether there may be a zone: a host holds data, or it is unknown whether one does.

        Those that leave are not looked at, and new hosts alone do not show what the stack has.
        """
        return (
            any(report.holds_data for report in self.seen.values())
            or bool(self.change.leaving)
            or self.seen.keys() <= self.change.new
        )

    @cached_property
    def fresh(self) -> frozenset[str]:
        """The hosts to be checked fully."""
        return frozenset(
            name for name in self.change.new & self.seen.keys() if not self.seen[name].holds_data
        )

    @cached_property
    def converted(self) -> Mapping[str, Facts]:
        """The hosts whose data are about to be moved from SQLite to MariaDB."""
        return {
            name: report.facts
            for name, report in self.seen.items()
            if report.facts
            and Step.LOOK in plan(report.facts, self.spec.database, converts=self.converts)
        }

    @cached_property
    def known(self) -> frozenset[str]:
        """Return the hosts that are the zone's already, whether they are up or not."""
        pools = (report.facts.pool for report in self.seen.values() if report.facts)
        listed = {entry.name for pool in pools for entry in pool}
        return (frozenset(self.spec.hosts) - self.change.new) | listed


Check = Callable[[Site], Iterator[Finding]]

ALWAYS: list[Check] = []
SKIPPABLE: dict[str, Check] = {}
"""By the name that the config skips them with: the function's."""


def always(check: Check) -> Check:
    """Mark a check that operators cannot skip."""
    ALWAYS.append(check)
    return check


def skippable(check: Check) -> Check:
    """Mark a check that ``skip_checks`` in the config can skip by its name."""
    SKIPPABLE[check.__name__] = check
    return check
