"""oneadmin's public key in OpenNebula, with which it logs in to virtual machines.

It is an attribute of the user in the zone's database, so that all servers have it.
"""

from collections.abc import Mapping
from functools import partial

from hosts.errors import HostError
from hosts.models import Host
from opennebula.api import Api, ApiError
from opennebula.zone import ZoneView
from procedures import zone_leader
from procedures.context import Access
from procedures.facts.facts import Facts
from procedures.facts.observe import api_host
from procedures.install.files.paths import PUBLIC_KEY
from procedures.specs import ZoneSpec

LEADER = "leader"
"""In the place of a key: the one that oneadmin has on the leader."""


def set_public_key(
    access: Access,
    zone: ZoneSpec,
    hosts: Mapping[str, Host],
    wanted: str,
    *,
    replace: bool,
    view: ZoneView | None = None,
) -> bool:
    """Have oneadmin have that key, of the zone that those hosts are; whether it has it now.

    Another one is only replaced where that is said: nothing is changed in a zone that is merely
    taken over. ``view``: the zone, if the caller has just seen it. Raises HostError.
    """
    find = partial(zone_leader.find, access, hosts, highly_available=zone.highly_available)
    first = api_host(view, hosts) if view and zone.highly_available else None
    if wanted == LEADER:
        host, first = first or find(), None
        output = access.run(host, "read_file", variables={"file": PUBLIC_KEY}, exclusive=False)
        wanted = output.values["text"]

    def set_key(api: Api) -> bool:
        there = api.public_key()
        if there and there != _lines(wanted) and not replace:
            return False
        if there != _lines(wanted):
            access.report("set oneadmin's public key")
            api.set_public_key(_lines(wanted))
        return True

    return zone_leader.ask(
        access,
        find,
        set_key,
        first=first,
        step="set oneadmin's public key",
        expected="oned to do it",
    )


def differs(access: Access, head: Facts, wanted: str) -> bool:
    """Whether the zone has another one, as that server sees it. One that is silent says nothing."""
    if wanted == LEADER:
        there = head.files.get(PUBLIC_KEY)
        wanted = there.text if there else ""
    try:
        return access.api(head.host).public_key() != _lines(wanted)
    except (ApiError, HostError):
        return False


def _lines(text: str) -> str:
    """Keys, a line each, each once."""
    return "\n".join(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
