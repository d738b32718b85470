"""MariaDB's account after a rollout: what no oned logs in with any more is void."""

from collections.abc import Mapping

from hosts.connection import Host
from procedures import configuration
from procedures.access import Access, on_each
from procedures.observe import Facts
from procedures.specs import Database


def settle(
    access: Access,
    database: Database,
    hosts: Mapping[str, Host],
    seen: Mapping[str, Facts],
    *,
    former: str,
) -> None:
    """The stack's password is the account's only one; a ``former`` account goes.

    One that has other rights by now stays. Only where every oned there runs with its present
    configuration: ``seen`` are facts of that moment. Raises HostError.
    """
    if not database.is_mariadb:
        return
    if former == database.owner:
        hosts = {n: host for n, host in hosts.items() if n not in seen or seen[n].two_passwords}
    variables = {
        "former": "" if former == database.owner else configuration.account_of(former),
        "grant": configuration.own_grant(database),
    }
    secrets = {"account": configuration.identify(database, access.secrets.db_password)}
    on_each(
        hosts,
        lambda host: access.run(host, "settle_account", variables=variables, secrets=secrets),
    )
