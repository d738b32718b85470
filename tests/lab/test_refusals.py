"""Refusals on hosts that run OpenNebula: reason, host and remedy are named; nothing changes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.machines import Lab
from tests.lab.conftest import MakeLab
from tests.lab.messages import messages, only
from tests.lab.operators import ONE_PASS, Operator, config
from tests.lab.zones import assert_survives, assert_whole, footprint, one, servers, wait_for

pytestmark = pytest.mark.lab

NAMES = ["n1a1", "n1a2", "n1a3"]
Site = tuple[Lab, Operator]


@pytest.fixture(scope="module")
def site(make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    lab = make_module_lab(5, template="mariadb")
    yield lab, Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=NAMES)


def test_front_ends_that_cannot_reach_each_other_are_refused(site: Site) -> None:
    lab, operator = site
    lab.cut("n1a1", "n1a2")
    found = messages(operator.up())
    assert found.keys() == {"n1a1", "n1a2"}
    assert found["n1a2"].step == "check that the front-ends reach each other"
    assert found["n1a2"].seen == "from n1a1 to n1a2 port 22 (sshd), 2633 (oned): no answer"
    assert "from 10.2.50.10 to these ports of 10.2.50.11" in found["n1a2"].remedy
    for name in NAMES:
        assert lab.host(name).run("dpkg-query -W opennebula").returncode != 0

    with config(operator, skip_checks=["ports"]):
        message = only(operator.up(), "n1a1")
    assert message.step == "send the database and the keys"
    assert message.expected == "the database and the keys on n1a2"
    assert "n1a2: " in message.seen
    assert "reaches the SSH port of n1a2" in message.remedy
    for name in NAMES:
        assert lab.host(name).run("pgrep -f '/usr/bin/oned'").returncode != 0
    lab.host("n1a1").heal()
    run = operator.up()
    assert run.ok, run.output
    assert_whole(lab, NAMES)


@pytest.mark.campaign
def test_a_front_end_of_another_zone_is_refused(site: Site, tmp_path: Path) -> None:
    lab, operator = site
    stranger = Operator(lab, tmp_path / "stranger", front_ends=["n1a4"])
    stranger.config |= {"force_ha": True, "one_vip": "10.2.50.87"}
    run = stranger.up()
    assert run.ok, run.output
    before = trace(lab, [*NAMES, "n1a4"])

    with config(operator, frontends=operator.list_of([host.name for host in lab.hosts])):
        message = only(operator.up(), "n1a4")
    assert message.expected == "no data, or a copy of those on n1a1, n1a2, n1a3"
    assert message.seen == "data of another OpenNebula"
    assert "remove n1a4 from opennebula-ha:frontends" in message.remedy
    assert trace(lab, [*NAMES, "n1a4"]) == before
    assert stranger.up("--expect-no-changes").ok


@pytest.mark.campaign
def test_a_password_that_the_existing_opennebula_refuses(site: Site, tmp_path: Path) -> None:
    lab, _ = site
    before = trace(lab, ["n1a4"])
    careless = Operator(lab, tmp_path / "careless", front_ends=["n1a4"])
    careless.config |= {"force_ha": True, "one_vip": "10.2.50.87"}
    careless.secrets = {"one_pass": "canary-other-pass-19d0", "db_password": "canary-other-db-5b77"}
    message = only(careless.up(), "n1a4")
    assert message.step == "log in to oned"
    assert "opennebula-ha:one_pass" in message.remedy
    assert trace(lab, ["n1a4"]) == before


@pytest.mark.campaign
def test_a_server_that_the_config_never_listed_is_refused(site: Site) -> None:
    lab, operator = site
    first = lab.host("n1a1")
    one(first, "onezone server-add 0 --name ghost --rpc http://ghost:2633/RPC2")
    before = trace(lab, NAMES)
    operator.forget()
    message = only(operator.up(), ", ".join(NAMES))
    assert message.step == "bootstrap the zone"
    assert message.seen == "zone server 3 ghost at http://ghost:2633/RPC2"
    assert "add ghost to opennebula-ha:frontends" in message.remedy
    assert "remove it from the zone" in message.remedy
    assert trace(lab, NAMES) == before
    one(first, "onezone server-del 0 3")
    run = operator.up()
    assert run.ok, run.output
    assert_whole(lab, NAMES)


@pytest.mark.campaign
def test_a_shrink_while_a_remaining_server_is_down_is_refused(site: Site) -> None:
    lab, operator = site
    leader = assert_whole(lab, NAMES)
    staying = next(name for name in NAMES if name != leader)
    lab.host(staying).run("systemctl stop opennebula")
    up = [name for name in NAMES if name != staying]
    before = trace(lab, up)
    wanted = {"frontends": operator.list_of([staying]), "force_ha": True}
    with config(operator, **wanted):
        message = only(operator.up(), staying)
    assert message.step == "shrink the zone"
    assert message.seen == f"{staying} down"
    for way_out in (f"bring {staying} back", "opennebula-ha:lost", "opennebula-ha:allow_degraded"):
        assert way_out in message.remedy
    assert trace(lab, up) == before

    with config(operator, **wanted, allow_degraded=True):
        message = only(operator.up(), staying)
    assert message.expected == "2 of 3 servers up while one of them leaves"
    assert message.seen == "0 (none)"
    assert "would lose quorum" in message.remedy
    assert trace(lab, up) == before

    lab.host(staying).run("systemctl start opennebula")
    run = operator.up()
    assert run.ok, run.output
    assert_whole(lab, NAMES)


def test_a_zone_of_three_cannot_become_standalone_at_once(site: Site) -> None:
    lab, operator = site
    leader = assert_whole(lab, NAMES)
    staying = next(name for name in NAMES if name != leader)
    before = trace(lab, NAMES)
    without_vip = {
        key: value for key, value in operator.config.items() if not key.startswith("one_vip")
    }
    full, operator.config = operator.config, without_vip
    with config(operator, frontends=operator.list_of([staying])):
        message = only(operator.up(), ", ".join(NAMES))
    operator.config = full
    assert "shrink it to one with force_ha: true first" in message.remedy
    assert trace(lab, NAMES) == before


def test_a_new_password_while_a_server_is_down_is_refused(site: Site) -> None:
    lab, operator = site
    leader = assert_whole(lab, NAMES)
    down = next(name for name in NAMES if name != leader)
    lab.host(down).run("systemctl stop opennebula")
    others = [name for name in NAMES if name != down]
    before = trace(lab, others)
    operator.secrets["one_pass"] = "canary-second-pass-8d2e"
    message = only(operator.up(), down)
    assert message.seen == f"no answer of the oned on {down}"
    assert trace(lab, others) == before
    # One of the two remedies; the other is to start the server.
    operator.secrets["one_pass"] = ONE_PASS
    lab.host(down).run("systemctl start opennebula")
    wait_for(lambda: "error" not in states(lab, leader) or None, f"the server on {down}")
    run = operator.up()
    assert run.ok, run.output


def test_a_leaving_front_end_that_cannot_be_reached_is_refused(site: Site) -> None:
    lab, operator = site
    leader = assert_whole(lab, NAMES)
    gone = next(name for name in NAMES if name != leader)
    up = [name for name in NAMES if name != gone]
    before = trace(lab, up)
    lab.host(gone).kill()
    with config(operator, frontends=operator.list_of([leader]), force_ha=True):
        message = only(operator.up(), gone)
    assert "opennebula-ha:lost" in message.remedy
    lab.host(gone).start()
    wait_for(lambda: "error" not in states(lab, leader) or None, f"the server on {gone}")
    assert trace(lab, up) == before
    # What a leader writes by itself, it sends to a server that returns with its next write.
    one(lab.host(leader), "oneuser create later secret-of-later")


def test_after_the_refusals_the_zone_survives_the_leaders_loss(site: Site) -> None:
    lab, _ = site
    assert_survives(lab, NAMES, assert_whole(lab, NAMES))


def states(lab: Lab, name: str) -> list[str]:
    return [server.state for server in servers(lab.host(name))]


def trace(lab: Lab, names: list[str]) -> set[str]:
    """Collect what a change would leave on those hosts."""
    return {
        f"{name}: {line}"
        for name in names
        for line in (
            *footprint(lab.host(name)).splitlines(),
            *(f"{server.id} {server.name} {server.state}" for server in servers(lab.host(name))),
        )
    }
