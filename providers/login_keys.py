"""Keys with which accounts log in from each front-end to all others."""

from typing import ClassVar

from providers.base import ManagedResource
from providers.everywhere import EverywhereProvider


class LoginKeysProvider(EverywhereProvider):
    """What ``ensure_keys_for`` asks for, on all front-ends at once."""

    spec_type = "LoginKeysSpec"
    labels: ClassVar = {"users": "ensure_keys_for", "hosts": "frontends"}
    optional = frozenset({"rsa_key_size"})
    fixed_id = "login-keys"
    procedure = "procedures.credentials.login_keys"


class LoginKeys(ManagedResource, module="opennebula", name="LoginKeys"):
    """Accounts that may log in from each front-end to all others.

    Input: ``after``, outputs whose change calls for another look.
    """

    provider_type = LoginKeysProvider
