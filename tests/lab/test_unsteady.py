"""Unstable parts: a leader that freezes, a stop that hangs, a VIP that returns.

The tests share one zone and run in order.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab.machines import Lab
from tests.lab.conftest import MakeLab
from tests.lab.operators import VIP, Operator
from tests.lab.test_drift import NAMES, Drift, repair, roles, said_of
from tests.lab.test_pairs import OTHER_DATA
from tests.lab.zones import assert_whole, call, holders, wait_for

pytestmark = pytest.mark.lab

PACE = "/etc/opennebula-standin.json"
DROP_IN = "/etc/systemd/system/opennebula.service.d"
# As long after it is ready as the real one hangs.
RACE = "systemctl restart opennebula; sleep 1; systemctl --no-block stop opennebula"
STATE = "systemctl show -p ActiveState --value opennebula"


@pytest.fixture(scope="module")
def zone(
    make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Lab, Operator]]:
    lab = make_module_lab(3)
    operator = Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=NAMES)
    run = operator.up()
    assert run.ok, run.output
    yield lab, operator


@contextmanager
def hanging(lab: Lab, name: str) -> Iterator[None]:
    """Make each stop of that oned hang at its end."""
    host = lab.host(name)
    assert host.run(f"sed -i.kept 's/}}$/, \"hangs\": true}}/' {PACE}").returncode == 0
    yield
    assert host.run(f"mv {PACE}.kept {PACE}").returncode == 0


def test_no_oned_hangs_in_its_stop(zone: tuple[Lab, Operator]) -> None:
    """The first one is killed right after its start, when an oned without drivers would hang."""
    lab, _ = zone
    for name in NAMES:
        journal = lab.host(name).run("journalctl -u opennebula").stdout
        assert "timed out. Killing" not in journal
        assert journal.count("status=9/KILL") == (name == NAMES[0])


def test_a_stop_that_hangs_is_ended_early(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    _, near, _ = roles(lab)
    with hanging(lab, near):
        shown = "its data differ from the leader's: user_pool"
        said = repair(lab, operator, [Drift(near, OTHER_DATA, shown)])
    assert "kill oned: it has ended all of its modules, and hangs in its exit" in said
    assert "timed out. Killing" not in lab.host(near).run("journalctl -u opennebula").stdout


@pytest.mark.campaign
def test_up_waits_for_an_oned_that_is_stopping(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    _, near, _ = roles(lab)
    host = lab.host(near)
    assert host.run(f"rm -r {DROP_IN} && systemctl daemon-reload").returncode == 0
    host.run(RACE)
    finished = "tail -n 3 /var/log/one/oned.log | grep 'All modules finalized'"
    wait_for(lambda: host.run(finished).stdout or None, "the end of all modules")
    assert host.run(STATE).stdout == "deactivating\n"
    shown = operator.refresh()
    assert shown.ok, shown.output
    assert any("its oned is being stopped" in line for line in said_of(shown.output, near))
    assert any(f"{DROP_IN}/opennebula-ha.conf" in line for line in said_of(shown.output, near))
    run = operator.up()
    assert run.ok, run.output
    assert_whole(lab, NAMES)


@pytest.mark.campaign
def test_a_stop_at_the_worst_moment_ends(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    _, near, _ = roles(lab)
    host = lab.host(near)
    host.run(RACE)
    wait_for(lambda: host.run(STATE).stdout == "inactive\n" or None, "the end of oned", 20)
    shown = operator.refresh()
    assert shown.ok, shown.output
    run = operator.up()
    assert run.ok, run.output
    assert_whole(lab, NAMES)


def test_up_completes_a_join_during_which_the_leader_freezes(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    leader, near, far = roles(lab)
    assert lab.host(near).run(OTHER_DATA).returncode == 0
    shown = operator.refresh()
    assert shown.ok, shown.output
    process = operator.start_up()
    assert process.stdout is not None
    said: list[str] = []
    lines = process.stdout
    reader = threading.Thread(target=lambda: said.extend(lines))
    reader.start()
    stopped = "systemctl is-active opennebula"
    wait_for(lambda: "inactive" in lab.host(near).run(stopped).stdout or None, f"{near} down")
    lab.host(leader).freeze()

    def stands() -> bool | None:
        """The remaining server is a candidate: it has not heard from the leader."""
        return True if "<STATE>1</STATE>" in call(lab.host(far), "one.zone.raftstatus") else None

    wait_for(stands, f"{far} as a candidate")
    lab.host(leader).thaw()
    reader.join(300)
    process.wait()
    assert process.returncode == 0, "".join(said)
    assert "restart opennebula" not in "".join(said)
    assert holders(lab) == [assert_whole(lab, NAMES)]
    again = operator.refresh()
    assert "drift:" not in again.output, again.output


def test_neighbours_of_a_leftover_vip_find_the_leader(
    zone: tuple[Lab, Operator],
) -> None:
    lab, operator = zone
    leader, near, far = roles(lab)
    macs = {n: lab.host(n).run("cat /sys/class/net/eth0/address").stdout.strip() for n in NAMES}
    # The VIP was announced from there.
    lab.host(near).run(f"ip neigh replace {VIP} lladdr {macs[far]} dev eth0 nud stale; true")
    repair(
        lab,
        operator,
        [Drift(far, f"ip address add {VIP}/24 dev eth0", f"{VIP} left over on {far}")],
    )
    wait_for(
        lambda: macs[leader] in lab.host(near).run(f"ip neigh show {VIP}").stdout or None,
        f"{VIP} at {leader}",
        5,
    )


def test_a_program_that_adds_the_vip_to_another_host_is_reported(
    zone: tuple[Lab, Operator],
) -> None:
    lab, operator = zone
    leader, _, far = roles(lab)
    give = f"while :; do ip address add {VIP}/24 dev eth0 2>/dev/null; sleep 1; done"
    done = lab.host(far).run(f"systemd-run --unit=giver bash -c '{give}'")
    assert done.returncode == 0, done.stderr
    wait_for(lambda: far in holders(lab) or None, f"{VIP} on {far}")
    shown = operator.refresh()
    assert f"{VIP} left over on {far}" in shown.output
    run = operator.up()
    assert not run.ok, run.output
    assert f"remove {VIP} from what gives it to {far}" in run.output
    assert "ip address add" in run.output.partition("what may hold it")[2]
    assert lab.host(far).run("systemctl stop giver").returncode == 0
    run = operator.up()
    assert run.ok, run.output
    assert holders(lab) == [leader]


@pytest.mark.campaign
def test_a_hook_without_the_right_to_move_the_vip_is_drift(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    leader, near, far = roles(lab)
    shown = "oneadmin may not run ip address by sudo, without which no hook can move a VIP"
    repair(lab, operator, [Drift(far, "rm /etc/sudoers.d/opennebula", shown)])
    allowed = "runuser -u oneadmin -- sudo -n ip address show"
    assert lab.host(far).run(allowed).returncode == 0
    # The other hosts have the file of their package.
    for name in (leader, near):
        assert lab.host(name).run("ls /etc/sudoers.d/opennebula-ha").returncode != 0
