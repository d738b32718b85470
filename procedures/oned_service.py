"""One host's oned: start it, stop it, give it its SERVER_ID."""

from collections.abc import Mapping
from dataclasses import replace

from hosts.errors import HostError
from hosts.models import Host
from opennebula.api import Api, ApiError
from procedures.context import Access
from procedures.facts.facts import Facts
from procedures.install import configuration
from procedures.parallel import on_each
from procedures.specs import ZoneSpec
from procedures.wait import until

START = 120.0
"""Seconds for one oned to start, or to stop and start with an empty database."""
STOP = 180.0
"""Seconds for oned to stop: a candidate was seen to take 84 s."""
RESTART = 400.0
"""Seconds for one oned to stop and start, and once more where it refuses its configuration."""


def start(access: Access, host: Host, server_id: int | None) -> None:
    """Start a host's oned; refuses when its configuration has another SERVER_ID."""
    access.run(
        host,
        "start",
        variables={"server_id": "" if server_id is None else str(server_id)},
        timeout=START,
    )


def stop(access: Access, host: Host) -> None:
    """Stop a host's oned and keep it from starting by itself. Raises HostError if it still runs."""
    access.run(host, "stop", timeout=STOP)


def await_stopped(access: Access, hosts: Mapping[str, Host]) -> bool:
    """Wait until each oned that is being stopped has ended; whether there was one.

    Until then it is neither up nor down. A host that does not answer has none.
    """

    def wait(host: Host) -> bool:
        try:
            output = access.run(host, "await_stopped", exclusive=False, timeout=STOP)
        except HostError:
            return False
        return output.values["waited"] == "yes"

    return any(on_each(hosts, wait).values())


def restart(access: Access, host: Host, oned_conf: str = "") -> None:
    """Restart a host's oned, with that oned.conf where one is given, and wait until it is ready.

    Raises HostError where it does not start; with its former oned.conf it is up again then.
    """
    access.run(host, "restart", secrets={"oned_conf": oned_conf.rstrip("\n")}, timeout=RESTART)


def renew(access: Access, seen: Facts) -> None:
    """Restart a host's oned with its newest configuration, as ``restart`` does."""
    written = ""
    if seen.next_conf:
        # It may have another SERVER_ID than when this was written.
        written = configuration.with_server_id(seen.next_conf, seen.server_id)
    restart(access, seen.host, written)


def assign_server_id(
    access: Access, zone: ZoneSpec, seen: Facts, server_id: int, body: str = ""
) -> Facts:
    """Give a stopped oned its SERVER_ID and, where given, the zone's present list of servers."""
    written = configuration.with_server_id(seen.newest_conf, server_id)
    access.run(
        seen.host,
        "assign_server_id",
        variables={"db_name": zone.database.name, "zone": body},
        secrets={"oned_conf": written.rstrip("\n")},
    )
    return replace(seen, oned_conf=written, next_conf="")


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
