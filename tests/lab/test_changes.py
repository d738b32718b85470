"""A living zone takes changed secrets and another VIP, also when the change is interrupted."""

from collections.abc import Iterator

import pytest

from lab.machines import Lab
from tests.lab.conftest import MakeLab
from tests.lab.operators import ONE_PASS, Operator
from tests.lab.test_interrupted import kill_at
from tests.lab.zones import assert_whole, one, servers

pytestmark = pytest.mark.lab

NAMES = ["n1a1", "n1a2", "n1a3"]
Zone = tuple[Lab, Operator]


@pytest.fixture(scope="module")
def zone(make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zone]:
    lab = make_module_lab(3, template="mariadb", wait_scale=0.2)
    operator = Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=NAMES)
    run = operator.up()
    assert run.ok, run.output
    yield lab, operator


@pytest.mark.parametrize(
    ("moment", "new"),
    [
        ("let in the new password", "canary-pass-2nd"),
        ("n1a2: write one_auth", "canary-pass-3rd"),
        ("make the new password the only one", "canary-pass-4th"),
    ],
)
def test_another_password_of_oneadmin_locks_nobody_out(zone: Zone, moment: str, new: str) -> None:
    lab, operator = zone
    old = operator.secrets["one_pass"]
    term = servers(lab.host("n1a1"))[0].term
    operator.secrets["one_pass"] = new
    assert kill_at(operator, moment)
    for name in NAMES:
        one(lab.host(name), "oneuser list")
    run = operator.up()
    assert run.ok, run.output
    assert_whole(lab, NAMES)
    for name in NAMES:
        host = lab.host(name)
        one(host, f"oneuser create of-{new}-{name} secret-of-that")
        assert [logs_in(lab, name, password) for password in (new, old, ONE_PASS)] == [1, 0, 0]
        file = host.run(
            "stat -c '%U %a' /var/lib/one/.one/one_auth; cat /var/lib/one/.one/one_auth"
        )
        assert file.stdout == f"oneadmin 600\noneadmin:{new}\n"
    assert {server.term for server in servers(lab.host("n1a1"))} == {term}, "an election"
    assert new not in operator.state() + run.output
    assert operator.up("--expect-no-changes").ok


def logs_in(lab: Lab, name: str, password: str) -> bool:
    """Whether oneadmin can log in to that host's own oned with that password."""
    done = lab.host(name).run(
        f"auth=$(mktemp) && echo 'oneadmin:{password}' >$auth && chown oneadmin $auth &&"
        " runuser -u oneadmin -- env ONE_AUTH=$auth oneuser show"
    )
    return done.returncode == 0
