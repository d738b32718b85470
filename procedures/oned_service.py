"""The oned of one host: start, stop, restart, and set its SERVER_ID."""

from dataclasses import replace

from hosts.errors import HostError
from hosts.models import Host
from opennebula.api import Api, ApiError
from procedures.context import Access, Hosts
from procedures.facts.facts import Facts
from procedures.install import configuration
from procedures.parallel import on_each
from procedures.specs import ZoneSpec
from procedures.wait import NotYet, until

START = 120.0
"""Seconds for oned to start, or to stop and start with an empty database."""
STOP = 180.0
"""Seconds for oned to stop: a candidate took 84 s."""
RESTART = 400.0
"""Seconds for oned to stop and start, and once more if it rejects its configuration."""


def start(access: Access, host: Host, server_id: int | None) -> None:
    """Start a host's oned. Raises HostError if its configuration has another SERVER_ID."""
    access.run(
        host,
        "start",
        variables={"server_id": "" if server_id is None else str(server_id)},
        timeout=START,
    )


def stop(access: Access, host: Host) -> None:
    """Stop and disable a host's oned. Raises HostError if it still runs."""
    access.run(host, "stop", timeout=STOP)


def kill(access: Access, host: Host) -> None:
    """Kill and disable the oned of a new zone that has no users yet. Raises HostError."""
    access.run(host, "kill", timeout=STOP)


def await_stopped(access: Access, hosts: Hosts) -> bool:
    """Wait for each oned that is being stopped; return whether there was one.

    Until it ends it is neither up nor down. Hosts that do not answer are ignored.
    """

    def wait(host: Host) -> bool:
        try:
            output = access.run(host, "await_stopped", exclusive=False, timeout=STOP)
        except HostError:
            return False
        return output.values["waited"] == "yes"

    return any(on_each(hosts, wait).values())


def restart(access: Access, host: Host, oned_conf: str = "") -> None:
    """Restart a host's oned and wait until it is ready, with a new oned.conf if one is passed.

    Raises HostError if it does not start, after a start with its former oned.conf.
    """
    access.run(host, "restart", secrets={"oned_conf": oned_conf.rstrip("\n")}, timeout=RESTART)


def renew(access: Access, seen: Facts) -> None:
    """Restart a host's oned with its newest configuration, as ``restart`` does."""
    written = ""
    if seen.next_conf:
        # The SERVER_ID may have changed since this file was written.
        written = configuration.with_server_id(seen.next_conf, seen.server_id)
    restart(access, seen.host, written)


def assign_server_id(
    access: Access, zone: ZoneSpec, seen: Facts, server_id: int, body: str = ""
) -> Facts:
    """Set the SERVER_ID of a stopped oned, and the zone's body in its database if one is passed."""
    written = configuration.with_server_id(seen.newest_conf, server_id)
    access.run(
        seen.host,
        "assign_server_id",
        variables={"db_name": zone.database.name, "zone": body},
        secrets={"oned_conf": written.rstrip("\n")},
    )
    return replace(seen, oned_conf=written, next_conf="")


def answering(access: Access, host: Host) -> Api:
    """Return the API of an oned that has just been started, when it answers. Raises HostError."""

    def probe() -> Api:
        api = access.api(host)
        try:
            api.version()
        except ApiError as error:
            raise NotYet(str(error)) from None
        return api

    return until(
        probe,
        host=host.name,
        step="wait for oned",
        expected="an answer from its API",
        seconds=START,
        remedy="look at /var/log/one/oned.log there; where it says that authentication failed,"
        " opennebula-ha:one_pass is not oneadmin's password",
    )
