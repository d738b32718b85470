"""The services next to oned: FireEdge on every front-end, the others on the leader alone."""

import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from hosts.errors import reading_answer
from hosts.models import Host
from opennebula import packages
from opennebula.zone import RaftStatus, ZoneView
from procedures.context import Access, Hosts
from procedures.facts.facts import Facts, Unit
from procedures.facts.observe import full_name, raft_status
from procedures.facts.report import units
from procedures.install.packaging import supported
from procedures.parallel import on_each
from procedures.specs import ZoneSpec

DEADLINE = 60.0
"""Seconds for all services to run: OpenNebula's hook starts them up to 20 s after the VIP."""
STEADY = 10.0
"""Seconds for which a service must run if it does not listen, or if systemd has restarted it.

systemd restarts a service 5 s after its end.
"""
LOOPS = 3
"""Restarts by systemd during the wait after which the wait ends."""
PAUSE = 0.5
"""Seconds between two observations."""


@dataclass(frozen=True)
class ServiceFacts:
    """The observed services of one front-end."""

    units: Mapping[str, Unit]
    hook_runs: bool = False
    listening: frozenset[str] = frozenset()
    """Units that listen at their port, if that was observed."""

    @classmethod
    def of(cls, facts: Facts) -> "ServiceFacts":
        """Return the services in the facts of a front-end."""
        return cls(facts.units, facts.hook_runs)

    def runs(self, unit: str) -> bool:
        """Return whether a unit runs or is starting."""
        return unit in self.units and self.units[unit].runs

    def is_healthy(self, unit: str) -> bool:
        """Return whether a unit of the leader runs without being restarted again and again.

        The hook manager listens nowhere, and its administrator may have switched it off.
        """
        seen = self.units.get(unit)
        is_hook_manager = unit == packages.HOOK_MANAGER
        if seen is None or seen.active != "active":
            is_off = seen is not None and not seen.runs and not seen.starts_at_boot
            return is_hook_manager and is_off
        is_ready = is_hook_manager or unit in self.listening
        return seen.seconds >= STEADY or (is_ready and not seen.restarts)


@dataclass(frozen=True)
class Fault:
    """A service in a wrong state."""

    host: str
    unit: str
    wrong: str
    is_stray: bool = False
    """It runs on a follower, but must not."""
    is_down: bool = False
    """It does not run, and systemd is not about to start it."""

    def __str__(self) -> str:
        return f"{full_name(self.unit)} {self.wrong}"


def promised(seen: Facts, features: Collection[str], version: str) -> tuple[str, ...]:
    """Return the units of those features that are available on a host, and the hook manager's."""
    platform = supported(seen.host.name, seen.distribution, seen.release, version)
    available = packages.available(platform, sorted(features), version)
    hook_manager = (packages.HOOK_MANAGER,) if seen.hook_manager else ()
    return (*(packages.FEATURES[name] for name in available), *hook_manager)


def faults(
    seen: Mapping[str, ServiceFacts], wanted: Mapping[str, Sequence[str]], leader: str | None
) -> list[Fault]:
    """Return the services in a wrong state.

    ``wanted``: the units of each front-end, as if it were the leader. Without a leader, each
    service that runs only on the leader is a fault.
    """
    found = []
    for host, shown in sorted(seen.items()):
        for unit in wanted.get(host, ()):
            if unit in packages.LED_UNITS and leader is None:
                found.append(Fault(host, unit, "waits for a leader"))
            elif unit in packages.LED_UNITS and host != leader:
                if shown.runs(unit):
                    found.append(Fault(host, unit, "runs on a follower", is_stray=True))
            elif not shown.is_healthy(unit):
                found.append(Fault(host, unit, _wrong(shown, unit), is_down=not shown.runs(unit)))
    return found


def _wrong(seen: ServiceFacts, unit: str) -> str:
    state = seen.units.get(unit)
    if state is None or not state.enabled:
        return "is not installed"
    again = f", started again {state.restarts} times by systemd" if state.restarts else ""
    if state.active == "active":
        return f"runs for {state.seconds:.0f} s only{again}"
    return f"is {state.active}{again}"


def put_in_place(
    access: Access,
    zone: ZoneSpec,
    hosts: Hosts,
    leader: str,
    *,
    wanted: Mapping[str, Sequence[str]],
    seen: Mapping[str, ServiceFacts] | None = None,
) -> str:
    """Wait until each service runs where it must, and only there; return the leader's name then.

    A stopped service is started once, and one on a follower is stopped, unless a Raft hook runs.
    ``seen``: the services of a moment ago, if the caller has them; without faults in them no host
    is contacted. Raises HostError with the reason why a service does not run.
    """
    if not any(wanted.values()):
        return leader
    return _Settling(access, zone, hosts, leader, wanted).run(seen)


