"""A living zone takes changed secrets and another VIP, also when the change is interrupted.

The tests share one lab and come in their order: each changes the stack that the one before left.
"""

from collections.abc import Iterator

import pytest

from lab.machines import Lab
from tests.lab.conftest import MakeLab
from tests.lab.operators import DB_PASSWORD, ONE_PASS, Operator
from tests.lab.test_interrupted import kill_at
from tests.lab.zones import assert_whole, one, servers

pytestmark = pytest.mark.lab

NAMES = ["n1a1", "n1a2", "n1a3"]
Zone = tuple[Lab, Operator]


@pytest.fixture(scope="module")
def zone(make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zone]:
    lab = make_module_lab(3, template="mariadb", wait_scale=0.2)
    operator = Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=NAMES)
    up(operator)
    yield lab, operator


def up(operator: Operator) -> str:
    run = operator.up()
    assert run.ok, run.output
    return run.output


def test_another_password_of_oneadmin_locks_nobody_out(zone: Zone) -> None:
    lab, operator = zone
    new = operator.secrets["one_pass"] = "canary-one-pass-2nd"
    term = servers(lab.host("n1a1"))[0].term
    for moment in (
        "let in the new password",
        "n1a2: write one_auth",
        "make the new password the only one",
    ):
        assert kill_at(operator, moment)
        for name in NAMES:
            one(lab.host(name), f"oneuser create {name}-{moment.split()[-1]} secret-of-that")
    said = up(operator)
    assert_whole(lab, NAMES)
    for name in NAMES:
        assert [logs_in(lab, name, password) for password in (new, ONE_PASS)] == [True, False]
        file = "/var/lib/one/.one/one_auth"
        there = lab.host(name).run(f"stat -c '%U %a' {file}; cat {file}").stdout
        assert there == f"oneadmin 600\noneadmin:{new}\n"
    # A refused login between servers would have been a new term, the highest there is.
    assert {server.term for server in servers(lab.host("n1a1"))} == {term}
    assert new not in said + operator.state()
    assert operator.up("--expect-no-changes").ok


def test_another_password_of_the_database_never_keeps_a_running_oned_out(zone: Zone) -> None:
    lab, operator = zone
    new = operator.secrets["db_password"] = "canary-db-password-2nd"
    assert kill_at(operator, "restart oned")
    for name in NAMES:
        assert opens_database(lab, name, "oneadmin", DB_PASSWORD)
        assert opens_database(lab, name, "oneadmin", new)
    said = up(operator)
    assert_whole(lab, NAMES)
    for name in NAMES:
        assert opens_database(lab, name, "oneadmin", new)
        assert not opens_database(lab, name, "oneadmin", DB_PASSWORD)
    assert new not in said + operator.state()
    assert operator.up("--expect-no-changes").ok


def logs_in(lab: Lab, name: str, password: str) -> bool:
    """Whether oneadmin can log in to that host's own oned with that password."""
    done = lab.host(name).run(
        f"auth=$(mktemp) && echo 'oneadmin:{password}' >$auth && chown oneadmin $auth &&"
        " runuser -u oneadmin -- env ONE_AUTH=$auth oneuser show"
    )
    return done.returncode == 0


def opens_database(lab: Lab, name: str, owner: str, password: str) -> bool:
    """Whether that account and password open the zone's database on that host."""
    done = lab.host(name).run(
        f"MYSQL_PWD={password} mariadb --user={owner} opennebula -e 'SELECT 1 FROM zone_pool'"
    )
    return done.returncode == 0
