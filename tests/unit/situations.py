"""A healthy zone of three as it is observed, and changes of it."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

from commands.stack import Target
from commands.status.situation import Situation
from hosts.errors import HostError
from opennebula.zone import RaftStatus, ServerEntry, State, endpoint, grpc_endpoint
from procedures.context import Access, Secrets
from procedures.facts.facts import Address, Dump, Facts, Package
from procedures.facts.snapshot import Answers, Disk, Snapshot, ZoneSnapshot
from procedures.install.configuration import with_server_id
from settings import parse
from settings.specs import zone
from tests.unit.test_procedures import PASSWORD, facts, installed
from tests.unit.test_settings import GOOD, raw

NOW = datetime(2026, 11, 29, 12, 0, 0, tzinfo=UTC)
NAMES = ("n1a1", "n1a2", "n1a3")
VIP = "10.2.50.86"
POOL = tuple(
    ServerEntry(number, name, endpoint(name), grpc_endpoint(name))
    for number, name in enumerate(NAMES)
)
BODY = (
    "<ZONE><ID>0</ID><NAME>OpenNebula</NAME><TEMPLATE><ENDPOINT>http://10.2.50.86:2633/RPC2"
    "</ENDPOINT><ENDPOINT_GRPC>10.2.50.86:2634</ENDPOINT_GRPC></TEMPLATE><SERVER_POOL>"
    + "".join(
        f"<SERVER><ID>{one.id}</ID><NAME>{one.name}</NAME><ENDPOINT>{one.endpoint}</ENDPOINT>"
        f"<ENDPOINT_GRPC>{one.grpc}</ENDPOINT_GRPC></SERVER>"
        for one in POOL
    )
    + "</SERVER_POOL></ZONE>"
)
OFF = dict.fromkeys(("gui", "flow", "gate", "form"), False)


def target(**changes: Any) -> Target:
    """Make the target of the stack. Its features are off unless a test needs them."""
    given = {
        **GOOD,
        "db_password": PASSWORD,
        "frontends": {name: {"address": f"10.2.50.1{number}"} for number, name in enumerate(NAMES)},
        "features": OFF,
        "ensure_hosts": False,
    }
    settings = parse(raw({**given, **changes}))
    access = Access(cast(Any, None), Secrets("one", PASSWORD), report=lambda _: None)
    return Target(zone(settings), settings.hosts, access, settings)


def raft(number: int, state: State = State.FOLLOWER, **changes: int) -> RaftStatus:
    """Make the status that the oned of the server with that ID reports."""
    given = {"server_id": number, "term": 3, "index": 100, "commit": 100}
    return RaftStatus(state=state, **{**given, **changes})


def seen_facts(number: int, **changes: Any) -> Facts:
    """Make the facts of the server with that ID; the first is the leader."""
    addresses = [Address("lo", "127.0.0.1", 8), Address("eth0", f"10.2.50.1{number}", 24)]
    if number == 0:
        addresses.append(Address("eth0", VIP, 24))
    given: dict[str, Any] = {
        "addresses": tuple(addresses),
        "oned_conf": with_server_id(facts().oned_conf, number),
        "zone_body": BODY,
        "log_index": 100,
        "log_term": 3,
        "dumps": (
            Dump("/var/backups/opennebula/20261129T110000Z-before-join-n1a3.sql.zst", 4096),
            Dump("/var/backups/opennebula/20261128T110000Z-before-join-n1a2.sql.zst", 2048),
        ),
    }
    found = facts(NAMES[number], **{**given, **changes})
    return replace(found, host=target().hosts[NAMES[number]])


def snapshot(number: int, of_facts: dict[str, Any] | None = None, **changes: Any) -> Snapshot:
    """Make the snapshot of that server, with these changes of its facts and of the rest."""
    given: dict[str, Any] = {
        "facts": seen_facts(number, **of_facts or {}),
        "answers": Answers(raft(number, State.LEADER if number == 0 else State.FOLLOWER), POOL),
        "disks": (Disk("/", 100 << 30, 60 << 30),),
        "changed": 3600.0,
    }
    return Snapshot(target().hosts[NAMES[number]], **{**given, **changes})


def silent(number: int, of_facts: dict[str, Any], **changes: Any) -> Snapshot:
    """Make the snapshot of a server whose oned does not answer."""
    answers = Answers(silence="no answer: Connection refused")
    return snapshot(number, of_facts, answers=answers, **changes)


def unreachable(number: int) -> Snapshot:
    """Make the snapshot of a host that is off."""
    host = target().hosts[NAMES[number]]
    fault = HostError(
        host.name,
        "connect",
        expected=f"an SSH server at {host.address} port 22",
        seen="no answer in time",
        remedy="check that the host is up and that this machine reaches that port",
    )
    return Snapshot(host, fault=fault, answers=Answers(silence=str(fault)))


def situation(*changed: Snapshot, stack: Target | None = None, **others: Any) -> Situation:
    """Make the healthy zone, with these changes."""
    hosts = {name: snapshot(number) for number, name in enumerate(NAMES)}
    hosts |= {one.host.name: one for one in changed}
    return Situation(stack or target(), ZoneSnapshot(hosts, **others), NOW)


def packaged(version: str) -> dict[str, Any]:
    """Make facts of another version of OpenNebula."""
    return {"packages": installed(opennebula=Package(version))}
