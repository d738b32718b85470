"""Keys with which accounts log in from each front-end to all others."""

from collections.abc import Mapping
from typing import Any

from procedures.context import Access
from procedures.credentials.login_keys import ensure, inspect, withdraw
from procedures.specs import LoginKeysSpec
from providers import stack
from providers.work import base
from providers.work.base import Outputs


class Work(base.Work[LoginKeysSpec]):
    """Of LoginKeys."""

    spec_type = LoginKeysSpec

    def identifier(self, spec: LoginKeysSpec) -> str:
        """Return the one ID of its kind."""
        return "login-keys"

    def make(self, access: Access, spec: LoginKeysSpec, props: Mapping[str, Any]) -> Outputs:
        """Make the keys that are not there, and allow them."""
        ensure(access, spec)
        return {"drift": []}

    def look(self, access: Access, spec: LoginKeysSpec, props: Mapping[str, Any]) -> Outputs:
        """Whose keys are not as they should be."""
        return {"drift": list(inspect(access, spec))}

    def change(
        self,
        access: Access,
        spec: LoginKeysSpec,
        olds: Mapping[str, Any],
        news: Mapping[str, Any],
    ) -> Outputs:
        """The same; who is no longer named, or leaves, is no longer let in."""
        before = LoginKeysSpec.model_validate(olds["spec"])
        gone = {name: host for name, host in before.hosts.items() if name not in spec.hosts}
        withdraw(access, before.users, stack.current().still_there(gone))
        withdraw(access, sorted(set(before.users) - set(spec.users)), spec.hosts)
        ensure(access, spec)
        return {"drift": []}

    def unmake(self, access: Access, spec: LoginKeysSpec, props: Mapping[str, Any]) -> None:
        """Allow none of them any more."""
        withdraw(access, spec.users, stack.current().still_there(spec.hosts))
