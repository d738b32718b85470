"""Check all front-ends, and what the zone makes of a change, before anything changes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pulumi import Input, ResourceOptions
from pulumi.dynamic import Resource

from providers.base import Provider, as_input

if TYPE_CHECKING:
    from procedures.specs import PreflightSpec, ZoneSpec


class PreflightProvider(Provider):
    """Checks, and changes nothing: there is nothing of it to delete."""

    drift_means = "up refuses"
    changes_hosts = False


class Preflight(Resource, module="opennebula", name="Preflight"):
    """The front-ends are fit for what comes."""

    def __init__(
        self,
        name: str,
        spec: "PreflightSpec",
        *,
        zone: "ZoneSpec",
        lost: Sequence[str],
        wanted: str,
        secrets: Input[str],
        one_pass: Input[str],
        urn: str,
        opts: ResourceOptions,
    ) -> None:
        """Check the hosts of ``spec`` and the zone that is wanted on them.

        Whatever else the stack wants of the hosts has a part in the digest ``wanted``, and its
        secrets in the fingerprint ``secrets``: where any of it changes, the checks run first.
        ``one_pass`` is the fingerprint of oneadmin's password alone.
        """
        super().__init__(
            PreflightProvider(),
            name,
            {
                "spec": as_input(spec),
                "zone": as_input(zone),
                "lost": sorted(lost),
                "wanted": wanted,
                "secrets": secrets,
                "one_pass": one_pass,
                "urn": urn,
            },
            opts,
        )
