"""What is found beforehand to be wrong with the front-ends.

Pure: what was seen goes in, findings come out.
"""

from collections.abc import Callable, Collection, Iterator, Mapping

from hosts.errors import HostError
from procedures.preflight.checks.blank import blank
from procedures.preflight.checks.clock import clock
from procedures.preflight.checks.conversion import conversion
from procedures.preflight.checks.grpc import grpc
from procedures.preflight.checks.host import (
    disk,
    distribution,
    listeners,
    mandatory_access,
    memory,
    systemd,
)
from procedures.preflight.checks.logins import logins
from procedures.preflight.checks.network import interface, names, ports, service_ports, vip
from procedures.preflight.checks.others import (
    cloud_init,
    database_server,
    locale,
    own_name,
    password_policy,
    proxy,
    vip_managers,
)
from procedures.preflight.checks.renamed import renamed
from procedures.preflight.context import Finding, Site, Weight

Rule = Callable[[Site], Iterator[Finding]]

SKIPPABLE: Mapping[str, Rule] = {
    "clock": clock,
    "disk": disk,
    "interface": interface,
    "listeners": listeners,
    "locale": locale,
    "logins": logins,
    "memory": memory,
    "names": names,
    "own_name": own_name,
    "password_policy": password_policy,
    "ports": ports,
    "proxy": proxy,
    "service_ports": service_ports,
    "vip": vip,
    "vip_managers": vip_managers,
}
"""By the name that the config skips them with."""

_ALWAYS: tuple[Rule, ...] = (
    renamed,
    blank,
    conversion,
    distribution,
    systemd,
    mandatory_access,
    cloud_init,
    database_server,
    grpc,
)


def findings(site: Site, skip: Collection[str] = ()) -> list[Finding]:
    """Return all findings, sorted by host.

    Every front-end must answer, unless it is certain that there is no zone, and the host was seen
    before: then it keeps none of the others from their installation.
    """
    found = [
        Finding(error)
        for name, error in site.silent.items()
        if site.may_have_zone or name in site.change.new
    ]
    for rule in _ALWAYS:
        found += rule(site)
    for name, rule in SKIPPABLE.items():
        if name not in skip:
            found += (_with_way_past(one, name) for one in rule(site))
    # A bastion that is down is that once, however many are behind it.
    by_text = {str(one.error): one for one in found}
    return sorted(by_text.values(), key=lambda one: (one.error.host, one.error.step))


def _with_way_past(one: Finding, name: str) -> Finding:
    if one.weight is not Weight.REFUSAL:
        return one
    error = one.error
    way_past = f"; to continue anyway, set opennebula-ha:skip_checks: [{name}]"
    return Finding(
        HostError(
            error.host,
            error.step,
            expected=error.expected,
            seen=error.seen,
            remedy=error.remedy + way_past,
        )
    )
