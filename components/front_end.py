"""One front-end: its installation, and its server in the zone."""

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
    """The arguments of a front-end."""

    spec: InstallationSpec
    secrets: Input[str]
    """A fingerprint of the secrets that are written on the host."""
    before: Sequence[pulumi.Resource]
    """Resources that the installation waits for."""
    commands: "Commands | None" = None
    """The operator's own commands, if any."""


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
        """Join the zone, after the front-end ``after`` has joined."""
        before: list[pulumi.Resource] = [zone, self.installation]
        if after is not None and after.member is not None:
            before.append(after.member)
        self.member = ZoneMember(
            self.name,
            MemberSpec(host=self._host, zone=spec),
            urn=urn([ZONE, FRONT_END], "ZoneMember", self.name),
            opts=ResourceOptions(parent=self, depends_on=before, deleted_with=zone),
        )

    def run_commands(self, zone: Zone) -> None:
        """Run the operator's own commands when the front-end is in the zone."""
        if self._commands is not None:
            after: list[pulumi.Resource] = [zone, self.installation]
            after += [self.member] if self.member is not None else []
            self._commands.after_join(self._host, self.installation.host_key, after)
