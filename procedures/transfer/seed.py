"""Copy a leader's database and keys to other front-ends, directly from host to host.

``/var/lib/one/.one``, ``.ssh`` and the remotes are copied by rsync over SSH. The dump is imported
while it is sent: only the source keeps a file of it. The source logs in with the operator's
forwarded agent, with keys that it has, or with a key that is created for this transfer. The targets
authorize that key in advance, which saves a round trip: only for rsync into one folder and an
import into one new database, and only for a while. The source knows the targets by the host keys
that this program verified.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from hosts.errors import HostError, no_room
from hosts.models import Host
from procedures import oned_service
from procedures.context import Access
from procedures.credentials.login_keys import refusals
from procedures.facts.facts import Facts
from procedures.install import configuration
from procedures.parallel import side_by_side
from procedures.specs import Database, ZoneSpec

INCOMING = "/var/lib/opennebula-ha/incoming"
"""Where a host receives a database and its keys."""
COPY = 3600.0
"""Seconds for a dump, its import on other hosts, or both in parallel."""
TRUST = 1200.0
"""Seconds for which a transfer's key is authorized."""


def dump(access: Access, host: Host, zone: ZoneSpec, *, reason: str, stop: bool) -> str:
    """Make a dump on the host; return its path. ``stop``: stop oned first."""
    output = access.run(
        host,
        "dump",
        variables={**_kept(zone, reason), "stop": "yes" if stop else "no"},
        timeout=COPY,
    )
    return output.values["dump"]


def seed(
    access: Access,
    source: Host,
    targets: Sequence[Facts],
    server_ids: Mapping[str, int],
    zone: ZoneSpec,
    *,
    reason: str,
    stop: bool,
) -> str:
    """Dump on the source and restore on the targets, each with its SERVER_ID.

    Return the path of the dump. The targets' oneds are stopped and disabled, and stay so. The data
    of the targets is replaced: the caller ensures that it is this zone's. Raises HostError.
    """
    # Its import takes a fifth of a run without changes.
    from hosts.keys import new_key  # noqa: PLC0415

    if not targets:
        return dump(access, source, zone, reason=reason, stop=stop)
    private, public = new_key()
    tasks: dict[str, Callable[[], object]] = {}
    if stop:
        tasks[""] = partial(oned_service.stop, access, source)
    tasks |= {target.host.name: partial(_allow, access, target.host, public) for target in targets}
    side_by_side(tasks)
    path = _send(access, source, [target.host for target in targets], _kept(zone, reason), private)

    def restore(target: Facts) -> None:
        own_id = server_ids[target.host.name]
        put_in_place(access, target, own_id, zone.database, may_replace=target.has_content)

    side_by_side({target.host.name: partial(restore, target) for target in targets})
    return path


def _kept(zone: ZoneSpec, reason: str) -> dict[str, str]:
    """Return the variables of a dump: see dumps.sh."""
    return {"db_name": zone.database.name, "reason": reason, "keep": str(zone.keep_dumps)}


def _allow(access: Access, host: Host, public_key: str) -> None:
    access.run(
        host,
        "allow_transfer",
        variables={"public_key": public_key, "seconds": str(int(TRUST))},
        timeout=oned_service.STOP,
    )


def _send(
    access: Access,
    source: Host,
    targets: Sequence[Host],
    kept: Mapping[str, str],
    private_key: str,
) -> str:
    lines = []
    for host in targets:
        connection = access.connection(host)
        lines.append(
            f"{host.name} {connection.user} {host.address} {connection.port} {connection.host_key}"
        )
    try:
        output = access.run(
            source,
            "send",
            variables={**kept, "targets": "\n".join(lines)},
            secrets={"private_key": private_key},
            timeout=COPY,
            lend_agent=True,
        )
    except HostError as error:
        for host in targets:
            if full := access.connection(host).full_disks():
                raise no_room(host.name, error.step, full, seen=error.seen) from None
        if "Permission denied" in error.seen:
            raise _login_failed(access, source, targets, error) from None
        raise
    return output.values["dump"]


def _login_failed(
    access: Access, source: Host, targets: Sequence[Host], error: HostError
) -> HostError:
    """Return the error with the messages of sshd on the targets."""
    messages = {host.name: refusals(access, host) for host in targets if host.name in error.seen}
    reasons = "; ".join(f"sshd on {name}: {text}" for name, text in messages.items() if text)
    names = ", ".join(messages)
    return HostError(
        names,
        error.step,
        expected=f"the login from {source.name}, with a key for this transfer alone",
        seen=f"{error.seen}; {reasons or 'the log of sshd there says nothing'}",
        remedy=f"let {access.connection(source).user} of {source.name} ({source.address}) in on"
        f" {names}: AllowUsers and the like in sshd_config, owner and mode of the home folder and"
        " ~/.ssh; then run again",
    )


def put_in_place(
    access: Access,
    target: Facts,
    server_id: int,
    database: Database,
    *,
    may_replace: bool,
    one_auth: str = "",
) -> None:
    """Put the received database and keys in place on a stopped host. Raises HostError.

    ``may_replace``: the host's present database is a copy of this zone's. ``one_auth``: see
    restore.sh.
    """
    written = configuration.with_server_id(target.newest_conf, server_id)
    access.run(
        target.host,
        "restore",
        variables={"db_name": database.name, "may_replace": "yes" if may_replace else "no"},
        secrets={"oned_conf": written.rstrip("\n"), "one_auth": one_auth},
        timeout=COPY,
    )
