"""Changed configuration takes effect one server at a time, and only if oned starts with it."""

import os
import random
from collections.abc import Iterator

import pytest

from lab.machines import Lab
from opennebula.zone import quorum
from tests.lab.conftest import MakeLab, short_form
from tests.lab.messages import only
from tests.lab.operators import Operator, Run, kill_at
from tests.lab.sequences import play, sequence
from tests.lab.traffic import Watch, Writer
from tests.lab.zones import assert_whole, one, wait_for
from tests.runs import SEQUENCES

pytestmark = pytest.mark.lab

NAMES = ["n1a1", "n1a2", "n1a3", "n1a4", "n1a5"]
ALL = "0.0.0.0"
SEED = 6790
"""Of the sequence of each test run: an `up` is killed, then the leader's host has no power."""
STEPS = 4 if SEQUENCES else 2
Zone = tuple[Lab, Operator]


@pytest.fixture(scope="module")
def zone(make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zone]:
    lab = make_module_lab(5)
    operator = Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=NAMES)
    run = operator.up()
    assert run.ok, run.output
    yield lab, operator


def test_changed_configuration_takes_effect_under_writes(zone: Zone) -> None:
    lab, operator = zone
    leader = assert_whole(lab, NAMES)
    before = starts(lab)
    operator.config["oned"] = {"LOG": {"DEBUG_LEVEL": 4}}
    with Writer(lab, rate=5) as writer, Watch(lab) as watch:
        wait_for_writes(writer)
        run = operator.up()
        wait_for_writes(writer)
    assert run.ok, run.output
    new = assert_whole(lab, NAMES)
    assert writer.lost(one(lab.host(new), "oneuser list")) == []
    assert watch.fewest >= quorum(len(NAMES))
    # One change of leader: an election may need two rounds if two servers are candidates.
    assert (watch.leaders[0], watch.leaders[-1]) == (leader, new)
    assert leader not in watch.leaders[1:]
    after = starts(lab)
    assert {name: count for name, (count, _) in after.items()} == {
        name: count + 1 for name, (count, _) in before.items()
    }
    assert max(NAMES, key=lambda name: after[name][1]) == leader, "the leader was not the last"
    assert in_effect(lab, "DEBUG_LEVEL=4") == NAMES
    assert operator.up("--expect-no-changes").ok
    print(
        f"{len(writer.acknowledged)} writes, the longest pause {writer.longest_pause:.1f} s;",
        ", ".join(f"{name} away for {watch.away(name):.1f} s" for name in NAMES),
    )


def test_a_rollout_stops_at_the_first_server_that_does_not_start(zone: Zone) -> None:
    lab, operator = zone
    leader = assert_whole(lab, NAMES)
    first, *others = sorted(NAMES, key=lambda name: (name == leader, name))
    before = starts(lab)
    operator.config["oned"] = {"LISTEN_ADDRESS": "not-an-address"}
    with Watch(lab) as watch:
        assert_refused(operator.up(), first)
    assert watch.leaders == [leader]
    assert watch.fewest >= len(NAMES) - 1
    assert assert_whole(lab, NAMES) == leader

    # Every server has the configuration that oned starts with: a crash does no harm.
    lab.host(others[0]).run("systemctl kill --signal=KILL opennebula")
    wait_for(lambda: others[0] not in up(lab) or None, f"the crash on {others[0]}")
    wait_for(lambda: up(lab) == NAMES or None, f"oned on {others[0]} again")

    assert_refused(operator.up(), first)
    assert assert_whole(lab, NAMES) == leader
    after = starts(lab)
    assert [name for name in NAMES if after[name] != before[name]] == sorted([first, others[0]])


