"""Where each service must run, when it counts as running, and which ones are started or stopped."""

from collections.abc import Iterable
from typing import Any, cast

import pytest

from hosts.errors import HostError
from hosts.models import Host
from hosts.script import Output
from opennebula.zone import RaftStatus, State
from procedures import services
from procedures.context import Access
from procedures.facts.facts import Unit
from procedures.services import ServiceFacts, faults, promised, put_in_place
from procedures.specs import Vip, ZoneSpec
from tests.unit.test_procedures import facts

FLOW, GATE, GUI = "opennebula-flow", "opennebula-gate", "opennebula-fireedge"
HEM = "opennebula-hem"
ALL = (FLOW, GATE, GUI)
RUNS, STOPPED = Unit("enabled", "active"), Unit("enabled", "inactive")
YOUNG = Unit("enabled", "active", seconds=2.0)
AGAIN = Unit("enabled", "active", restarts=4, seconds=2.0)
WAITS = Unit("enabled", "activating", restarts=4)
VIP = Vip(address="10.2.50.86", prefix=24, interface="eth0")
ZONE = ZoneSpec(
    name="Main",
    endpoint="http://n1:2633/RPC2",
    highly_available=True,
    vips=(VIP,),
    has_entrance=True,
)
SOLO = ZoneSpec(name="Main", endpoint="http://n1:2633/RPC2", highly_available=False)


def seen(
    gui: Unit = RUNS, flow: Unit = STOPPED, gate: Unit = STOPPED, **others: Any
) -> ServiceFacts:
    return ServiceFacts({GUI: gui, FLOW: flow, GATE: gate}, **others)


LEADER = seen(flow=RUNS, gate=RUNS)


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        (LEADER, seen(), []),
        (seen(gate=RUNS), seen(), ["n1: opennebula-flow.service is inactive"]),
        (LEADER, seen(gui=STOPPED), ["n2: opennebula-fireedge.service is inactive"]),
        (LEADER, seen(flow=RUNS), ["n2: opennebula-flow.service runs on a follower"]),
        (LEADER, seen(flow=WAITS), ["n2: opennebula-flow.service runs on a follower"]),
        (
            seen(flow=WAITS, gate=RUNS),
            seen(),
            ["n1: opennebula-flow.service is activating, started again 4 times by systemd"],
        ),
        (
            seen(flow=AGAIN, gate=RUNS, listening=frozenset({FLOW})),
            seen(),
            ["n1: opennebula-flow.service runs for 2 s only, started again 4 times by systemd"],
        ),
        (
            seen(flow=YOUNG, gate=RUNS),
            seen(),
            ["n1: opennebula-flow.service runs for 2 s only"],
        ),
        (seen(flow=YOUNG, gate=RUNS, listening=frozenset({FLOW})), seen(), []),
        (
            ServiceFacts({GUI: RUNS, FLOW: RUNS}),
            seen(),
            ["n1: opennebula-gate.service is not installed"],
        ),
    ],
)
def test_each_service_must_run_in_its_place(
    first: ServiceFacts, second: ServiceFacts, found: list[str]
) -> None:
    wrong = faults({"n1": first, "n2": second}, {"n1": ALL, "n2": ALL}, "n1")
    assert [f"{one.host}: {one}" for one in wrong] == found


def test_without_a_leader_no_service_has_a_place() -> None:
    assert len(faults({"n1": LEADER, "n2": seen()}, {"n1": ALL, "n2": ALL}, None)) == 4
    # A service that no feature needs is not a fault.
    assert faults({"n1": seen(), "n2": seen(flow=RUNS)}, {"n1": (GUI,), "n2": ()}, "n1") == []


@pytest.mark.parametrize(
    ("leader", "follower", "found"),
    [
        (RUNS, STOPPED, []),
        # It does not listen anywhere, so it only has to be started.
        (YOUNG, STOPPED, []),
        (STOPPED, STOPPED, ["n1: opennebula-hem.service is inactive"]),
        (
            AGAIN,
            STOPPED,
            ["n1: opennebula-hem.service runs for 2 s only, started again 4 times by systemd"],
        ),
        # As systemd describes a unit that does not exist.
        (Unit("", "inactive"), Unit("", "inactive"), []),
        (Unit("enabled", "failed"), STOPPED, ["n1: opennebula-hem.service is failed"]),
        # Its administrator wants no hooks to run.
        (Unit("masked", "inactive"), Unit("masked", "inactive"), []),
        (RUNS, RUNS, ["n2: opennebula-hem.service runs on a follower"]),
        (RUNS, Unit("disabled", "active"), ["n2: opennebula-hem.service runs on a follower"]),
    ],
)
def test_users_hooks_run_on_the_leader_alone(
    leader: Unit, follower: Unit, found: list[str]
) -> None:
    wanted = dict.fromkeys(("n1", "n2"), promised(facts(units={HEM: leader}), (), "7.2"))
    shown = {"n1": ServiceFacts({HEM: leader}), "n2": ServiceFacts({HEM: follower})}
    assert [f"{one.host}: {one}" for one in faults(shown, wanted, "n1")] == found


def test_only_available_services_are_promised() -> None:
    assert set(promised(facts(), ("flow", "form", "gui"), "7.2")) == {
        "opennebula-flow",
        "opennebula-form",
        "opennebula-fireedge",
    }
    assert "opennebula-form" not in promised(facts(), ("flow", "form"), "7.0")


