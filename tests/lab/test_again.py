"""A refused change is refused again, and a removed host no longer belongs to the stack."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.machines import Lab
from tests.lab.conftest import MakeLab
from tests.lab.foreign import do, everything, sql
from tests.lab.messages import only
from tests.lab.operators import VIP_KEYS, Operator, config
from tests.lab.test_blank import IN_OUR_NAME, KEYS

pytestmark = pytest.mark.lab

STRANGER = "n1a2"
TAKEN = "10.2.50.90"
Site = tuple[Lab, Operator]


@pytest.fixture(scope="module")
def site(make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    lab = make_module_lab(2, template="mariadb")
    operator = Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=["n1a1"])
    operator.config["force_ha"] = True
    run = operator.up()
    assert run.ok, run.output
    yield lab, operator


def refused_twice(site: Site, host: str, step: str, **changes: Any) -> None:
    """Check that two ``up`` in a row refuse with the same message and change nothing."""
    lab, operator = site
    before = everything(lab.hosts)
    with config(operator, **changes):
        for _ in range(2):
            assert only(operator.up(), host).step == step
            assert everything(lab.hosts) == before
    run = operator.up()
    assert run.ok, run.output
    assert everything(lab.hosts) == before


@pytest.mark.campaign
def test_a_vip_in_use_by_another_host_is_refused_twice(site: Site) -> None:
    lab, _ = site
    do(lab.host(STRANGER), f"ip address add {TAKEN}/24 dev eth0")
    refused_twice(site, "n1a1", "check that the VIP is free", one_vip=TAKEN)
    do(lab.host(STRANGER), f"ip address del {TAKEN}/24 dev eth0")


@pytest.mark.campaign
def test_a_front_end_under_another_name_is_refused_twice(site: Site) -> None:
    lab, _ = site
    refused_twice(
        site,
        "front",
        "compare the front-ends' names",
        frontends={"front": {"address": lab.host("n1a1").address}},
        purge=True,
    )


@pytest.mark.campaign
def test_a_host_that_left_the_stack_is_refused_twice(site: Site, tmp_path: Path) -> None:
    lab, _ = site
    host = lab.host(STRANGER)
    first = alone(lab, tmp_path / "first")
    first.config["repository"] = {"url": "http://10.2.50.1:8080/nowhere"}
    assert not first.up().ok
    assert first.destroy().ok
    sql(host, IN_OUR_NAME)
    do(host, f"{KEYS}echo k >.one/one_key")
    before = everything(lab.hosts)
    message = only(alone(lab, tmp_path / "later").up(), STRANGER)
    assert "keys in /var/lib/one/.one (one_key)" in message.seen
    assert "a database opennebula that is not OpenNebula's" in message.seen
    assert everything(lab.hosts) == before


def alone(lab: Lab, folder: Path) -> Operator:
    """Return the config of a stack with that host only, outside a zone."""
    operator = Operator(lab, folder, front_ends=[STRANGER])
    for key in VIP_KEYS:
        del operator.config[key]
    return operator
