"""Abnormal states of a lab's zone: valid JSON by the schema, each named with its cause and cure.

Each cure is then done as its text says, and the zone is healthy afterwards. All tests share one
zone: each makes its states, and leaves a healthy zone.
"""

from collections.abc import Iterator

import pytest

from commands.status.report import Health
from tests.lab.conftest import MakeLab
from tests.lab.operators import VIP, config
from tests.lab.status import (
    NAMES,
    Site,
    blank_site,
    cure,
    does,
    look,
    named,
    roles,
    seen_soon,
    signal_oned,
    write,
)
from tests.lab.zones import leader_seen_by, one

pytestmark = pytest.mark.lab

PACE = "/etc/opennebula-standin.json"


@pytest.fixture(scope="module")
def site(make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    lab, operator = blank_site(make_module_lab, tmp_path_factory.mktemp("stack"))
    assert [one.sign for one in look(operator).findings] == ["no_zone"]
    cure((lab, operator), named(look(operator), "no_zone", None))
    yield lab, operator


@pytest.mark.campaign
def test_a_follower_behind_the_log_and_wrong_settings_are_named(site: Site) -> None:
    lab, operator = site
    leader, near, far = roles(lab)
    does(near, "cp -p /etc/one/oned.conf /root/", "echo 'SERVER_ID = [' >>/etc/one/oned.conf")
    unreadable = named(look(operator, "status"), "unreadable", near.name)
    cure(
        site,
        unreadable,
        Correct_that_line=lambda: does(near, "cp -p /root/oned.conf /etc/one/oned.conf"),
    )

    does(leader, f"ip address del {VIP}/24 dev eth0")
    does(far, "systemctl stop opennebula", "echo other >>/var/lib/one/.one/oneflow_auth")
    write(leader, 5)
    does(
        leader,
        "mysql opennebula -e 'SET @last = (SELECT MAX(log_index) FROM logdb);"
        " DELETE FROM logdb WHERE log_index > 0 AND log_index < @last'",
    )
    does(far, "systemctl start opennebula")
    found = seen_soon(operator, "log_dropped", far.name)
    assert found.health is Health.DOWN
    right = operator.secrets["one_pass"]
    operator.secrets["one_pass"] = "another-one-pass"
    refused = look(operator, "status")
    assert {one.host for one in refused.findings if one.sign == "login_refused"} == set(NAMES)
    with config(operator, ssh={"port": 2222}):
        unobserved = look(operator, "status")
        assert len([one for one in unobserved.findings if one.sign == "unreachable"]) == len(NAMES)
    cure(
        site,
        named(unobserved, "unobserved", None),
        named(refused, "login_refused", leader.name),
        named(found, "vip_missing", leader.name),
        named(found, "log_dropped", far.name),
        named(found, "keys_differ", far.name),
        Set_opennebula=lambda: operator.secrets.update(one_pass=right),
    )


@pytest.mark.campaign
def test_a_host_that_is_off_and_a_full_disk_are_named(site: Site) -> None:
    lab, operator = site
    _, near, far = roles(lab)
    far.kill()
    near.fill_disk()
    found = look(operator, "status")
    row = next(row for row in found.front_ends if row.name == far.name)
    assert not row.reachable
    cure(
        site,
        named(found, "disk_full", near.name),
        named(found, "unreachable", far.name),
        Start_the_host=far.start,
        Free_space=near.free_disk,
    )


@pytest.mark.campaign
def test_an_oned_without_database_and_a_stop_that_hangs_are_named(site: Site) -> None:
    lab, operator = site
    leader, near, _ = roles(lab)
    signal_oned(leader, "STOP")
    leader_seen_by(near, other_than=leader.name)
    found = seen_soon(operator, "oned_silent", leader.name)
    named(found, "vip_leftover", leader.name)
    cure(site, named(found, "oned_silent", leader.name))

    leader, near, far = roles(lab)
    does(near, "systemctl stop mariadb", "systemctl --no-block restart opennebula")
    seen_soon(operator, "restart_loop", near.name)
    does(far, f"sed -i.kept 's/}}$/, \"hangs\": true}}/' {PACE}")
    does(far, "systemctl --no-block stop opennebula")
    found = seen_soon(operator, "stop_hangs", far.name)
    does(far, f"mv {PACE}.kept {PACE}")
    assert "modules have ended" in named(found, "stop_hangs", far.name).seen
    quorum = named(found, "no_quorum", None)
    assert leader.name in quorum.seen
    assert found.health is Health.DOWN
    cure(
        site,
        quorum,
        named(found, "database_down", near.name),
        named(found, "restart_loop", near.name),
        named(found, "stop_hangs", far.name),
    )


@pytest.mark.campaign
def test_servers_of_the_stack_or_the_zone_alone_are_named(site: Site) -> None:
    lab, operator = site
    leader, _, far = roles(lab)
    number = next(row.id for row in look(operator, "status").front_ends if row.name == far.name)
    does(far, "systemctl stop opennebula")
    one(leader, f"onezone server-del 0 {number}")
    one(leader, "onezone server-add 0 --name n1a9 --rpc http://n1a9:2633/RPC2")
    found = seen_soon(operator, "not_in_zone", far.name)
    assert found.zone.unknown_servers == ["n1a9"]
    cure(
        site,
        named(found, "unknown_server", "n1a9"),
        named(found, "not_in_zone", far.name),
        under_lost=lambda: operator.config.update(lost=["n1a9"]),
    )
    del operator.config["lost"]


@pytest.mark.campaign
def test_a_proxy_and_the_database_of_another_zone_are_named(site: Site) -> None:
    lab, operator = site
    _, near, far = roles(lab)
    does(near, "mysql opennebula -e 'UPDATE db_versioning SET timestamp = timestamp + 1'")
    does(far, "systemctl set-environment http_proxy=http://10.2.50.99:3128")
    does(far, "systemctl restart opennebula")
    found = seen_soon(operator, "proxy", far.name)

    def drop_its_database() -> None:
        does(near, "systemctl stop opennebula", "mysql -e 'DROP DATABASE opennebula'")
        does(near, "mv /var/lib/one/.one /var/lib/one/dot-one")
        named(look(operator, "status"), "not_set_up", near.name)

    cure(
        site,
        named(found, "proxy", far.name),
        named(found, "other_database", near.name),
        drop_its_database=drop_its_database,
    )
