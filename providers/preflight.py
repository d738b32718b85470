"""Check all front-ends, and plan the zone's changes, before anything changes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from providers import progress
from providers.base import ManagedResource, Outputs, Provider
from providers.state import lost_addresses

if TYPE_CHECKING:
    from procedures.preflight.preflight import Checked
    from procedures.preflight.zone_preflight import ZoneChange
    from procedures.specs import PreflightSpec
    from providers.run_state import Operation


class PreflightProvider(Provider):
    """Checks the front-ends and changes nothing, so that there is nothing to delete."""

    spec_type = "PreflightSpec"
    optional = frozenset({"register_grpc", "prepared", "packages"})
    fixed_id = "preflight"
    labels: ClassVar = {"hosts": "frontends", "version": "one_version"}
    # The first three change how the checks work, not what is checked; the others are part of other
    # specs, whose digest is in ``wanted``.
    unaffected_by = frozenset(
        {"accept_new_host_keys", "allow_degraded", "skip_checks", "prepared", "packages"}
    )
    drift_means = "up refuses"
    changes_hosts = False

    def do_create(self, op: Operation[PreflightSpec]) -> Outputs:
        """Check all front-ends."""
        checked = _check(op)
        op.run.note_blank(checked.facts)
        op.run.adopted = checked.adopted
        if checked.adopted:
            names = ", ".join(sorted(checked.adopted))
            op.access.report(f"a zone runs on {names}: adopt it, and change nothing on these hosts")
        return {}

    def do_read(self, op: Operation[PreflightSpec]) -> Outputs:
        """Report what the next ``up`` refuses before it writes on any host."""
        from procedures.facts.signs import refusal

        survey = op.run.survey(op.access, op.spec.database)
        known = survey.known_facts().values()
        refusals = [refusal(facts, op.spec.database, new=False) for facts in known]
        return {"drift": [f"{error.host}: {error.seen}" for error in refusals if error]}

    def do_update(self, op: Operation[PreflightSpec]) -> Outputs:
        """Check what the change concerns."""
        _check(op)
        return {}


class Preflight(ManagedResource, module="opennebula", name="Preflight"):
    """The checks of all front-ends for a zone, which everything else waits for.

    Inputs: ``zone``, its spec; ``lost``; ``wanted``, a digest of all specs, and ``secrets``, a
    fingerprint of all secrets: if one changes, the checks run first; ``one_pass``, the fingerprint
    of oneadmin's password alone; and the config keys that make the stack less safe, for reviewers
    and policies.
    """

    provider_type = PreflightProvider
    outputs = ()


def _check(op: Operation[PreflightSpec]) -> Checked:
    from hosts.errors import HostError
    from procedures.preflight.preflight import preflight

    before: PreflightSpec | None = PreflightProvider().spec_of(op.olds) if op.olds else None
    # A zone that is only observed needs no preparation.
    spec = op.spec.model_copy(update={"prepared": None}) if op.run.observes else op.spec
    checked = preflight(
        op.access,
        spec,
        before,
        skip=op.run.skip_checks,
        converts=op.run.convert_database,
        warn=partial(progress.warn, str(op.props.get("urn", ""))),
        zone_change=_zone_change(op, before),
    )
    if op.run.observes and checked.adopted != op.spec.hosts.keys():
        raise HostError(
            ", ".join(sorted(op.spec.hosts.keys() - checked.adopted)),
            "adopt the zone",
            expected="servers of a zone that runs: opennebula-ha:adopt is observe",
            seen="no such server",
            remedy="list the servers of the running zone under opennebula-ha:frontends, all and"
            " only those; or remove adopt from the stack's config to build a zone",
        )
    op.run.keep(checked.facts)
    op.run.former_owners = frozenset([before.database.owner] if before else [])
    op.run.leaving = checked.leaving
    return checked


def _zone_change(op: Operation[PreflightSpec], before: PreflightSpec | None) -> ZoneChange:
    from procedures.preflight.zone_preflight import ZoneChange
    from procedures.specs import ZoneSpec

    old = before.hosts if before else {}
    leaving = {name: host for name, host in old.items() if name not in op.spec.hosts}
    addresses = {name: host.address for name, host in leaving.items()}
    return ZoneChange(
        ZoneSpec.model_validate(op.props["zone"]),
        op.spec.hosts,
        op.run.without_lost(leaving),
        new=op.spec.hosts.keys() - old.keys(),
        lost=op.run.lost,
        lost_at=lost_addresses(addresses, op.run.lost, op.spec.hosts),
        restoring=op.run.restores,
        changes_password="one_pass" in op.olds and op.olds["one_pass"] != op.props["one_pass"],
        allow_degraded=op.run.allow_degraded,
    )
