"""MariaDB's account after a rollout: what no oned logs in with any more is void."""

from collections.abc import Mapping

from hosts.connection import Host
from procedures import configuration
from procedures.access import Access, on_each
from procedures.specs import Database


def settle(access: Access, database: Database, hosts: Mapping[str, Host], *, former: str) -> None:
    """The stack's password is the account's only one; a ``former`` account of ours goes.

    Only where every oned there runs with its present configuration. Raises HostError.
    """
    if not database.is_mariadb:
        return
    statements = configuration.identify(database, access.secrets.db_password)
    if former != database.owner:
        statements += "\n" + configuration.drop_account(former)
    on_each(hosts, lambda host: access.run(host, "settle_account", secrets={"account": statements}))
