"""The life of a stack: an operator's runs, faults in them, and events on the hosts."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.simulation.builders import blank
from tests.simulation.database import Content
from tests.simulation.driver import Config, Failed, Operator
from tests.simulation.faults import Fault
from tests.simulation.product import quorum
from tests.simulation.site import Site, require

NAMES = ("n0", "n1", "n2", "n3", "n4", "n5", "n6")


@dataclass(frozen=True)
class Run:
    """An ``up`` with these front-ends, if it is sensible by then; else with those of before."""

    front_ends: tuple[str, ...]
    force_ha: bool = True
    fault: Fault | None = None
    busy: bool = False


@dataclass(frozen=True)
class Again:
    """The same ``up`` again."""

    fault: Fault | None = None
    busy: bool = False


@dataclass(frozen=True)
class Lose:
    """A host is lost for good; the next ``up`` has another one, and lists it as lost."""

    name: str
    fault: Fault | None = None


@dataclass(frozen=True)
class Happens:
    """An event without a run of ours: the name of the life's method, and the host."""

    what: str
    name: str = ""


Move = Run | Again | Lose | Happens


@dataclass
class Life:
    """A site, an operator, and the present config."""

    seed: int = 0
    site: Site = field(default_factory=lambda: blank(*NAMES))
    said: list[str] = field(default_factory=list)
    """The messages to the operator, and the actions: for the reader of a failure."""

    def __post_init__(self) -> None:
        order = random.Random(self.seed)
        self.site.has_name_service = self.seed % 4 == 3
        self.operator = Operator(self.site, order=order)
        # The last leader is the last candidate: so any server may be the first one.
        self.site.led += order.sample(NAMES, len(NAMES))
        self.config = Config.of(*NAMES[:3])
        self.settled: Config | None = None
        """The config of the last successful ``up``, if no later one failed."""
        self.former = self.config
        """The config of the last successful ``up``."""
        self.begun = False

    def take(self, move: Move) -> None:
        self.said.append(str(move))
        match move:
            case Run(front_ends, force_ha, fault, busy):
                more: dict[str, Any] = {"force_ha": True} if force_ha else {}
                lost = self.lost - {*front_ends}
                more |= {"lost": tuple(sorted(lost))} if lost else {}
                config = Config.of(*front_ends, **more)
                if not self.begun or self.is_sensible(config):
                    self.config = config
                self.up(fault, busy=busy)
            case Again(fault, busy):
                self.up(fault, busy=busy)
            case Lose(name, fault):
                self.lose(name, fault)
            case Happens(what, name):
                happens: Callable[[str], object] = getattr(self, what)
                happens(name)

    @property
    def lost(self) -> set[str]:
        return {*dict(self.config.more).get("lost", ())}

    def up(self, fault: Fault | None = None, *, busy: bool = False) -> bool:
        """Run ``up``; tell whether it succeeded."""
        self.begun, self.settled, self.site.busy = True, None, busy
        try:
            if not self.operator.up(self.config, fault):
                self.said.append(f"  killed at {self.operator.faults.seen[-1]}")
                return False
        except Failed as error:
            self.said.append(f"  {error}")
            return False
        finally:
            self.site.busy = False
        self.settled = self.former = self.config
        return True

    def refresh(self, _: str = "") -> list[str]:
        if not self.operator.state:
            return []
        try:
            found = self.operator.refresh(self.config)
        except Failed as error:
            found = [str(error)]
        self.said += [f"  {one}" for one in found]
        return found

    def end_whole(self) -> None:
        """All hosts are back; the operator refreshes, and follows the messages."""
        self.all_up("")
        for _ in range(2 * len(NAMES)):
            self.refresh()
            if self.up():
                self.site.assert_whole(
                    self.config.front_ends, highly_available=self.config.highly_available
                )
                self.site.assert_names(self.config.front_ends)
                found = self.refresh()
                require(not found, f"drift after it: {found}")
                planned = self.operator.preview(self.config)
                require(not planned, f"a preview after it: {planned}")
                return
            asked = self.said[-1].rpartition("restart opennebula on ")[2].partition(",")[0]
            if asked in NAMES:
                self.restart(asked)
                continue
            if removed := re.search(
                r"stop opennebula on (n\d); .* server-del 0 (\d+)", self.said[-1]
            ):
                self.remove(removed[1], int(removed[2]))
                continue
            silent = re.findall(r"(n\d) does not answer", self.said[-1])
            if [name for name in silent if self.wake(name)]:
                continue
            changed = [what for what, _, changes in self.operator.faults.seen if changes]
            require(not changed, f"refused after {changed}: {self.said[-1]}")
            require(self.former != self.config, f"the last run failed: {self.said[-1]}")
            # A refused change is reverted.
            self.config = self.former
        raise AssertionError("one that is to leave leads again and again")

    # Events from outside

    def write(self, _: str) -> None:
        self.site.use()

    def power_cut(self, _: str) -> None:
        self.site.power_cut()

    def all_up(self, _: str) -> None:
        self.site.boot(*NAMES)

    def power_off(self, name: str) -> None:
        self.site.power_off(name)

    def boot(self, name: str) -> None:
        self.site.boot(name)

    def stop_oned(self, name: str) -> None:
        self.site.stop_oned(name)

    def restart(self, name: str) -> None:
        """Restart an oned; another server has the time to be elected."""
        host = self.site.hosts[name]
        if host.running and not self.site.can_start(host):
            self.site.led.append(name)
            self.site.stop(host)
            self.site.start(host)
            self.site.happened()

    def wake(self, name: str) -> bool:
        """Start an oned that was stopped by hand; tell whether there was one to start."""
        host = self.site.hosts[name]
        is_asleep = not host.running and host.unit("opennebula").enabled == "enabled"
        if is_asleep:
            self.site.start(host)
            self.site.happened()
        return is_asleep

    def remove(self, name: str, server_id: int) -> None:
        """Stop a server, and delete its entry, by hand."""
        self.site.stop(self.site.hosts[name])
        self.site.happened()

        def without(content: Content) -> Content:
            return replace(content, pool=tuple(e for e in content.pool if e.id != server_id))

        leader = self.site.leader()
        assert leader is not None, "there is no leader to ask"
        self.site.write(leader, f"delete {server_id} by hand", without)
        self.site.happened()

    def purge_log(self, _: str) -> None:
        self.site.purge_log()

    def replace(self, name: str) -> None:
        """Replace a host by a blank one of the same name; not if data could be lost by it."""
        if self.is_settled() and self.can_miss(name):
            self.site.blank(name)

    def lose(self, name: str, fault: Fault | None) -> None:
        front_ends = self.config.front_ends
        spare = [one for one in NAMES if one not in front_ends and one not in self.lost]
        if name not in front_ends or not spare or not self.can_miss(name):
            return
        config = self.config.but(
            front_ends=({*front_ends} - {name}) | {spare[0]},
            lost=tuple(sorted({*self.lost, name})),
        )
        if not self.is_sensible(config):
            return
        self.site.blank(name)
        self.site.hosts[name].up = False
        self.config = config
        self.up(fault)

    def is_sensible(self, config: Config) -> bool:
        """One server with all data stays, and no remaining server is blank: a new one waits for
        that.
        """
        stays = {*self.config.front_ends} & {*config.front_ends}
        return (
            self.is_settled()
            and bool(self.whole() & stays)
            and all(self.site.hosts[name].database for name in stays)
        )

    def is_settled(self) -> bool:
        """Tell whether an interrupted change was completed: the zone is that of the config."""
        return self.settled is not None

    def can_miss(self, name: str) -> bool:
        """Tell whether, without that host, a majority with all data stays and starts by itself."""
        enabled = {
            n for n, h in self.site.hosts.items() if h.unit("opennebula").enabled == "enabled"
        }
        whole = self.whole() & {*self.config.front_ends} & enabled - {name}
        return len(whole) >= quorum(len(self.newest()))

    def newest(self) -> set[str]:
        """Return the servers by the newest list of the zone."""
        databases = [h.database for n in self.config.front_ends if (h := self.site.hosts[n])]
        found = [self.site.newest.get(one.identity, ()) for one in databases if one is not None]
        return {entry.name for entry in max(found, key=len, default=())}

    def whole(self) -> set[str]:
        """Return the zone servers that have all acknowledged writes."""
        found = set()
        for name in self.newest():
            database = self.site.hosts[name].database
            if database is not None:
                known = self.site.acknowledged.get(database.identity, set())
                found |= {name} if known <= set(database.records) else set()
        return found
