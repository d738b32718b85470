"""Check all front-ends, and what the zone makes of a change, before anything changes."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from hosts.errors import HostError
from procedures.context import Access
from procedures.facts.signs import refusal
from procedures.preflight.preflight import Checked, preflight
from procedures.preflight.zone_preflight import ZoneChange
from procedures.specs import PreflightSpec, ZoneSpec
from providers import progress, stack
from providers.work import base
from providers.work.base import Outputs


class Work(base.Work[PreflightSpec]):
    """Of Preflight."""

    spec_type = PreflightSpec
    only_looks = True

    def identifier(self, spec: PreflightSpec) -> str:
        """Return the one ID of its kind."""
        return "preflight"

    def make(self, access: Access, spec: PreflightSpec, props: Mapping[str, Any]) -> Outputs:
        """Check all front-ends."""
        here = stack.current()
        checked = _check(access, spec, None, props)
        here.found_on(checked.facts)
        here.adopted = checked.adopted
        if checked.adopted:
            _say_what_is_adopted(access, checked)
        return {}

    def look(self, access: Access, spec: PreflightSpec, props: Mapping[str, Any]) -> Outputs:
        """Look for what the next ``up`` refuses before it writes anything on any host."""
        survey = stack.current().survey(access, spec.database)
        found = [refusal(one, spec.database, new=False) for one in survey.known_facts().values()]
        return {"drift": [f"{error.host}: {error.seen}" for error in found if error]}

    def change(
        self,
        access: Access,
        spec: PreflightSpec,
        olds: Mapping[str, Any],
        news: Mapping[str, Any],
    ) -> Outputs:
        """Check what the change needs."""
        _check(access, spec, olds, news)
        return {}


def _check(
    access: Access, spec: PreflightSpec, olds: Mapping[str, Any] | None, props: Mapping[str, Any]
) -> Checked:
    here = stack.current()
    before = PreflightSpec.model_validate(olds["spec"]) if olds else None
    checked = preflight(
        access,
        spec,
        before,
        skip=here.skip_checks,
        converts=here.convert_database,
        warn=partial(progress.warn, str(props.get("urn", ""))),
        zone_change=_zone_change(spec, before, olds or {}, props),
    )
    if here.observes and checked.adopted != spec.hosts.keys():
        raise HostError(
            ", ".join(sorted(spec.hosts.keys() - checked.adopted)),
            "adopt the zone",
            expected="servers of a zone that runs: opennebula-ha:adopt is observe",
            seen="none there",
            remedy="list the servers of the running zone under opennebula-ha:frontends, all and"
            " only those; or take adopt out of the stack's config to build a zone",
        )
    here.keep(checked.facts)
    return checked


def _zone_change(
    spec: PreflightSpec,
    before: PreflightSpec | None,
    olds: Mapping[str, Any],
    news: Mapping[str, Any],
) -> ZoneChange:
    here = stack.current()
    old = before.hosts if before else {}
    leaving = {name: host for name, host in old.items() if name not in spec.hosts}
    return ZoneChange(
        ZoneSpec.model_validate(news["zone"]),
        spec.hosts,
        here.still_there(leaving),
        new=spec.hosts.keys() - old.keys(),
        lost=here.lost,
        restoring=here.restores,
        changes_password="one_pass" in olds and olds["one_pass"] != news["one_pass"],
        allow_degraded=here.allow_degraded,
    )


def _say_what_is_adopted(access: Access, checked: Checked) -> None:
    names = ", ".join(sorted(checked.adopted))
    access.report(f"a zone runs on {names}: adopt it, and change nothing on these hosts")