@pytest.mark.parametrize("owner", short_form(["oneadmin", "oneowner"]))
def test_a_refused_rollout_restores_all_settings_of_a_server(zone: Zone, owner: str) -> None:
    lab, operator = zone
    leader = assert_whole(lab, NAMES)
    first = min(NAMES, key=lambda name: (name == leader, name))
    before = {name: oned_conf(lab, name) for name in NAMES}
    new = operator.secrets["db_password"] = f"canary-db-password-of-{owner}"
    operator.config |= {"db_owner": owner, "oned": {"LISTEN_ADDRESS": "not-an-address"}}
    assert_refused(operator.up(), first)
    assert {name: oned_conf(lab, name) for name in NAMES} == before
    assert assert_whole(lab, NAMES) == leader
    # Each server can restart with its present configuration.
    done = lab.host(first).run("systemctl restart opennebula && systemctl is-active opennebula")
    assert done.returncode == 0, done.stdout
    assert assert_whole(lab, NAMES) == leader

    operator.config["oned"] = {"LISTEN_ADDRESS": ALL}
    run = operator.up()
    assert run.ok, run.output
    assert_whole(lab, NAMES)
    for host in lab.hosts:
        assert f'"{new}"' in oned_conf(lab, host.name)
        assert host.run("ls /etc/one/oned.conf?*").stdout == ""
        accounts = host.run("mysql -BNe \"SELECT user FROM mysql.user WHERE user LIKE 'one%'\"")
        assert accounts.stdout.split() == [owner]
    assert operator.up("--expect-no-changes").ok


@pytest.mark.campaign
def test_up_resumes_a_rollout_that_was_killed(zone: Zone) -> None:
    lab, operator = zone
    leader = assert_whole(lab, NAMES)
    done, last, *_ = sorted(NAMES, key=lambda name: (name == leader, name))
    operator.config["oned"] = {"LISTEN_ADDRESS": ALL, "LOG": {"DEBUG_LEVEL": 2}}
    assert kill_at(operator, f"{last}: restart oned")
    halfway = starts(lab)
    run = operator.up()
    assert run.ok, run.output
    assert_whole(lab, NAMES)
    assert in_effect(lab, "DEBUG_LEVEL=2") == NAMES
    assert starts(lab)[done] == halfway[done], "restarted once more"
    for host in lab.hosts:
        assert host.run("ls /etc/one/oned.conf?*").stdout == ""
    assert operator.up("--expect-no-changes").ok


@pytest.mark.parametrize("run", range(SEQUENCES or 1))
def test_a_random_sequence_under_traffic(run: int, zone: Zone) -> None:
    lab, operator = zone
    operator.change(NAMES, oned={})
    assert_whole(lab, NAMES)
    chosen = os.environ.get("LAB_SEED") or (random.randrange(1 << 32) if SEQUENCES else SEED)
    print(f"sequence {run}: LAB_SEED={chosen}", flush=True)
    play(lab, operator, sequence(int(chosen), NAMES, STEPS))


def assert_refused(run: Run, name: str) -> None:
    """Check that oned did not start with the new configuration there, and that its log says why."""
    message = only(run, name)
    assert message.step == "restart oned with its new configuration"
    assert "Could not start the Request Manager" in message.seen
    assert "Cannot open server socket" in message.seen
    assert "opennebula-ha:oned" in message.remedy


def oned_conf(lab: Lab, name: str) -> str:
    """Return the whole file."""
    return lab.host(name).run("cat /etc/one/oned.conf").stdout


def wait_for_writes(writer: Writer) -> None:
    """Wait until some more writes are acknowledged."""
    enough = len(writer.acknowledged) + 5
    wait_for(lambda: len(writer.acknowledged) >= enough or None, "more writes")


def starts(lab: Lab) -> dict[str, tuple[int, int]]:
    """Return per host how often its oned was started, and when last by the common clock."""
    found = {}
    for host in lab.hosts:
        said = host.run(
            "journalctl -u opennebula -o cat | grep -c '^Starting';"
            " systemctl show -p ExecMainStartTimestampMonotonic --value opennebula"
        )
        often, when = said.stdout.split()
        found[host.name] = int(often), int(when)
    return found


def up(lab: Lab) -> list[str]:
    """Return the hosts whose oned runs."""
    return [h.name for h in lab.hosts if h.run("systemctl is-active opennebula").returncode == 0]


def in_effect(lab: Lab, setting: str) -> list[str]:
    """Return the hosts whose oned logged that setting at its start."""
    return [h.name for h in lab.hosts if h.run(f"grep {setting} /var/lib/one/config").stdout]
