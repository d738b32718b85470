"""Revoke passwords and accounts of MariaDB that no oned uses after a rollout."""

from collections.abc import Collection, Mapping

from hosts.models import Host
from procedures.context import Access
from procedures.facts.facts import Facts
from procedures.install import configuration
from procedures.parallel import on_each
from procedures.specs import Database


def clean_up_accounts(
    access: Access,
    database: Database,
    hosts: Mapping[str, Host],
    seen: Mapping[str, Facts],
    *,
    former: Collection[str],
) -> None:
    """Make the stack's password the account's only one, and drop our ``former`` accounts.

    Also drops accounts of these names that can log in from other hosts. Accounts with other rights
    stay. ``seen``: the present facts; every oned must run with its present configuration. Raises
    HostError.
    """
    if not database.is_mariadb:
        return
    gone = sorted({*former} - {database.owner})
    if not gone:
        hosts = {
            n: host
            for n, host in hosts.items()
            if n not in seen
            or seen[n].two_passwords
            or configuration.further_accounts(database, seen[n].traces.accounts)
        }
    # An oned that uses another host's MariaDB may need one of these accounts.
    is_local = all(configuration.is_local(front_end.oned_conf) for front_end in seen.values())
    names = (database.owner, *gone) if is_local else ()
    on_each(
        hosts,
        lambda host: access.run(
            host,
            "revoke_accounts",
            variables={
                "owners": " ".join(names),
                "ours": "\n".join(configuration.places(database)),
                "former": "\n".join(map(configuration.account_name, gone)),
                "grant": configuration.own_grant(database),
            },
            secrets={"account": configuration.identify(database, access.secrets.db_password)},
        ),
    )
