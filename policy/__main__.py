"""A policy pack: what a team may want of every stack. Its rules are in rules.py."""

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    StackValidationArgs,
    StackValidationPolicy,
)
from rules import RULES, Rule, wanted


def policy(rule: Rule) -> StackValidationPolicy:
    """Return the rule as Pulumi runs it: once for the whole stack."""

    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        zone = wanted(
            (resource.urn, resource.resource_type, resource.props) for resource in args.resources
        )
        for violation in rule.check(zone) if zone else ():
            report(violation)

    return StackValidationPolicy(rule.name, rule.description, validate)


PolicyPack(
    "opennebula-ha",
    enforcement_level=EnforcementLevel.MANDATORY,
    policies=[policy(rule) for rule in RULES],
)
