"""The zone as a whole: found, convert, adopt, take down."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import CheckResult, Resource

from providers import progress
from providers.base import Provider, as_input, hosts_input

if TYPE_CHECKING:
    from hosts.models import Host
    from procedures.specs import ZoneSpec


class ZoneProvider(Provider):
    """Bootstraps a zone with all front-ends together, or adopts the one that runs."""

    def check(self, olds: Mapping[str, Any], news: dict[str, Any]) -> CheckResult:
        """Say what the first ``up`` of a stack does, which a preview cannot know."""
        if not olds:
            progress.note(
                str(news.get("urn", "")),
                "new to this stack: a zone that runs on these front-ends is adopted, and the"
                " first up changes nothing on its servers; otherwise a zone is bootstrapped",
            )
        return super().check(olds, news)


class Zone(Resource, module="opennebula", name="Zone"):
    """Zone 0 with all front-ends of the stack."""

    drift: Output[list[str]]

    def __init__(
        self,
        name: str,
        spec: "ZoneSpec",
        front_ends: "Mapping[str, Host]",
        *,
        one_pass: Input[str],
        lost: Sequence[str],
        restore_from: str | None,
        mounts: Sequence[str],
        admin_pubkey: str | None,
        urn: str,
        opts: ResourceOptions,
    ) -> None:
        """``one_pass``: its fingerprint; ``lost``: former front-ends that are gone for good;
        ``restore_from``: a dump's path; ``mounts``: lines of fstab: where they change, the
        front-ends' shares are compared anew; ``admin_pubkey``: see credentials/admin_key.py.
        """
        super().__init__(
            ZoneProvider(),
            name,
            {
                "spec": as_input(spec),
                "front_ends": hosts_input(front_ends),
                "one_pass": one_pass,
                "lost": sorted(lost),
                # Only where it is set: to take it back is no change.
                **({"restore_from": restore_from} if restore_from else {}),
                **({"mounts": list(mounts)} if mounts else {}),
                **({"admin_pubkey": admin_pubkey} if admin_pubkey else {}),
                "urn": urn,
                "drift": None,
                "lost_at": None,
            },
            opts,
        )
