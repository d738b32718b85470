"""Services next to oned: OneGate, OneFlow, OneForm on the leader, FireEdge on all front-ends."""

import base64
import json
from collections.abc import Iterator

import pytest

from lab.machines import Lab
from tests.lab.conftest import MakeLab
from tests.lab.messages import only
from tests.lab.operators import ONE_PASS, VIP, Operator
from tests.lab.web import Answer, Page
from tests.lab.zones import assert_survives, assert_whole, wait_for

pytestmark = pytest.mark.lab

NAMES = ["n1a1", "n1a2", "n1a3"]
EVERYTHING = {"gui": True, "flow": True, "gate": True, "form": True}
BASIC = {"Authorization": f"Basic {base64.b64encode(f'oneadmin:{ONE_PASS}'.encode()).decode()}"}
BESIDE_LEADER = {
    "opennebula-gate": Page(5030, "/"),
    "opennebula-flow": Page(2474, "/service", BASIC),
    "opennebula-form": Page(13013, "/api/v1/provisions", BASIC),
}
"""Requests that each service answers only after it has asked its oned."""
HEM = "opennebula-hem"
"""What runs users' hooks: it has those of its start, so it must start on each new leader."""
OTHER_VIP = "10.2.50.87"
KEY = "/var/lib/one/.one/fireedge_key"


@pytest.fixture(scope="module")
def zone(
    make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Lab, Operator]]:
    lab = make_module_lab(3)
    operator = Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=NAMES)
    operator.config["features"] = EVERYTHING
    run = operator.up()
    assert run.ok, run.output
    yield lab, operator


def test_services_follow_the_leader_after_its_host_fails(
    zone: tuple[Lab, Operator],
) -> None:
    lab, _ = zone
    leader = assert_whole(lab, NAMES)
    assert_served_by(lab, leader)
    followers = [name for name in NAMES if name != leader]
    assert_idle(lab, followers)

    heir = assert_survives(lab, NAMES, leader)
    assert_served_by(lab, heir)
    assert_idle(lab, [name for name in followers if name != heir])
    for name in followers:
        log_in(lab, name)

    lab.host(leader).start()
    assert_served_by(lab, assert_whole(lab, NAMES))
    assert_idle(lab, [leader])
    log_in(lab, leader)


def test_a_token_of_one_fireedge_is_valid_on_all(zone: tuple[Lab, Operator]) -> None:
    lab, _ = zone
    assert_one_key(lab)


