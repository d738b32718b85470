"""The observation of a zone, together with what the stack wants. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from commands.stack import Target
from hosts.errors import HostError
from opennebula.zone import RaftStatus, State, ZoneView, following, quorum
from procedures import host_drift, services
from procedures.facts.facts import Dump, Facts
from procedures.facts.observe import names_of_leaving
from procedures.facts.snapshot import Snapshot, ZoneSnapshot
from procedures.replica_drift import mismatches
from procedures.rollout import pending
from procedures.specs import InstallationSpec, WebSpec, ZoneSpec
from procedures.vip.address import faults, holders
from procedures.vip.virtual_ip import endpoint_differences
from settings.specs import installations, web_server


@dataclass(frozen=True)
class Situation:
    """The state of a zone at one moment."""

    target: Target
    seen: ZoneSnapshot
    at: datetime

    @property
    def zone(self) -> ZoneSpec:
        """The zone in the stack."""
        return self.target.zone

    @property
    def hosts(self) -> Mapping[str, Snapshot]:
        """The stack's front-ends."""
        return self.seen.hosts

    @cached_property
    def facts(self) -> dict[str, Facts]:
        """The facts of those that could be observed."""
        return {name: snapshot.facts for name, snapshot in self.hosts.items() if snapshot.facts}

    @cached_property
    def view(self) -> ZoneView:
        """The zone: the leader's list of servers, and every server's state."""
        return self.seen.view

    @cached_property
    def leader(self) -> str | None:
        """The leader; outside an HA zone the one front-end whose oned answers."""
        if self.zone.highly_available:
            return self.view.leader()
        return next((name for name, snapshot in self.hosts.items() if snapshot.answers.raft), None)

    @property
    def leader_status(self) -> RaftStatus | None:
        """The leader's Raft status."""
        return self.view.statuses.get(self.leader or "")

    @cached_property
    def leader_facts(self) -> Facts | None:
        """The facts of the leader's host."""
        return self.facts.get(self.leader or "")

    @cached_property
    def servers(self) -> int:
        """Number of servers that the zone has, or will have."""
        return len(self.view.pool) or len(self.hosts)

    @property
    def quorum(self) -> int:
        """Number of servers that must be up."""
        return quorum(self.servers)

    @cached_property
    def following(self) -> set[str]:
        """The servers that take the leader's writes, including the leader."""
        return following(self.view)

    @cached_property
    def installations(self) -> dict[str, InstallationSpec]:
        """What the stack wants of each host."""
        return {spec.host.name: spec for spec in installations(self.target.settings)}

    @cached_property
    def web(self) -> WebSpec | None:
        """The web server of the stack, or None."""
        return web_spec(self.target)

    @property
    def dumps_on_timer(self) -> bool:
        """Whether the stack has dumps on a timer."""
        return self.target.settings.backup.schedule is not None

    @cached_property
    def timed_dump(self) -> tuple[str, Dump] | None:
        """The newest dump of a timer, with its front-end: their names begin with the time."""
        made = [
            (dump.path.rpartition("/")[2], name, dump)
            for name, facts in self.facts.items()
            for dump in facts.dumps
            if dump.is_timed
        ]
        return max(made)[1:] if made else None

    @cached_property
    def wanted_units(self) -> dict[str, tuple[str, ...]]:
        """The services that each front-end must run when it leads."""
        found = {}
        for name, facts in self.facts.items():
            spec = self.installations[name]
            try:
                found[name] = services.promised(facts, spec.features, spec.version)
            except HostError:
                found[name] = ()
        return found

    @cached_property
    def service_faults(self) -> list[services.Fault]:
        """Services in the wrong state; none while a Raft hook runs, which moves them."""
        units = {name: services.ServiceFacts.of(facts) for name, facts in self.facts.items()}
        return [
            fault
            for fault in services.faults(units, self.wanted_units, self.leader)
            if not self.facts[fault.host].hook_runs
            and (fault.is_stray or fault.is_down or self.restarts(fault.host, fault.unit) > 0)
        ]

    def restarts(self, name: str, unit: str) -> int:
        """Return how often systemd has restarted that unit by itself."""
        seen = self.facts[name].units.get(unit)
        return seen.restarts if seen else 0

    @cached_property
    def waiting(self) -> list[str]:
        """The servers that wait for a restart: of those that run."""
        if self.leader is None or self.leader not in self.facts:
            found = sorted(name for name, facts in self.facts.items() if facts.is_behind)
        else:
            version = self.target.settings.one_version
            found = pending(self.facts, self.leader, version, adopted=True)
        return [name for name in found if self.facts[name].active]

    def drift(self, name: str) -> tuple[str, ...]:
        """Return how that host differs from the stack and, in its keys, from the leader.

        This is refresh's comparison of a host, without the tables of its database.
        """
        seen, spec = self.facts[name], self.installations[name]
        status = self.view.statuses.get(name)
        state = status.state if status else None
        if state is State.LEADER and name != self.leader:
            state = None
        try:
            found = host_drift.drift(
                host_drift.with_lead(seen, spec, state),
                spec,
                self.target.access.secrets,
                names_of_leaving(self.facts.values(), spec.names),
            )
        except HostError as error:
            return (f"{error.seen}: {error.expected} is expected",)
        return (
            *found,
            *(difference for difference in self.mismatches(name) if difference not in found),
        )

    def mismatches(self, name: str) -> list[str]:
        """Return the keys, and the remotes if they were compared, that differ from the leader's.

        SERVER_ID has its own sign.
        """
        entry, head = self.view.entry(name), self.leader_facts
        if entry is None or head is None or not self.facts[name].has_content:
            return []
        found = mismatches(self.facts[name], head, entry)
        return [difference for difference in found if not difference.startswith("SERVER_ID ")]

    @cached_property
    def zone_drift(self) -> list[str]:
        """How the VIPs and the zone's endpoints differ from the stack."""
        if not self.zone.highly_available:
            return []
        found = faults(self.facts, self.zone.vips, self.leader) if self.leader else []
        if self.zone.has_entrance:
            found += endpoint_differences(self.zone, self.facts, self.leader)
        return found

    def vip_holders(self, address: str) -> list[str]:
        """Return the front-ends that have that address on an interface."""
        return holders(self.facts, address)


def web_spec(target: Target) -> WebSpec | None:
    """Return the web server of the stack, if it has one."""
    return web_server(target.settings) if target.settings.ssl.is_on else None
