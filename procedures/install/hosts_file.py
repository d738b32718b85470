"""Add and remove names of front-ends in our part of /etc/hosts."""

from collections.abc import Collection, Mapping

from hosts.models import Host
from procedures.context import Access
from procedures.facts.facts import Facts
from procedures.facts.observe import servers
from procedures.parallel import on_each


def change_names(
    access: Access,
    hosts: Mapping[str, Host],
    *,
    added: Mapping[str, Host] | None = None,
    removed: str = "",
) -> None:
    """Add the names of ``added`` on those hosts, and remove the name ``removed``.

    Raises HostError.
    """
    lines = "\n".join(f"{host.address} {name}" for name, host in sorted((added or {}).items()))
    variables = {"added": lines, "removed": removed}
    on_each(hosts, lambda host: access.run(host, "hosts_names", variables=variables))


def drop_names(
    access: Access,
    hosts: Mapping[str, Host],
    seen: Mapping[str, Facts],
    *,
    but: Collection[str] = (),
) -> None:
    """Remove names that do not belong to a front-end.

    An interrupted change may have added the name of a host that was never installed. ``hosts``: all
    front-ends, with ``seen`` as their present facts; hosts in ``but`` are not changed. Does nothing
    while a server still has to leave, since its removal removes its name. Raises HostError.
    """
    if servers(seen.values()) - hosts.keys():
        return
    strange = {
        n: seen[n].own_names.keys() - hosts.keys() for n in hosts if n in seen.keys() - {*but}
    }
    for name in sorted(set[str]().union(*strange.values())):
        there = {n: host for n, host in hosts.items() if name in strange.get(n, ())}
        change_names(access, there, removed=name)
