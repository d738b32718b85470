"""The preflight checks: find what is wrong with the front-ends before anything changes. Pure.

Each function of this package that is marked ``always`` or ``skippable`` is a check. All modules of
the package are loaded.
"""

from collections.abc import Collection
from importlib import import_module
from pkgutil import iter_modules

from procedures.preflight.context import ALWAYS, SKIPPABLE, Finding, Site, Weight, fault

__all__ = ["SKIPPABLE", "findings"]

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")


def findings(site: Site, skip: Collection[str] = ()) -> list[Finding]:
    """Return all findings, sorted by host.

    Every front-end must answer. Exception: a host that a former preflight has seen, if it is
    certain that there is no zone. Then the others can be installed without it.
    """
    found = [
        Finding(error)
        for name, error in site.silent.items()
        if site.may_have_zone or name in site.change.new
    ]
    for rule in ALWAYS:
        found += rule(site)
    for name, rule in SKIPPABLE.items():
        if name not in skip:
            found += (_with_way_past(finding, name) for finding in rule(site))
    # Report a bastion that is down once, not for every host behind it.
    by_text = {str(finding.error): finding for finding in found}
    return sorted(by_text.values(), key=lambda finding: (finding.error.host, finding.error.step))


def _with_way_past(finding: Finding, name: str) -> Finding:
    if finding.weight is not Weight.REFUSAL:
        return finding
    error = finding.error
    way_past = f"; to continue anyway, set opennebula-ha:skip_checks: [{name}]"
    remedy = error.remedy + way_past
    return fault(error.host, error.step, expected=error.expected, seen=error.seen, remedy=remedy)