class Site:
    """Hosts that show a sequence of states, and record their commands."""

    def __init__(
        self, looks: Iterable[dict[str, ServiceFacts]], leaders: Iterable[str] = ()
    ) -> None:
        self._looks = list(looks)
        self._leaders = list(leaders)
        self.told: list[str] = []
        self.asked = 0
        self.turn = {"n1": -1, "n2": -1}

    def report(self, said: str) -> None:
        """Ignore all reports."""

    def run(self, host: Host, name: str, *, variables: dict[str, str], **_: Any) -> Output:
        if name == "refuse_services":
            raise HostError(
                host.name,
                "verify the services",
                expected=variables["expected"],
                seen=variables["wrong"],
                remedy=variables["remedy"],
            )
        self.asked += 1
        self.turn[host.name] += 1
        for what in ("stop", "start"):
            if variables[what]:
                self.told.append(f"{host.name}: {what} {variables[what]}")
        now = self._now(self._looks, host.name)[host.name]
        return Output(
            {
                "units": "\n\n".join(
                    f"Id={unit}.service\nUnitFileState={one.enabled}\nActiveState={one.active}\n"
                    f"NRestarts={one.restarts}\n"
                    f"ActiveEnterTimestampMonotonic={(1000 - min(one.seconds, 999)) * 1e6:.0f}"
                    for unit, one in now.units.items()
                ),
                "uptime": "1000",
                "hook": "yes" if now.hook_runs else "",
                "listening": "\n".join(f"{unit}.service" for unit in now.listening),
                "started": variables["start"],
            }
        )

    def api(self, host: Host, *_: Any, **__: Any) -> "Site":
        site = Site([])
        site.turn = self.turn
        leader = self._now(self._leaders or ["n1"], host.name)
        state = State.LEADER if host.name == leader else State.FOLLOWER
        site.raft_status = lambda: RaftStatus(0, state, 1, 1, 1)  # type: ignore[attr-defined]
        return site

    def _now(self, of: list[Any], name: str) -> Any:
        return of[min(self.turn[name], len(of) - 1)]


HOSTS = {name: Host(name=name, address=f"10.0.0.{name[1]}") for name in ("n1", "n2")}
WANTED = {"n1": ALL, "n2": ALL}


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "PAUSE", 0.0)
    monkeypatch.setattr(services, "DEADLINE", 1.0)


def settled(site: Site, first: dict[str, ServiceFacts] | None, zone: ZoneSpec = ZONE) -> str:
    return put_in_place(cast(Access, site), zone, HOSTS, "n1", wanted=WANTED, seen=first)


WELL = {"n1": LEADER, "n2": seen()}


def test_healthy_services_need_no_command() -> None:
    site = Site([])
    assert settled(site, WELL) == "n1"
    assert site.asked == 0
    assert put_in_place(cast(Access, site), ZONE, HOSTS, "n1", wanted={"n1": (), "n2": ()}) == "n1"
    assert site.asked == 0


def test_stopped_services_start_once_and_misplaced_ones_stop() -> None:
    young = {"n1": seen(flow=YOUNG, gate=RUNS), "n2": seen()}
    listens = {"n1": seen(flow=YOUNG, gate=RUNS, listening=frozenset({FLOW})), "n2": seen()}
    site = Site([young, young, listens])
    assert settled(site, {"n1": seen(gate=RUNS), "n2": seen(gate=RUNS)}) == "n1"
    assert site.told == [f"n1: start {FLOW}", f"n2: stop {GATE}"]


def test_no_command_runs_while_a_hook_runs() -> None:
    busy = {"n1": seen(hook_runs=True), "n2": seen(gate=RUNS, hook_runs=True)}
    site = Site([busy, busy, WELL])
    bare = ZONE.model_copy(update={"vips": ()})
    assert settled(site, busy, bare) == "n1"
    assert site.told == []


def test_a_late_hook_of_a_former_leader_is_waited_for() -> None:
    announces = {"n1": LEADER, "n2": seen(hook_runs=True)}
    site = Site([announces, {"n1": LEADER, "n2": seen(gate=RUNS)}, WELL])
    assert settled(site, announces) == "n1"
    assert site.told == [f"n2: stop {GATE}"]


def test_a_hook_that_does_not_end_is_no_fault_of_the_services() -> None:
    hangs = {"n1": LEADER, "n2": seen(hook_runs=True)}
    assert settled(Site([hangs]), hangs) == "n1"


def test_a_leader_elected_in_between_is_the_one_that_counts() -> None:
    site = Site([WELL, {"n1": seen(), "n2": LEADER}], ["n2"])
    assert settled(site, {"n1": seen(), "n2": seen()}) == "n2"


def test_a_service_that_stops_repeatedly_is_reported_with_its_host() -> None:
    counts = [
        {"n1": seen(gate=RUNS, flow=Unit("enabled", "activating", restarts=n)), "n2": seen()}
        for n in range(9)
    ]
    site = Site(counts)
    with pytest.raises(HostError, match="n1: verify the services") as refused:
        settled(site, counts[0])
    assert site.asked < 9
    assert "opennebula-flow.service is activating, started again 3 times" in refused.value.seen
    assert FLOW in refused.value.expected
    assert f"journalctl -u {FLOW}" in refused.value.remedy


def test_a_service_that_does_not_start_is_not_waited_for() -> None:
    failed = {"n1": LEADER, "n2": seen(gui=Unit("enabled", "failed"))}
    site = Site([failed])
    with pytest.raises(HostError, match=f"n2: verify the services: expected {GUI} to run"):
        settled(site, failed)
    assert site.told == [f"n2: start {GUI}"]
    assert site.asked < 6
