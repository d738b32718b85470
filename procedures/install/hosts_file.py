"""Names of front-ends in our part of the hosts files, beyond what an installation writes."""

from collections.abc import Mapping

from hosts.models import Host
from procedures.context import Access
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
