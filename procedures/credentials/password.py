"""Change oneadmin's password in a running zone, without locking any client out.

Front-ends log in to each other with it, from a file on each, and take a refused login for a term of
4294967295. So no server may ever refuse the password in another server's file. First every server
accepts the new password, too, as a login token; then the files change, in any order; then the new
password becomes the only one. The zone works in each of these states, and the next run detects
which of them it is in.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TypeVar

from hosts.errors import HostError
from hosts.models import Host
from opennebula.api import UNFIT, USER, Api, ApiError, NotAuthenticatedError
from opennebula.zone import State
from procedures import health, zone_data, zone_leader
from procedures.bootstrap.bootstrap import zone_lock
from procedures.context import Access, Hosts
from procedures.facts.observe import zone_view
from procedures.parallel import on_each
from procedures.specs import ZoneSpec
from procedures.wait import NotYet, until

T = TypeVar("T")

STEP = "change oneadmin's password"


def set_password(
    access: Access,
    zone: ZoneSpec,
    staying: Hosts,
    leaving: Hosts,
    *,
    changed: bool,
    failed: bool = False,
    stopping: Collection[str] = (),
) -> None:
    """Set the stack's password on the zone's servers, unless they have it.

    ``changed``: the stack had another password before. Only then a password that the servers refuse
    is set: a zone that is only adopted keeps its own. ``failed``: a failed update may have set
    another password, which is revoked. Does nothing if no oned runs, or if no password in the
    hosts' files works. ``stopping``: hosts whose oned is being stopped, which may end between two
    answers. Raises HostError.
    """
    hosts = {**leaving, **staying}
    new = access.secrets.one_pass
    admitted = _admitted(access, {n: host for n, host in hosts.items() if n not in stopping})
    if not admitted or not (changed or all(admitted.values())):
        return
    running = {name: hosts[name] for name in admitted}
    files = _files(access, running)
    way = access if all(admitted.values()) else _access_by_files(access, running, files)
    if way is None or (
        way is access
        and set(files.values()) == {_line(new)}
        and all(_only(access, running).values())
        and not (failed and _call(access, running, lambda api: api.has_endless_token()))
    ):
        return
    with zone_lock(access, staying):
        access.report(STEP)
        members = _members(way, zone, hosts, running)
        if way is not access:
            _admit(way, members, new)
        behind = [name for name, line in _files(access, members).items() if line != _line(new)]
        on_each(
            {name: members[name] for name in behind},
            lambda host: access.run(host, "write_one_auth", secrets={"one_auth": _line(new)}),
        )
        on_each(members, lambda host: access.run(host, "hide_tokens"))
        access.report("make the new password the only one")
        _call(access, members, lambda api: api.set_password(new))
        _until_all(members, "to accept only the new password", lambda: _only(access, members))


def present_access(access: Access, hosts: Hosts, *, changed: bool) -> Access:
    """Return access with the password that the oneds accept at present.

    ``changed``: that may be another one than the stack's. Returns ``access`` itself if its password
    works, or if no password in the hosts' files does.
    """
    if not changed or all(_admitted(access, hosts).values()):
        return access
    return _access_by_files(access, hosts, _files(access, hosts)) or access


def unfit(hosts: str, new: str) -> Iterator[HostError]:
    """Yield an error if a running zone cannot use that password."""
    if UNFIT & set(new):
        yield HostError(
            hosts,
            STEP,
            expected=f"an opennebula-ha:one_pass without any of {' '.join(sorted(UNFIT))}",
            seen="one of them in it",
            remedy="choose another password: a zone that runs cannot take this one",
        )


def _line(password: str) -> str:
    return f"{USER}:{password}"


def _files(access: Access, hosts: Hosts) -> dict[str, str]:
    """Return the content of each host's one_auth."""
    return on_each(
        hosts, lambda host: access.run(host, "read_one_auth", exclusive=False).values["one_auth"]
    )


def _admitted(access: Access, hosts: Hosts) -> dict[str, bool]:
    """Return whether each oned accepts the stack's password, for those that answer."""

    def ask(host: Host) -> bool | None:
        try:
            access.api(host).raft_status()
        except NotAuthenticatedError:
            return False
        except (ApiError, HostError):
            return None
        return True

    return {name: answer for name, answer in on_each(hosts, ask).items() if answer is not None}


def _access_by_files(access: Access, hosts: Hosts, files: Mapping[str, str]) -> Access | None:
    """Return access with a password from the hosts' files that every oned accepts, or None."""
    for line in sorted(set(files.values())):
        user, _, password = line.partition(":")
        way = access.logging_in_with(password)
        if user == USER and all(_admitted(way, hosts).values()):
            return way
    return None


def _members(way: Access, zone: ZoneSpec, hosts: Hosts, running: Hosts) -> dict[str, Host]:
    """Return the zone's servers after a health check, so that none of them misses a step."""
    answers = zone_view(way, hosts).statuses
    if [status.state for status in answers.values()] == [State.SOLO]:
        return {name: running[name] for name in answers}
    healthy = health.verify(way, zone, hosts, changes_vips=True)
    names = [server.name for server in healthy.servers]
    strangers = sorted(set(names) - set(hosts))
    if strangers:
        raise HostError(
            ", ".join(strangers),
            STEP,
            expected="every zone server among opennebula-ha:frontends",
            seen="a zone server that is not",
            remedy="change one_pass in an up of its own, with all of them listed",
        )
    return {name: hosts[name] for name in names}


def _admit(way: Access, members: Hosts, new: str) -> None:
    """Have every server accept the new password, too. Raises HostError."""
    for error in unfit(", ".join(sorted(members)), new):
        raise error
    way.report("accept the new password, too")
    if not _call(way, members, lambda api: api.admit(new)):
        raise HostError(
            ", ".join(sorted(members)),
            STEP,
            expected="oneadmin to have the driver core, with login tokens that do not end",
            seen="another driver, or tokens that end",
            remedy="see AUTH_MAD_CONF with MAX_TOKEN_TIME in /etc/one/oned.conf; or set one_pass"
            " back, change the password by hand, and then one_pass",
        )
    access = way.logging_in_with(new)
    _until_all(members, "to accept the new password", lambda: _admitted(access, members))


def _only(access: Access, hosts: Hosts) -> dict[str, bool]:
    """Return whether the stack's password is the password itself on each oned, not a token."""

    def ask(host: Host) -> bool:
        try:
            return access.api(host).has_password(access.secrets.one_pass)
        except (ApiError, HostError):
            return False

    return on_each(hosts, ask)


def _call(access: Access, members: Hosts, call: Callable[[Api], T]) -> T:
    return zone_leader.ask(
        access,
        members,
        call,
        step=STEP,
        expected="oned to do it",
        highly_available=len(members) > 1,
    )


def _until_all(members: Hosts, expected: str, look: Callable[[], Mapping[str, bool]]) -> None:
    def probe() -> None:
        answers = look()
        if lacking := [name for name in sorted(members) if not answers.get(name)]:
            raise NotYet(f"not so on {', '.join(lacking)}")

    until(
        probe,
        host=", ".join(sorted(members)),
        step=STEP,
        expected=f"every oned {expected}",
        seconds=zone_data.CONVERGENCE,
        remedy="bring every zone server up, then run again: it resumes here",
    )
