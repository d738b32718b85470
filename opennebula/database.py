"""The database of an oned: the section DB of its oned.conf, without the password. Pure."""

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

from opennebula import conf

_SQLITE = "sqlite"
_MYSQL = "mysql"
_PORTS = ("", "0", "3306")
"""PORT in DB for MariaDB's default port."""
_SOCKETS = (
    "",
    *("/run/mysqld/mysqld.sock", "/var/run/mysqld/mysqld.sock"),
    *("/run/mysql/mysql.sock", "/var/run/mysql/mysql.sock", "/var/lib/mysql/mysql.sock"),
)
"""SOCKET in DB for MariaDB's default socket, in all supported distributions."""

TABLES = frozenset(
    """
    acl backupjob_pool cluster_datastore_relation cluster_network_relation cluster_pool
    cluster_vnc_bitmap datastore_pool db_versioning document_pool group_pool group_quotas
    group_vlans history hook_log hook_pool host_monitoring host_pool image_pool
    local_db_versioning logdb marketplace_pool marketplaceapp_pool network_pool
    network_vlan_bitmap plan_pool pool_control schedaction_pool secgroup_pool system_attributes
    template_pool user_pool user_quotas vdc_pool vm_monitoring vm_pool vm_showback vmgroup_pool
    vn_template_pool vrouter_pool zone_pool
    """.split()  # noqa: SIM905 - as a list it takes a page
)
"""All tables that oned 7.2 and 7.4 create, from their source."""


class DataPlace(Enum):
    """Whose database a section DB refers to."""

    PACKAGED = "the package's default"
    OURS = "the stack's"
    ANOTHER = "another one"


@dataclass(frozen=True)
class DatabaseSection:
    """The section DB of an oned.conf, with oned's defaults."""

    backend: str = _SQLITE
    server: str = "localhost"
    port: str = ""
    socket: str = ""
    name: str = "opennebula"
    user: str = "oneadmin"

    @classmethod
    def of(cls, text: str) -> "DatabaseSection":
        """Return the section of this file; empty text has the defaults."""
        found = conf.section(text, "DB")
        return cls(
            backend=found.get("BACKEND", _SQLITE).lower(),
            server=found.get("SERVER", "localhost").strip(),
            port=found.get("PORT", "").strip(),
            socket=found.get("SOCKET", "").strip(),
            name=found.get("DB_NAME", "opennebula"),
            user=found.get("USER", "oneadmin"),
        )

    @property
    def is_sqlite(self) -> bool:
        """Return whether the data is in SQLite."""
        return self.backend == _SQLITE

    def is_local(self, names: Collection[str]) -> bool:
        """Return whether it is in the MariaDB of the host with these names and addresses."""
        return (
            self.backend == _MYSQL
            and self.port in _PORTS
            and self.socket in _SOCKETS
            and _is_own(self.server, names)
        )

    def place(self, *, mariadb: bool, name: str, names: Collection[str]) -> DataPlace:
        """Return whose database this is, for a stack whose database has that name.

        ``mariadb``: the stack uses MariaDB on each host, otherwise SQLite. ``names``: names and
        addresses of the host. The account does not matter.
        """
        if self.is_sqlite:
            return DataPlace.PACKAGED if mariadb else DataPlace.OURS
        is_ours = mariadb and self.name == name and self.is_local(names)
        return DataPlace.OURS if is_ours else DataPlace.ANOTHER

    def __str__(self) -> str:
        if self.is_sqlite:
            return "SQLite (/var/lib/one/one.db)"
        kind = "MariaDB" if self.backend == _MYSQL else self.backend or "unknown"
        where = f"at {self.server or 'localhost'}"
        if self.port not in _PORTS:
            where += f" port {self.port}"
        if self.socket not in _SOCKETS:
            where += f" socket {self.socket}"
        return f"the {kind} database {self.name} {where}"


def _is_own(server: str, names: Collection[str]) -> bool:
    server = server.strip("[]").rstrip(".").lower()
    address = _address(server)
    if address is None:
        return server in {"", "localhost", *(name.lower() for name in names)}
    return address.is_loopback or address in map(_address, names)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
