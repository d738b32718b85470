"""Preflight: check all front-ends in one pass, before anything on any of them changes."""

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass

from hosts.errors import HostError, reading_answer
from hosts.models import Host
from opennebula import ports
from procedures.context import Access
from procedures.facts.facts import Facts
from procedures.facts.observe import question
from procedures.facts.report import read
from procedures.parallel import on_each, raise_all
from procedures.preflight.checks import findings
from procedures.preflight.checks.host import PATHS
from procedures.preflight.context import HostReport, Site, StackChange, Weight
from procedures.preflight.probe import read_probe
from procedures.preflight.repository import unusable_repositories
from procedures.preflight.zone_preflight import Foreseen, ZoneChange, foresee
from procedures.specs import PreflightSpec

SECONDS = 120.0
"""Seconds for a host's answer. Most of them are for slow name services."""

FORWARD = 10.0
"""Seconds for sshd to connect to a port of its own host."""


@dataclass(frozen=True)
class Checked:
    """The result of a successful preflight."""

    facts: Mapping[str, Facts]
    """Facts of every host, for the next step that changes it."""
    adopted: frozenset[str]
    """The front-ends of a zone that already runs."""
    leaving: Mapping[str, str] | None = None
    """Name and address of each server that still has to leave the zone; None if that is unknown."""


def preflight(
    access: Access,
    spec: PreflightSpec,
    before: PreflightSpec | None,
    *,
    skip: Collection[str],
    converts: bool = False,
    warn: Callable[[str], None],
    zone_change: ZoneChange,
) -> Checked:
    """Check all front-ends, and whether the zone permits the change.

    ``before``: the stack at its last ``up``, if there was one. Hosts that it did not have are
    checked completely, all others only in what the change needs. ``converts``: data in SQLite may
    be moved to MariaDB. ``warn`` is called with each warning.

    Raises HostError (HostErrors if there are several) with every fault of every host.
    """
    change = StackChange(spec, before)
    hosts = spec.hosts
    access.report(f"check {', '.join(sorted(hosts))} before anything changes")
    ssh = {name: access.connection(host).port for name, host in spec.hosts.items()}
    answers = on_each(hosts, lambda host: _look(access, change, host, ssh))
    site = Site(
        change,
        seen={name: answer for name, answer in answers.items() if isinstance(answer, HostReport)},
        silent={name: answer for name, answer in answers.items() if isinstance(answer, HostError)},
        ssh=ssh,
        converts=converts,
        db_password=access.secrets.db_password,
    )
    found = findings(site, skip)
    for finding in found:
        if finding.weight is Weight.WARNING:
            warn(str(finding.error))
        elif finding.weight is Weight.NOTE:
            access.report(f"{finding.error.host}: {finding.error.seen}: {finding.error.remedy}")
    # One host under two names would look like two servers.
    foreseen = Foreseen() if change.renamed else foresee(access, zone_change, site.facts)
    refusals = [finding.error for finding in found if finding.weight is Weight.REFUSAL]
    refusals += unusable_repositories(access, site)
    raise_all([*refusals, *foreseen.refusals])
    return Checked(site.facts, foreseen.adopted, foreseen.leaving)


def _look(
    access: Access, change: StackChange, host: Host, ssh: Mapping[str, int]
) -> HostReport | HostError:
    try:
        # Connect first: the clocks are compared by the time that the script takes.
        access.connection(host).connect()
        sent, begun = time.time(), time.monotonic()
        prepared = change.prepared_on(host.name)
        output = access.run(
            host,
            "preflight",
            "observe",
            variables={
                **question(change.spec.database, change.spec.hosts),
                "vips": " ".join(change.addresses),
                "targets": "\n".join([*_targets(change, host.name, ssh), *prepared.servers]),
                "paths": " ".join(PATHS),
                "senders": " ".join(_senders(change, host.name)),
                "accounts": " ".join(prepared.accounts),
                "programs": " ".join(prepared.programs),
                "timezone": prepared.timezone,
                "mount_points": " ".join(prepared.mount_points),
                "sources": " ".join(prepared.sources),
                "shares": "\n".join(prepared.shares),
                "links": "\n".join(f"{number} {path}" for number, path in prepared.links.items()),
                "key": prepared.key,
                "certchain": prepared.certchain,
            },
            exclusive=False,
            timeout=SECONDS,
        )
        received = sent + time.monotonic() - begun
        # The calls of oned need an sshd that forwards connections.
        with suppress(OSError), closing(access.connection(host).open_stream(ports.ONED, FORWARD)):
            pass
        known = (
            read(host, change.spec.hosts, output, access.front_ends)
            if "machine_id" in output.values
            else None
        )
        with reading_answer(host.name, "preflight"):
            return HostReport(read_probe(output.values, sent, received), known)
    except HostError as error:
        return error


def _senders(change: StackChange, target: str) -> list[str]:
    """Return the addresses of the hosts that may send data to a new host."""
    if target not in change.new:
        return []
    return sorted(host.address for name, host in change.spec.hosts.items() if name != target)


def _targets(change: StackChange, source: str, ssh: Mapping[str, int]) -> list[str]:
    """Return the addresses and ports that the host must try to reach."""
    found = []
    for target, host in sorted(change.spec.hosts.items()):
        is_new = bool(change.new & {source, target})
        core = (ssh[target], *change.spec.core_ports) if is_new else ()
        features = change.spec.reachable if is_new else change.added
        knocked = (*core, *(ports.FEATURES[name] for name in features))
        if target != source:
            found += [f"{host.address} {port}" for port in knocked]
    return found
