"""One host: its installation and its place in the zone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from pulumi import ComponentResource, Input, ResourceOptions

from components.urn import FRONT_END, ZONE, urn
from procedures.specs import InstallationSpec, MemberSpec, ZoneSpec
from providers.installation import Installation
from providers.zone import Zone
from providers.zone_member import ZoneMember

if TYPE_CHECKING:
    from components.commands import Commands


@dataclass(frozen=True)
class FrontEndArgs:
    """What a front-end is made from."""

    spec: InstallationSpec
    secrets: Input[str]
    """A fingerprint of the secrets that are written on the host."""
    before: Sequence[pulumi.Resource]
    """What the installation waits for."""
    commands: "Commands | None" = None
    """The operator's own steps."""


class FrontEnd(ComponentResource):
    """A front-end of the zone."""

    def __init__(self, name: str, args: FrontEndArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(FRONT_END, name, {}, opts)
        self.name = name
        self._host = args.spec.host
        self._commands = args.commands
        self.installation = Installation(
            name,
            args.spec,
            secrets=args.secrets,
            urn=urn([ZONE, FRONT_END], "Installation", name),
            opts=ResourceOptions(parent=self, depends_on=[*args.before]),
        )
        self.member: ZoneMember | None = None

    def join(self, spec: ZoneSpec, zone: Zone, after: "FrontEnd | None") -> None:
        """Take its place in the zone, when the front-end before has taken its own."""
        before: list[pulumi.Resource] = [zone, self.installation]
        if after is not None and after.member is not None:
            before.append(after.member)
        self.member = ZoneMember(
            self.name,
            MemberSpec(host=self._host, zone=spec),
            urn=urn([ZONE, FRONT_END], "ZoneMember", self.name),
            opts=ResourceOptions(parent=self, depends_on=before, deleted_with=zone),
        )

    def settle_in(self, zone: Zone) -> None:
        """Have the operator's own steps follow, once it has its place in the zone."""
        if self._commands is not None:
            there: list[pulumi.Resource] = [zone, self.installation]
            there += [self.member] if self.member is not None else []
            self._commands.after_join(self._host, self.installation.host_key, there)
