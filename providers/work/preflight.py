"""What must be right on all front-ends, seen to before anything on any of them changes."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from procedures.access import Access
from procedures.observe import Facts
from procedures.preflight import preflight
from procedures.specs import PreflightSpec
from providers import progress, stack
from providers.work import base
from providers.work.base import Outputs


class Work(base.Work[PreflightSpec]):
    """Of Preflight."""

    spec_type = PreflightSpec

    def make(
        self, access: Access, spec: PreflightSpec, props: Mapping[str, Any]
    ) -> tuple[str, Outputs]:
        """Check all front-ends."""
        stack.current().found_on(_check(access, spec, None, props))
        return "preflight", {}

    def look(self, access: Access, spec: PreflightSpec, props: Mapping[str, Any]) -> Outputs:
        """What was checked, was."""
        return {}

    def change(
        self,
        access: Access,
        spec: PreflightSpec,
        olds: Mapping[str, Any],
        news: Mapping[str, Any],
    ) -> Outputs:
        """Check what is new."""
        _check(access, spec, PreflightSpec.model_validate(olds["spec"]), news)
        return {}


def _check(
    access: Access, spec: PreflightSpec, before: PreflightSpec | None, props: Mapping[str, Any]
) -> Mapping[str, Facts]:
    here = stack.current()
    warn = partial(progress.warn, str(props.get("urn", "")))
    seen = preflight(
        access,
        spec,
        before,
        skip=here.skip_checks,
        converts=here.convert_database,
        warn=warn,
    )
    here.keep(seen)
    return seen
