"""Two servers with faults at once: a refresh shows all of them, and the next up repairs them.

The worst pairs, one after the other on one zone. All pairs are in tests/unit/test_repairs.py.
"""

from collections.abc import Callable, Iterator
from xml.etree import ElementTree

import pytest

from lab.machines import Lab
from tests.lab.conftest import MakeLab
from tests.lab.operators import VIP, Operator
from tests.lab.test_drift import KEYS, NAMES, Drift, edit, repair, roles
from tests.lab.zones import servers, wait_for, zone_entry

pytestmark = pytest.mark.lab

OTHER_DATA = "mysql opennebula -e \"DELETE FROM user_pool WHERE name = 'serveradmin'\""
STOP = "systemctl stop opennebula"
RESTART = "systemctl restart opennebula"

Faults = Callable[[Lab, str, str, str], list[Drift]]
"""Make the faults, for the leader and its two followers."""


def renumber(number: int) -> str:
    return edit("oned.conf", "SERVER_ID *= *[0-9]*", f"SERVER_ID = {number}")


def number_of(lab: Lab, name: str) -> int:
    return next(server.id for server in servers(lab.host(name)) if server.name == name)


def swapped(lab: Lab, leader: str, near: str, far: str) -> list[Drift]:
    """Each follower runs with the other follower's SERVER_ID."""
    ids = {name: number_of(lab, name) for name in (near, far)}
    return [
        Drift(near, f"{renumber(ids[far])} && {RESTART}", f"it runs with SERVER_ID {ids[far]}"),
        Drift(far, f"{renumber(ids[near])} && {RESTART}", f"it runs with SERVER_ID {ids[near]}"),
    ]


def wrong_number_and_stopped(lab: Lab, leader: str, near: str, far: str) -> list[Drift]:
    return [
        Drift(near, f"{renumber(7)} && {RESTART}", "it runs with SERVER_ID 7"),
        Drift(far, STOP, "its oned is stopped"),
    ]


def other_data_and_wrong_key(lab: Lab, leader: str, near: str, far: str) -> list[Drift]:
    return [
        Drift(near, OTHER_DATA, "its data differ from the leader's: user_pool"),
        Drift(far, f"echo other >{KEYS}/one_key", f"{KEYS}/one_key: not as on the leader"),
    ]


def stopped_and_an_old_list(lab: Lab, leader: str, near: str, far: str) -> list[Drift]:
    """The running follower lists an unknown server in the place of the stopped one."""
    sql = f"UPDATE zone_pool SET body = REPLACE(body, '{near}', 'n1a9')"  # noqa: S608
    return [
        Drift(near, STOP, "its oned is stopped"),
        Drift(far, f'mysql opennebula -e "{sql}"', "its data differ from the leader's: zone_pool"),
    ]


def all_of_it_on_the_followers(lab: Lab, leader: str, near: str, far: str) -> list[Drift]:
    return [
        Drift(far, f"{STOP}; {OTHER_DATA}; {renumber(5)}", "SERVER_ID 5 in oned.conf"),
        Drift(near, f"{renumber(7)} && {RESTART}", "it runs with SERVER_ID 7"),
        Drift(near, f"rm {KEYS}/one_key", f"{KEYS}/one_key: missing"),
    ]


def a_leader_that_must_not_restart_and_other_data(
    lab: Lab, leader: str, near: str, far: str
) -> list[Drift]:
    return [
        Drift(leader, renumber(9), "SERVER_ID 9 in oned.conf"),
        Drift(near, OTHER_DATA, "its data differ from the leader's: user_pool"),
        Drift(far, STOP, "its oned is stopped"),
    ]


@pytest.fixture(scope="module")
def zone(
    make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Lab, Operator]]:
    lab = make_module_lab(3)
    operator = Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=NAMES)
    run = operator.up()
    assert run.ok, run.output
    yield lab, operator


def test_the_zone_has_a_grpc_endpoint_and_its_servers_none(zone: tuple[Lab, Operator]) -> None:
    """With one, a server would wait for a dead leader for 20 s and more."""
    lab, _ = zone
    shown = ElementTree.fromstring(zone_entry(lab.host(NAMES[0])))  # noqa: S314
    entries = shown.iterfind("SERVER_POOL/SERVER")
    listed = {entry.findtext("NAME"): entry.findtext("ENDPOINT_GRPC") for entry in entries}
    assert listed == dict.fromkeys(NAMES)
    assert shown.findtext("TEMPLATE/ENDPOINT_GRPC") == f"{VIP}:2634"


@pytest.mark.parametrize(
    "faults",
    [
        swapped,
        pytest.param(wrong_number_and_stopped, marks=pytest.mark.campaign),
        pytest.param(other_data_and_wrong_key, marks=pytest.mark.campaign),
        pytest.param(stopped_and_an_old_list, marks=pytest.mark.campaign),
        pytest.param(all_of_it_on_the_followers, marks=pytest.mark.campaign),
        pytest.param(a_leader_that_must_not_restart_and_other_data, marks=pytest.mark.campaign),
    ],
)
def test_faults_of_several_servers_are_repaired_at_once(
    zone: tuple[Lab, Operator], faults: Faults
) -> None:
    lab, operator = zone
    leader, near, far = roles(lab)

    def follow_again() -> bool | None:
        """Check that the restarted servers follow: the zone has a quorum at each moment."""
        states = {each.name: each.state for each in servers(lab.host(leader))}
        return True if list(states.values()).count("follower") >= len(awake) else None

    drift = faults(lab, leader, near, far)
    awake = [leader]
    for each in drift:
        done = lab.host(each.host).run(each.by_hand)
        assert done.returncode == 0, f"{each}: {done.stderr}"
        wait_for(follow_again, "a follower")
    repair(lab, operator, [Drift(each.host, "true", each.shown) for each in drift])
