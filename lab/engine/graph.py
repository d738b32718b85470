"""Who depends on whom: the order of deletions, and references to what is gone."""

from lab.engine.state import Resource


def layers(order: list[Resource], condemned: list[Resource]) -> list[list[Resource]]:
    """Split what is to be deleted into groups: one after the other, dependents first."""
    position = {resource: index for index, resource in enumerate(order)}
    remaining = set(condemned)
    groups: list[list[Resource]] = []
    dependencies = {r: _dependencies(order[: position[r]], r) for r in condemned}
    while remaining:
        free = [r for r in condemned if r in remaining and not dependencies[r] & remaining]
        groups.insert(0, free)
        remaining.difference_update(free)
    return groups


def _dependencies(earlier: list[Resource], resource: Resource) -> set[Resource]:
    urns = resource.depends_on()
    found = {r for r in earlier if r.urn in urns or r.urn == resource.parent}
    # Who depends on a component depends on everything inside it.
    components = {r.urn for r in found if not r.custom and r.urn in urns}
    for candidate in earlier:
        if candidate.parent in components:
            found.add(candidate)
            components.add(candidate.urn)
    return found


def drop_dangling(resources: list[Resource]) -> None:
    """Take out references to resources that a refresh found gone."""
    there: set[str] = set()
    for resource in resources:
        resource.dependencies = [urn for urn in resource.dependencies if urn in there]
        # As the CLI does, keep the keys of those properties alone that depend on something.
        kept = {
            key: [urn for urn in urns if urn in there]
            for key, urns in resource.property_dependencies.items()
        }
        resource.property_dependencies = {key: urns for key, urns in kept.items() if urns}
        if resource.deleted_with not in there:
            resource.deleted_with = ""
        there.add(resource.urn)