@dataclass
class _Settling:
    access: Access
    zone: ZoneSpec
    hosts: Hosts
    leader: str | None
    wanted: Mapping[str, Sequence[str]]
    started: set[tuple[str, str]] = field(default_factory=set)
    restarts: dict[tuple[str, str], int] = field(default_factory=dict)
    """Restarts by systemd at the last observation, by host and unit."""
    new_restarts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Restarts by systemd since the first observation, by host and unit."""

    def run(self, seen: Mapping[str, ServiceFacts] | None) -> str:
        begun, reported = time.monotonic(), ""
        if seen is None:
            seen = self._observe()
        while (wrong := faults(seen, self.wanted, self.leader)) or self._hooks(seen):
            self._count(seen)
            lost = [fault for fault in wrong if self._is_lost(seen[fault.host], fault)]
            late = time.monotonic() - begun > DEADLINE
            if lost or (wrong and late):
                self._refuse(lost or wrong)
            if late:
                break
            found = [f"{fault.host}: {full_name(fault.unit)}" for fault in wrong]
            text = "; ".join(found or [f"{name}: a Raft hook" for name in self._hooks(seen)])
            if text != reported:
                # After a change, observe again without a pause.
                self.access.report(f"wait for the services: {text}")
                reported = text
            else:
                time.sleep(PAUSE)
            stop = [fault for fault in wrong if fault.is_stray and not seen[fault.host].hook_runs]
            start = [fault for fault in wrong if self._has_to_start(seen[fault.host], fault)]
            seen = self._observe(stop, start)
        return self.leader or ""

    def _hooks(self, seen: Mapping[str, ServiceFacts]) -> list[str]:
        """Return the followers on which a hook runs.

        If a follower led for a moment, its two hooks may run in the wrong order: that of a leader
        starts the services at its end.
        """
        return [name for name, shown in seen.items() if shown.hook_runs and name != self.leader]

    def _has_to_start(self, seen: ServiceFacts, fault: Fault) -> bool:
        """Return whether to start a service, which a running hook would otherwise do.

        A hook that has moved the VIPs may announce them for a long time: see services.sh.
        """
        is_free = bool(self.zone.vips) or not seen.hook_runs
        return fault.is_down and is_free and (fault.host, fault.unit) not in self.started

    def _observe(
        self, stop: Sequence[Fault] = (), start: Sequence[Fault] = ()
    ) -> dict[str, ServiceFacts]:
        def ask(host: Host) -> tuple[ServiceFacts, RaftStatus | None]:
            name = host.name
            if not self.wanted.get(name):
                return ServiceFacts({}), raft_status(self.access, host)
            leads = name == self.leader
            values = self.access.run(
                host,
                "services",
                variables={
                    "units": " ".join(full_name(unit) for unit in self.wanted[name]),
                    "stop": " ".join(fault.unit for fault in stop if fault.host == name),
                    "start": " ".join(fault.unit for fault in start if fault.host == name),
                    "addresses": " ".join(v.address for v in self.zone.vips) if leads else "",
                },
                exclusive=any(fault.host == name for fault in (*stop, *start)),
            ).values
            listening = frozenset(
                unit.removesuffix(".service") for unit in values["listening"].splitlines()
            )
            self.started |= {(name, unit) for unit in values["started"].split()}
            with reading_answer(name, "services"):
                seen = ServiceFacts(units(values), bool(values["hook"]), listening)
            return seen, raft_status(self.access, host)

        answers = on_each(self.hosts, ask)
        if self.zone.highly_available:
            statuses = {name: status for name, (_, status) in answers.items() if status}
            self.leader = ZoneView((), statuses).leader()
        return {name: seen for name, (seen, _) in answers.items()}

    def _count(self, seen: Mapping[str, ServiceFacts]) -> None:
        for name, front_end in seen.items():
            for unit, now in front_end.units.items():
                before = self.restarts.get((name, unit), now.restarts)
                self.new_restarts[name, unit] += max(now.restarts - before, 0)
                self.restarts[name, unit] = now.restarts

    def _is_lost(self, seen: ServiceFacts, fault: Fault) -> bool:
        """Return whether a started service fails, or is restarted again and again."""
        if fault.is_stray or fault.unit not in seen.units:
            return False
        key = (fault.host, fault.unit)
        has_failed = seen.units[fault.unit].active == "failed" and key in self.started
        return has_failed or self.new_restarts[key] >= LOOPS

    def _refuse(self, wrong: Sequence[Fault]) -> None:
        def refuse(host: Host) -> None:
            own = [fault for fault in wrong if fault.host == host.name]
            named = " ".join(fault.unit for fault in own)
            self.access.run(
                host,
                "refuse_services",
                variables={
                    "units": named,
                    "wrong": "\n".join(map(str, own)),
                    "expected": f"{named.replace(' ', ', ')} "
                    + ("to run and to stay up" if not own[0].is_stray else "on the leader alone"),
                    "remedy": f"correct what it says on {host.name} (journalctl -u"
                    f" {own[0].unit}; its configuration is in /etc/one), then run again: what does"
                    " not run is started",
                },
                exclusive=False,
            )

        on_each({fault.host: self.hosts[fault.host] for fault in wrong}, refuse)
        raise AssertionError("refuse_services.sh always refuses")
