"""Names of front-ends in our part of the hosts files, beyond what an installation writes."""

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
    """Have ``hosts`` find those ``added`` by name, and the one ``removed`` no more.

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
    """Take out names that are no front-end's: a change that was interrupted may have added one
    whose host was never installed, and so is never removed. Raises HostError.

    ``seen``: the present facts of ``hosts``, which are all front-ends; those named in ``but`` stay
    as they are. Nothing happens while a server is yet to leave: its removal takes its name out.
    """
    if servers(seen.values()) - hosts.keys():
        return
    strange = {
        n: seen[n].own_names.keys() - hosts.keys() for n in hosts if n in seen.keys() - {*but}
    }
    for name in sorted(set[str]().union(*strange.values())):
        there = {n: host for n, host in hosts.items() if name in strange.get(n, ())}
        change_names(access, there, removed=name)
