"""A failed change of the config is reverted: the next ``up`` restores the hosts."""

from collections.abc import Iterator
from typing import Any

import pytest

from lab.machines import Lab
from tests.lab.conftest import MakeLab, short_form
from tests.lab.operators import Operator, config
from tests.lab.zones import assert_whole, footprint

pytestmark = pytest.mark.lab

NAMES = ["n1a1", "n1a2", "n1a3"]
Site = tuple[Lab, Operator]
SHARE = {"src": "none", "path": "/mnt/none", "fstype": "tmpfs", "opts": "size=nothing"}

FAILING: dict[str, tuple[dict[str, Any], str]] = {
    "a missing hook": (
        {"leader_hook": "/usr/local/bin/no-such-hook"},
        "expected /usr/local/bin/no-such-hook, which can be run",
    ),
    "a share that does not mount": ({"fstab": [SHARE]}, "expected /mnt/none to be mounted"),
    "a missing account": (
        {"ensure_keys_for": ["nobody-of-that-name"]},
        "expected an account nobody-of-that-name",
    ),
    "an unknown time zone": (
        {"ntp": [{"timezone": "Mars/Olympus"}]},
        "expected the time zone Mars/Olympus",
    ),
    "a version that is not published": ({"one_version": "7.9"}, "expected a signed package"),
    "an attribute that oned refuses": (
        {"oned": {"LISTEN_ADDRESS": "not-an-address"}},
        "oned to start",
    ),
}


@pytest.fixture(scope="module")
def site(make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    lab = make_module_lab(3)
    operator = Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=NAMES)
    run = operator.up()
    assert run.ok, run.output
    yield lab, operator


SHORT = ("a share that does not mount", "a missing account", "an attribute that oned refuses")


@pytest.mark.parametrize("name", short_form(FAILING, *SHORT))
def test_hosts_are_unchanged_after_a_reverted_change(site: Site, name: str) -> None:
    lab, operator = site
    changes, said = FAILING[name]
    before = files(lab)
    with config(operator, **changes):
        run = operator.up()
        assert not run.ok
        assert said in run.output
    run = operator.up()
    assert run.ok, run.output
    assert files(lab) == before
    assert_whole(lab, NAMES)
    assert operator.up("--expect-no-changes").ok


def files(lab: Lab) -> dict[str, list[str]]:
    """Return every file of /etc and of oneadmin's home, and what waits for a rollout."""
    return {
        host.name: [line for line in footprint(host).splitlines() if "Timestamp" not in line]
        for host in lab.hosts
    }
