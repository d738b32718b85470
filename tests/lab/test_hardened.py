"""Hosts as people have them: a zone is built on them and changed, or one message says why not."""

from collections.abc import Iterator

import pytest

from lab.machines import Lab
from tests.lab import hardened
from tests.lab.conftest import MakeLab
from tests.lab.operators import Operator
from tests.lab.zones import assert_whole

pytestmark = pytest.mark.lab

THREE = ["n1a1", "n1a2", "n1a3"]
Site = tuple[Lab, Operator]


@pytest.fixture(scope="module")
def site(make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    lab = make_module_lab(3, template="mariadb", wait_scale=0.2)
    hardened.harden(lab, THREE)
    yield lab, Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=THREE)


def test_a_zone_is_built_on_hardened_hosts(site: Site) -> None:
    lab, operator = site
    run = operator.up()
    assert run.ok, run.output
    assert_whole(lab, THREE)
