"""Check that a front-end keeps its name while it is in the stack."""

from collections.abc import Iterator

from procedures.preflight.context import Finding, Site, always, fault


@always
def renamed(site: Site) -> Iterator[Finding]:
    """Check that no host leaves and joins the stack under two names in one ``up``.

    It would be installed as the new front-end, and then taken out of service as the old one.
    """
    for name, former in site.change.renamed.items():
        yield fault(
            name,
            "compare the front-ends' names",
            expected=f"{former} at {site.spec.hosts[name].address}, as the stack has it",
            seen=f"{name} at that address",
            remedy=f"set its name in opennebula-ha:frontends back to {former}: the zone knows"
            f" its servers by their names. To rename a server of a zone of three or more, take"
            f" {former} out of frontends and run up, empty that host, then add it as {name}",
        )
