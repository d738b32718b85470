"""Make and list dumps of the database on the front-ends."""

import re
from pathlib import Path

from hosts.errors import HostError
from hosts.models import Host
from procedures.bootstrap.restore import KeptDump
from procedures.context import Access, Hosts
from procedures.facts.facts import Dump
from procedures.facts.observe import facts_where_possible
from procedures.specs import ZoneSpec
from procedures.transfer.seed import COPY, dump
from procedures.zone_leader import wait_for_leader


def back_up(access: Access, zone: ZoneSpec, hosts: Hosts) -> tuple[Host, str]:
    """Make a dump of the database and the keys on the leader, without interrupting clients.

    Return its host and path. Raises HostError.
    """
    name = min(hosts)
    if not zone.database.is_mariadb:
        raise HostError(
            name,
            "dump the database",
            expected="OpenNebula's data in MariaDB",
            seen="SQLite",
            remedy="stop opennebula there, copy /var/lib/one/one.db and /var/lib/one/.one, and"
            " start it again; or set opennebula-ha:convert_database: true",
        )
    if zone.highly_available:
        name = wait_for_leader(access, hosts).leader() or name
    path = dump(access, hosts[name], zone, reason="on-demand", stop=False)
    return hosts[name], path


def fetch(access: Access, host: Host, path: str, folder: Path) -> Path:
    """Copy a dump and its keys into a folder of this machine; return the copy's path.

    Only this account can read the copies, which ``restore`` accepts. Raises HostError.
    """
    kept = KeptDump.named(path)
    # It names a file of this machine: no other name of the host's choice.
    if not re.fullmatch(r"[\w-]+-on-demand\.sql\.zst", kept.database.name):
        raise HostError(
            host.name,
            "copy the dump",
            expected="the path of a dump, TIME-on-demand.sql.zst",
            seen=path,
            remedy="look for programs on that host that are not those of the distribution",
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file in (kept.keys, kept.database):
        access.report(f"{host.name}: copy {file.name}")
        access.connection(host).receive(str(file), folder / file.name, COPY)
    return folder / kept.database.name


def kept(access: Access, zone: ZoneSpec, hosts: Hosts) -> dict[str, tuple[Dump, ...]]:
    """Return the dumps and kept settings of each front-end that answers, by name."""
    seen = facts_where_possible(access, hosts, zone.database)
    return {name: front_end.dumps for name, front_end in sorted(seen.items())}
