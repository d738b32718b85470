"""Keys with which accounts log in from each front-end to all others."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pulumi import Input, ResourceOptions
from pulumi.dynamic import Resource

from providers.base import as_input
from providers.everywhere import EverywhereProvider

if TYPE_CHECKING:
    from procedures.specs import LoginKeysSpec


class LoginKeysProvider(EverywhereProvider):
    """What ``ensure_keys_for`` asks for, on all front-ends at once."""

    spec_type = "LoginKeysSpec"
    fixed_id = "login-keys"
    procedure = "procedures.credentials.login_keys"


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