@pytest.mark.campaign
def test_a_fireedge_installed_later_has_the_same_key(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    operator.change(NAMES, features={**EVERYTHING, "gui": False})
    for name in NAMES:
        done = lab.host(name).run(
            f"systemctl stop opennebula-fireedge && dpkg --purge opennebula-fireedge && rm {KEY}"
        )
        assert done.returncode == 0, done.stderr
    operator.change(NAMES, features=EVERYTHING)
    assert_one_key(lab)
    assert operator.refresh().ok
    assert operator.up("--expect-no-changes").ok


@pytest.mark.campaign
def test_up_fails_while_a_service_stops_again_and_again(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    file = "/etc/one/oneflow-server.conf"
    for name in NAMES:
        done = lab.host(name).run(f"grep -q ^:port: {file} && sed -i.kept '/^:port:/d' {file}")
        assert done.returncode == 0, done.stderr
        lab.host(name).run("systemctl try-restart opennebula-flow")
    operator.config["oned"] = {"LOG": {"DEBUG_LEVEL": 4}}
    refused = operator.up()
    message = only(refused, assert_whole(lab, NAMES))
    assert message.step == "verify the services"
    assert "opennebula-flow" in message.expected
    assert "no :host and :port in the configuration" in message.seen
    assert "journalctl -u opennebula-flow" in message.remedy

    # The next one fails too, although it would have nothing else to do.
    assert not operator.up().ok

    for name in NAMES:
        assert lab.host(name).run(f"mv {file}.kept {file}").returncode == 0
    run = operator.up()
    assert run.ok, run.output
    leader = assert_whole(lab, NAMES)
    assert_served_by(lab, leader)
    assert_idle(lab, [name for name in NAMES if name != leader])
    assert operator.up("--expect-no-changes").ok


@pytest.mark.campaign
def test_up_fails_while_fireedge_is_down_on_a_follower(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    leader = assert_whole(lab, NAMES)
    follower = next(name for name in NAMES if name != leader)
    part = "/etc/systemd/system/opennebula-fireedge.service.d"
    done = lab.host(follower).run(
        f"mkdir {part} && printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n' >{part}/x.conf"
        " && systemctl daemon-reload && systemctl restart opennebula-fireedge"
    )
    assert done.returncode == 0, done.stderr
    operator.config["gate_endpoint"] = f"http://{VIP}:5030/"
    message = only(operator.up(), follower)
    assert "opennebula-fireedge" in message.expected
    assert lab.host(follower).run(f"rm -r {part} && systemctl daemon-reload").returncode == 0
    run = operator.up()
    assert run.ok, run.output
    log_in(lab, follower)


def test_services_are_stopped_on_followers_and_started_on_the_leader(
    zone: tuple[Lab, Operator],
) -> None:
    lab, operator = zone
    leader = assert_whole(lab, NAMES)
    follower = next(name for name in NAMES if name != leader)
    started = f"systemctl start opennebula-gate opennebula-flow {HEM}"
    assert lab.host(follower).run(started).returncode == 0
    assert lab.host(leader).run(f"systemctl stop opennebula-gate {HEM}").returncode == 0
    # Without a refresh the stack does not know, and the leader does not change.
    operator.config["keep_dumps"] = 9
    run = operator.up()
    assert run.ok, run.output
    assert assert_whole(lab, NAMES) == leader
    assert_served_by(lab, leader)
    assert_idle(lab, [name for name in NAMES if name != leader])


@pytest.mark.campaign
def test_fireedge_follows_the_vip(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    for name in NAMES:
        # From its first login on it asks oned at the VIP that was valid at that moment.
        log_in(lab, name)
    operator.change(NAMES, one_vip=OTHER_VIP)
    for name in NAMES:
        log_in(lab, name)


def assert_served_by(lab: Lab, leader: str) -> None:
    """Check that each of the three answers at the VIP, from that host, to an authorized user.

    The service that runs hooks must run there, too.
    """

    def strangers() -> dict[str, Answer]:
        answers = {unit: page.of(lab, VIP) for unit, page in BESIDE_LEADER.items()}
        return {
            unit: answer
            for unit, answer in answers.items()
            if (answer.status, answer.server) != (200, f"{unit} ({leader})")
        }

    wait_for(lambda: not strangers() or None, f"Gate, Flow and Form of {leader} at the VIP")
    asked = f"systemctl is-active {HEM}"
    wait_for(lambda: lab.host(leader).run(asked).returncode == 0 or None, f"{HEM} on {leader}")


def assert_idle(lab: Lab, names: list[str]) -> None:
    """Check that none of the four runs there."""
    units = [HEM, *BESIDE_LEADER]

    def not_idle() -> dict[tuple[str, str], str]:
        states = {
            (name, unit): state
            for name in names
            for unit, state in zip(
                units,
                lab.host(name).run(f"systemctl is-active {' '.join(units)}").stdout.split(),
                strict=True,
            )
        }
        return {unit: state for unit, state in states.items() if state != "inactive"}

    try:
        wait_for(lambda: not not_idle() or None, f"nothing but FireEdge on {names}")
    except AssertionError as error:
        raise AssertionError(f"{error}, found {not_idle()}") from None


def log_in(lab: Lab, name: str) -> Answer:
    """Log in as oneadmin to FireEdge on that host, once it answers, and return its answer."""
    page = Page(
        2616, "/fireedge/api/auth", body=json.dumps({"user": "oneadmin", "token": ONE_PASS})
    )

    def said() -> Answer | None:
        answer = page.of(lab, lab.host(name).address)
        return answer if answer.status else None

    answer = wait_for(said, f"FireEdge on {name}")
    assert (answer.status, answer.server) == (200, f"opennebula-fireedge ({name})"), answer
    return answer


def assert_one_key(lab: Lab) -> None:
    """Check that each FireEdge lets a user in and accepts the tokens of all others."""
    for origin in NAMES:
        cookie = log_in(lab, origin).headers["Set-Cookie"].partition(";")[0]
        page = Page(2616, "/fireedge/api/user/info", {"Cookie": cookie})
        answers = {name: page.of(lab, lab.host(name).address) for name in NAMES}
        assert answers[origin].data["data"]["USER"]["NAME"] == "oneadmin"
        for name, answer in answers.items():
            # A session is known where it began, or where the same user logged in within the same
            # second; with another key the answer would be "Unauthorized".
            signed = answer.status == 200 or answer.data == {"data": "expired"}
            assert signed, f"{name} does not take a token of {origin}: {answer}"
