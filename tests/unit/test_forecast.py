"""The zone's changes that a preview reports."""

import pytest

from opennebula.forecast import After, Before, addresses, machines, membership, restarts, rollout


def before(*names: str, leader: str = "n1", ha: bool = True) -> Before:
    return Before(frozenset(names), leader, ha)


def after(*names: str, lost: tuple[str, ...] = (), ha: bool = True) -> After:
    return After(frozenset(names), frozenset(lost), ha)


THREE = before("n1", "n2", "n3")
FIVE = before("n1", "n2", "n3", "n4", "n5")


@pytest.mark.parametrize(
    ("was", "wanted", "words"),
    [
        (THREE, after("n1", "n2", "n3"), []),
        (
            FIVE,
            after("n2", "n4", "n5"),
            [
                "n1 (the leader at the last run) and n3 leave: another leader is elected first,"
                " one dump, 3 servers remain, quorum 2"
            ],
        ),
        (FIVE, after("n1", "n2", "n3", "n4"), ["n5 leaves: one dump, 4 servers remain, quorum 3"]),
        (
            before("n1", "n2"),
            after("n2"),
            [
                "n1 (the leader at the last run) leaves: another leader is elected first, one dump,"
                " 1 server remains, quorum 1: no failure is tolerated"
            ],
        ),
        (
            THREE,
            after("n1", "n2", "n3", "n4"),
            ["n4 joins: one dump on the leader, which is copied to it; 4 servers, quorum 3"],
        ),
        # Joins come before leaves.
        (
            THREE,
            after("n1", "n2", "n4"),
            [
                "n4 joins: one dump on the leader, which is copied to it; 4 servers, quorum 3",
                "n3 leaves: one dump, 3 servers remain, quorum 2",
            ],
        ),
        (
            THREE,
            after("n1", "n2", "n4", lost=("n3",)),
            [
                "n3 is lost: taken out of the zone without being reached, after one dump;"
                " 2 servers, quorum 2: no failure is tolerated",
                "n4 joins: one dump on the leader, which is copied to it; 3 servers, quorum 2",
            ],
        ),
        # Lost long ago: nothing is left to do.
        (THREE, after("n1", "n2", "n3", lost=("n9",)), []),
        (
            before("n1", ha=False),
            after("n1", "n2", "n3"),
            [
                "n1 becomes the first server of a zone: one dump, and its oned restarts, which"
                " interrupts OpenNebula for some seconds",
                "n2 and n3 join, one at a time: one dump on the leader, which is copied to them;"
                " 3 servers, quorum 2",
            ],
        ),
        (
            before("n1"),
            after("n1", ha=False),
            [
                "n1 continues outside any zone: one dump, and its oned restarts, which interrupts"
                " OpenNebula for some seconds"
            ],
        ),
    ],
)
def test_joins_and_leaves_in_words(was: Before, wanted: After, words: list[str]) -> None:
    assert list(membership(was, wanted)) == words


SAME = after("n1", "n2", "n3")


@pytest.mark.parametrize(
    ("restarting", "more", "words"),
    [
        ((), {}, []),
        (
            ("n1", "n2", "n3"),
            {},
            [
                "rolling restart of 3: n2, n3, then n1 (the leader at the last run); one change of"
                " the leader"
            ],
        ),
        (("n2",), {}, ["rolling restart of 1: n2; the leader stays"]),
        (
            ("n1",),
            {},
            ["oned on n1 (the leader at the last run) restarts: one change of the leader"],
        ),
        # A front-end that leaves or joins causes no restart.
        (("n9",), {}, []),
        (
            ("n2", "n3"),
            {"version": "7.4", "stops_all": True},
            [
                "if OpenNebula 7.4 needs another version of the database: all oneds down for about"
                " 2 minutes, longer with a large database; otherwise one server at a time",
                "rolling restart of 2 with OpenNebula 7.4: n2, n3; the leader stays",
            ],
        ),
        (
            (),
            {"secrets": True},
            ["if db_password changes: each server restarts, one at a time, the leader last"],
        ),
    ],
)
def test_restarts_in_words(
    restarting: tuple[str, ...], more: dict[str, object], words: list[str]
) -> None:
    assert list(rollout(THREE, SAME, restarting, **more)) == words  # type: ignore[arg-type]


def test_restarts_of_followers_and_of_a_standalone_front_end() -> None:
    (words,) = rollout(THREE, after("n1", "n2", "n3", "n4"), ())
    assert words.startswith("then each follower that does not know the new list of servers")
    assert list(rollout(THREE, after("n1", "n2"), ())) == []
    (words,) = rollout(before("n1", ha=False), after("n1", ha=False), ("n1",))
    assert words == "oned on n1 restarts, which interrupts OpenNebula for some seconds"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"oned.LOG.DEBUG_LEVEL"}, True),
        ({"one_vip", "entrance"}, True),
        ({"ldap.is_default"}, True),
        ({"ldap.servers", "ntp.pools", "fstab", "etc_hosts_additions"}, False),
        (set(), False),
    ],
)
def test_oned_restarts_for_values_that_it_reads_at_its_start(
    changed: set[str], expected: bool
) -> None:
    assert restarts(changed) is expected


def test_the_clients_endpoint_in_words() -> None:
    assert list(addresses(["10.0.0.1"], ["10.0.0.2"], "http://10.0.0.2:2633/RPC2")) == [
        "VIP 10.0.0.1 is removed: clients that use it lose OpenNebula",
        "VIP 10.0.0.2 comes to the leader",
        "the zone's ENDPOINT becomes http://10.0.0.2:2633/RPC2",
    ]
    assert list(addresses([], [], "")) == []


def test_new_machines_of_a_majority_lose_the_zone() -> None:
    assert machines(["n2"], 3) == (
        "n2 gets an address not known yet: a new machine has no data, and gets the leader's"
    )
    assert machines(["n1", "n2"], 3) == (
        "n1 and n2 get addresses not known yet: new machines have no data, so the zone would lose"
        " its quorum and its data; keep the machines, and replace one front-end at a time"
    )
