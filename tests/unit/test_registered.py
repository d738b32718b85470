"""Zone servers that another program registered: which entry is whose, and how to configure it."""

import pytest

from hosts.models import Host
from opennebula.membership.observed import FrontEndView, Refusal
from opennebula.membership.zone import plan_zone
from opennebula.zone import RaftStatus, ServerEntry, State, endpoint, host_in, named

HOSTS = {
    name: Host(name=name, address=f"10.0.0.{number}")
    for number, name in enumerate(("n1", "n2", "n3"), start=1)
}


def entries(*pairs: tuple[str, str]) -> tuple[ServerEntry, ...]:
    """Return entries by NAME and the host of the endpoint, or the whole endpoint."""
    return tuple(
        ServerEntry(number, name, at if "/" in at else endpoint(at))
        for number, (name, at) in enumerate(pairs)
    )


def names(pool: tuple[ServerEntry, ...], **zone_servers: str) -> list[str]:
    hosts = [
        host.model_copy(update={"zone_server": zone_servers.get(name)})
        for name, host in HOSTS.items()
    ]
    return [entry.name for entry in named(pool, hosts)]


AS_THEY_ARE = {
    "by this program": [("n1", "n1"), ("n2", "n2"), ("n3", "n3")],
    "by address": [("10.0.0.1", "10.0.0.1"), ("10.0.0.2", "10.0.0.2"), ("10.0.0.3", "10.0.0.3")],
    "by name with an endpoint by address": [
        ("n1", "10.0.0.1"),
        ("n2", "10.0.0.2"),
        ("n3", "10.0.0.3"),
    ],
    "with capitals": [("N1", "N1"), ("Controller 2", "N2"), ("THIRD_ONE", "n3")],
    "with domains": [("n1.example.org", "n1.example.org"), ("n2", "N2.example.org"), ("x", "n3")],
    "with names of each other's": [("n3", "n1"), ("n1", "n2"), ("n2", "n3")],
}


@pytest.mark.parametrize("kind", AS_THEY_ARE)
def test_entries_are_matched_with_their_front_ends(kind: str) -> None:
    pool = entries(*AS_THEY_ARE[kind])
    assert names(pool) == ["n1", "n2", "n3"]
    found = named(pool, HOSTS.values())
    assert [entry.registered for entry in found] == [name for name, _ in AS_THEY_ARE[kind]]
    assert [entry.endpoint for entry in found] == [entry.endpoint for entry in pool]


@pytest.mark.parametrize(
    "others",
    [
        [("one_1", "one_1")],
        [("n1", "10.9.9.9")],
        [("n1", "https://n1:2633/RPC2")],
        [("n1", "http://n1:2700/RPC2")],
        [("a", "n1.a.org"), ("b", "n1.b.org")],
    ],
)
def test_an_uncertain_entry_keeps_its_own_name(others: list[tuple[str, str]]) -> None:
    pool = entries(*others)
    assert named(pool, HOSTS.values()) == pool
    assert not any(entry.registered for entry in named(pool, HOSTS.values()))


def test_the_config_takes_precedence() -> None:
    pool = entries(("one_1", "one_1"), ("n1", "n1"), ("n3", "10.9.9.9"))
    assert names(pool, n1="one_1", n2="n1", n3="n3") == ["n1", "n2", "n3"]
    # But never at another port: no client could reach it.
    assert names(entries(("one_1", "http://one_1:2700/RPC2")), n1="one_1") == ["one_1"]


def test_an_entry_belongs_to_one_front_end_only() -> None:
    assert names(entries(("n1", "n1"), ("n1", "10.0.0.1"))) == ["n1", "n1"]
    found = named(entries(("n1", "n1"), ("n1", "10.0.0.1")), HOSTS.values())
    assert [bool(entry.registered) for entry in found] == [True, False]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://N1:2633/RPC2", "n1"),
        ("http://[fd00::1]:2633/RPC2", "fd00::1"),
        ("http://n1:2633/RPC2/", "n1"),
        ("http://n1/RPC2", ""),
        ("https://n1:2633/RPC2", ""),
        ("", ""),
    ],
)
def test_the_host_of_an_endpoint(url: str, host: str) -> None:
    assert host_in(url) == host


def running(pool: tuple[ServerEntry, ...]) -> list[FrontEndView]:
    """Make running servers of that pool, with n1 as the leader."""
    states = (State.LEADER, State.FOLLOWER, State.FOLLOWER)
    return [
        FrontEndView(
            name,
            running=True,
            server_id=number,
            has_content=True,
            identity="one",
            pool=named(pool, HOSTS.values()),
            status=RaftStatus(number, state, 3, 9, 9),
        )
        for number, (name, state) in enumerate(zip(HOSTS, states, strict=True))
    ]


LINES = {
    "a name that no front-end has": (
        ("one_1", "one_1"),
        "if it is n1, which has SERVER_ID 0, add the line 'zone_server: one_1' to n1 in",
    ),
    "another address": (("n1", "192.0.2.1"), "add the line 'zone_server: n1' to n1 in"),
    "a name that YAML would read as something else": (
        ("10", "one_1"),
        "add the line 'zone_server: \"10\"' to n1 in",
    ),
    "another port": (("n1", "http://n1:2700/RPC2"), "http://NAME:2633/RPC2 alone"),
}


@pytest.mark.parametrize("kind", LINES)
def test_an_uncertain_entry_is_refused_with_a_line_for_the_config(kind: str) -> None:
    entry, line = LINES[kind]
    plan = plan_zone(running(entries(entry, ("n2", "n2"), ("n3", "n3"))), highly_available=True)
    assert isinstance(plan, Refusal)
    assert line in plan.remedy


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (("n4", "n4"), "'n4: {address: ADDRESS}'"),
        (("10.0.0.4", "10.0.0.4"), "'NAME: {address: 10.0.0.4}'"),
        (("n4", "10.0.0.4"), "'n4: {address: 10.0.0.4}'"),
        (("One_4", "one_4"), "'NAME: {address: ADDRESS, zone_server: One_4}'"),
    ],
)
def test_a_server_missing_in_the_config_is_shown_with_its_line(
    entry: tuple[str, str], line: str
) -> None:
    pool = entries(("n1", "n1"), ("n2", "n2"), ("n3", "n3"), entry)
    plan = plan_zone(running(pool), highly_available=True)
    assert isinstance(plan, Refusal)
    assert f"add {entry[0]} to opennebula-ha:frontends with the line {line}" in plan.remedy
