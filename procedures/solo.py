"""One oned outside any zone: start it, go back to it, and the way out for a last survivor."""

from collections.abc import Callable
from dataclasses import replace

from hosts.connection import Host
from hosts.errors import HostError
from opennebula.api import Api, ApiError
from opennebula.zone import SOLO_ID
from procedures import configuration, gate
from procedures.access import Access
from procedures.observe import Facts, facts
from procedures.seed import dump
from procedures.specs import ZoneSpec
from procedures.wait import until

START = 120.0
"""Seconds for one oned to start, or to stop and start."""


def start(access: Access, host: Host, server_id: int | None) -> None:
    """Start a host's oned; refuses when its configuration has another SERVER_ID."""
    access.run(
        host,
        "start",
        variables={"server_id": "" if server_id is None else str(server_id)},
        timeout=START,
    )


def enlist(access: Access, zone: ZoneSpec, seen: Facts, server_id: int, body: str = "") -> Facts:
    """Give a stopped oned its SERVER_ID and, where given, the zone's present list of servers."""
    written = configuration.with_server_id(seen.oned_conf, server_id)
    access.run(
        seen.host,
        "enlist",
        variables={"db_name": zone.database.name, "zone": body},
        secrets={"oned_conf": written.rstrip("\n")},
    )
    return replace(seen, oned_conf=written)


def answering(access: Access, host: Host) -> Api:
    """The API of an oned that has just been started, once it answers. Raises HostError."""
    said = ""

    def ask() -> Api | None:
        nonlocal said
        api = access.api(host)
        try:
            api.version()
        except ApiError as error:
            said = str(error)
            return None
        return api

    return until(
        ask,
        host=host.name,
        step="wait for oned",
        expected="an answer from its API",
        seconds=START,
        seen=lambda: said,
        remedy="look at /var/log/one/oned.log there; where it says that authentication failed,"
        " opennebula-ha:one_pass is not oneadmin's password",
    )


def retire(access: Access, zone: ZoneSpec, host: Host) -> None:
    """The last server of a zone runs solo from now on; a dump is kept before."""
    _alone(access, zone, host, lambda name: True, "before-solo")


def survive(access: Access, zone: ZoneSpec, host: Host) -> None:
    """The only server left of a zone that lost quorum by it takes the others out and leads alone.

    A two-server zone whose other member is gone has no leader and takes no call; solo, it does.
    The others must never come back: the caller has made sure of that. A dump is kept before.
    """
    seen = _alone(access, zone, host, lambda name: name != host.name, "before-survival")
    (entry,) = (item for item in facts(access, host, zone.database).pool if item.name == host.name)
    access.run(host, "stop", timeout=START)
    enlist(access, zone, seen, entry.id)
    start(access, host, entry.id)
    gate.wait_for_leader(access, {host.name: host})


def _alone(
    access: Access, zone: ZoneSpec, host: Host, goes: Callable[[str], bool], reason: str
) -> Facts:
    seen = facts(access, host, zone.database)
    if seen.server_id != SOLO_ID:
        dump(access, host, zone.database, reason=reason, keep=zone.keep_dumps, stop=True)
        seen = enlist(access, zone, seen, SOLO_ID)
    start(access, host, None)
    api = answering(access, host)
    try:
        for entry in api.servers():
            if goes(entry.name):
                api.delete_server(entry.id)
    except ApiError as error:
        raise HostError(
            host.name,
            "take servers out of the pool",
            expected="a solo oned to do it",
            seen=str(error),
            remedy="look at /var/log/one/oned.log there, then run again",
        ) from None
    return seen
