"""One host: its installation and its place in the zone."""

from collections.abc import Sequence
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


class FrontEnd(ComponentResource):
    """A front-end of the zone."""

    def __init__(
        self,
        spec: InstallationSpec,
        *,
        secrets: Input[str],
        before: Sequence[pulumi.Resource],
        commands: "Commands | None",
        opts: ResourceOptions,
    ) -> None:
        """``before``: what its installation waits for; ``commands``: the operator's own steps."""
        name = spec.host.name
        super().__init__(FRONT_END, name, {}, opts)
        self.name = name
        self._host = spec.host
        self._commands = commands
        self.installation = Installation(
            name,
            spec,
            secrets=secrets,
            urn=urn([ZONE, FRONT_END], "Installation", name),
            opts=ResourceOptions(parent=self, depends_on=[*before]),
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
