"""A resource that is there as soon as it is asked for."""

from typing import Any

from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider


class NothingProvider(ResourceProvider):
    """Does nothing."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """It is there."""
        return CreateResult("nothing", props)

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """It never changes."""
        return DiffResult(changes=False)


class Nothing(Resource, module="bench", name="Nothing"):
    """Nothing."""

    def __init__(self, name: str) -> None:
        super().__init__(NothingProvider(), name, {"name": name})
