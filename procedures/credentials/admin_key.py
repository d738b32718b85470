"""oneadmin's public key in OpenNebula, which lets it log in to virtual machines.

It is an attribute of the user in the zone's database, which all servers have.
"""

from hosts.errors import HostError
from opennebula.api import Api, ApiError
from opennebula.zone import ZoneView
from procedures import zone_leader
from procedures.context import Access, Hosts
from procedures.facts.facts import Facts
from procedures.facts.observe import api_host
from procedures.install.files.collect import PUBLIC_KEY
from procedures.specs import ZoneSpec

LEADER = "leader"
"""Instead of a key: oneadmin's key on the leader."""


def set_public_key(
    access: Access,
    zone: ZoneSpec,
    hosts: Hosts,
    wanted: str,
    *,
    replace: bool,
    view: ZoneView | None = None,
) -> bool:
    """Set oneadmin's public key in the zone of those hosts; return whether it has that key now.

    ``replace``: replace another key. A zone that is only adopted is not changed. ``view``: the
    zone, if the caller has just observed it. Raises HostError.
    """
    is_ha = zone.highly_available
    first = api_host(view, hosts) if view and is_ha else None
    if wanted == LEADER:
        host = first or zone_leader.find(access, hosts, highly_available=is_ha)
        first = None
        output = access.run(host, "read_file", variables={"file": PUBLIC_KEY}, exclusive=False)
        wanted = output.values["text"]

    def set_key(api: Api) -> bool:
        present = api.public_key()
        if present and present != _lines(wanted) and not replace:
            return False
        if present != _lines(wanted):
            access.report("set oneadmin's public key")
            api.set_public_key(_lines(wanted))
        return True

    return zone_leader.ask(
        access,
        hosts,
        set_key,
        step="set oneadmin's public key",
        expected="oned to do it",
        first=first,
        highly_available=is_ha,
    )


def differs(access: Access, head: Facts, wanted: str) -> bool:
    """Return whether that server has another key; False if its oned does not answer."""
    if wanted == LEADER:
        file = head.files.get(PUBLIC_KEY)
        wanted = file.text if file else ""
    try:
        return access.api(head.host).public_key() != _lines(wanted)
    except (ApiError, HostError):
        return False


def _lines(text: str) -> str:
    """Return the keys, one per line, without duplicates."""
    return "\n".join(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
