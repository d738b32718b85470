"""Check all front-ends, and plan the zone's changes, before anything changes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from providers import progress
from providers.base import ManagedResource, Outputs, Props, Provider
from providers.state import lost_addresses

if TYPE_CHECKING:
    from procedures.context import Access
    from procedures.preflight.preflight import Checked
    from procedures.preflight.zone_preflight import ZoneChange
    from procedures.specs import PreflightSpec
    from providers.run_state import RunState


class PreflightProvider(Provider):
    """Checks the front-ends and changes nothing, so that there is nothing to delete."""

    spec_type = "PreflightSpec"
    optional = frozenset({"register_grpc"})
    fixed_id = "preflight"
    labels: ClassVar = {"hosts": "frontends", "version": "one_version"}
    # They change how the checks work, not what is checked.
    unaffected_by = frozenset({"accept_new_host_keys", "allow_degraded", "skip_checks"})
    drift_means = "up refuses"
    changes_hosts = False

    def do_create(
        self, access: Access, run: RunState, spec: PreflightSpec, props: Props
    ) -> Outputs:
        """Check all front-ends."""
        checked = _check(access, run, spec, None, props)
        run.note_blank(checked.facts)
        run.adopted = checked.adopted
        if checked.adopted:
            names = ", ".join(sorted(checked.adopted))
            access.report(f"a zone runs on {names}: adopt it, and change nothing on these hosts")
        return {}

    def do_read(self, access: Access, run: RunState, spec: PreflightSpec, props: Props) -> Outputs:
        """Report what the next ``up`` refuses before it writes on any host."""
        from procedures.facts.signs import refusal

        survey = run.survey(access, spec.database)
        known = survey.known_facts().values()
        refusals = [refusal(facts, spec.database, new=False) for facts in known]
        return {"drift": [f"{error.host}: {error.seen}" for error in refusals if error]}

    def do_update(
        self, access: Access, run: RunState, spec: PreflightSpec, olds: Props, news: Props
    ) -> Outputs:
        """Check what the change concerns."""
        _check(access, run, spec, olds, news)
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


def _check(
    access: Access,
    run: RunState,
    spec: PreflightSpec,
    olds: Mapping[str, Any] | None,
    props: Mapping[str, Any],
) -> Checked:
    from hosts.errors import HostError
    from procedures.preflight.preflight import preflight

    before: PreflightSpec | None = PreflightProvider().spec_of(olds) if olds else None
    checked = preflight(
        access,
        spec,
        before,
        skip=run.skip_checks,
        converts=run.convert_database,
        warn=partial(progress.warn, str(props.get("urn", ""))),
        zone_change=_zone_change(run, spec, before, olds or {}, props),
    )
    if run.observes and checked.adopted != spec.hosts.keys():
        raise HostError(
            ", ".join(sorted(spec.hosts.keys() - checked.adopted)),
            "adopt the zone",
            expected="servers of a zone that runs: opennebula-ha:adopt is observe",
            seen="no such server",
            remedy="list the servers of the running zone under opennebula-ha:frontends, all and"
            " only those; or remove adopt from the stack's config to build a zone",
        )
    run.keep(checked.facts)
    run.former_owners = frozenset([before.database.owner] if before else [])
    run.leaving = checked.leaving
    return checked


def _zone_change(
    run: RunState,
    spec: PreflightSpec,
    before: PreflightSpec | None,
    olds: Mapping[str, Any],
    news: Mapping[str, Any],
) -> ZoneChange:
    from procedures.preflight.zone_preflight import ZoneChange
    from procedures.specs import ZoneSpec

    old = before.hosts if before else {}
    leaving = {name: host for name, host in old.items() if name not in spec.hosts}
    addresses = {name: host.address for name, host in leaving.items()}
    return ZoneChange(
        ZoneSpec.model_validate(news["zone"]),
        spec.hosts,
        run.without_lost(leaving),
        new=spec.hosts.keys() - old.keys(),
        lost=run.lost,
        lost_at=lost_addresses(addresses, run.lost, spec.hosts),
        restoring=run.restores,
        changes_password="one_pass" in olds and olds["one_pass"] != news["one_pass"],
        allow_degraded=run.allow_degraded,
    )
