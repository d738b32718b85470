"""Keys with which accounts log in from each front-end to all others."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pulumi import Input, ResourceOptions
from pulumi.dynamic import Resource

from providers.base import Outputs, Provider, as_input

if TYPE_CHECKING:
    from procedures.context import Access
    from procedures.specs import LoginKeysSpec
    from providers.run_state import RunState


class LoginKeysProvider(Provider):
    """What ``ensure_keys_for`` asks for, on all front-ends at once."""

    spec_type = "LoginKeysSpec"

    def identifier(self, spec: "LoginKeysSpec") -> str:
        """Return the one ID of its kind."""
        return "login-keys"

    def do_create(
        self, access: "Access", run: "RunState", spec: "LoginKeysSpec", props: Mapping[str, Any]
    ) -> Outputs:
        """Make the keys that are not there, and allow them."""
        from procedures.credentials.login_keys import ensure

        ensure(access, spec)
        return {"drift": []}

    def do_read(
        self, access: "Access", run: "RunState", spec: "LoginKeysSpec", props: Mapping[str, Any]
    ) -> Outputs:
        """Whose keys are not as they should be."""
        from procedures.credentials.login_keys import inspect

        return {"drift": list(inspect(access, spec))}

    def do_update(
        self,
        access: "Access",
        run: "RunState",
        spec: "LoginKeysSpec",
        olds: Mapping[str, Any],
        news: Mapping[str, Any],
    ) -> Outputs:
        """The same; who is no longer named, or leaves, is no longer let in."""
        from procedures.credentials.login_keys import ensure, withdraw

        before = self.spec_of(olds)
        gone = {name: host for name, host in before.hosts.items() if name not in spec.hosts}
        withdraw(access, before.users, run.still_there(gone))
        withdraw(access, sorted(set(before.users) - set(spec.users)), spec.hosts)
        ensure(access, spec)
        return {"drift": []}

    def do_delete(
        self, access: "Access", run: "RunState", spec: "LoginKeysSpec", props: Mapping[str, Any]
    ) -> None:
        """Allow none of them any more."""
        from procedures.credentials.login_keys import withdraw

        withdraw(access, spec.users, run.still_there(spec.hosts))


class LoginKeys(Resource, module="opennebula", name="LoginKeys"):
    """Accounts that may log in from each front-end to all others."""

    def __init__(
        self,
        name: str,
        spec: "LoginKeysSpec",
        *,
        after: Mapping[str, Input[Any]],
        urn: str,
        opts: ResourceOptions,
    ) -> None:
        """``after``: outputs whose change calls for another look."""
        super().__init__(
            LoginKeysProvider(),
            name,
            {"spec": as_input(spec), "after": dict(after), "urn": urn, "drift": None},
            opts,
        )
