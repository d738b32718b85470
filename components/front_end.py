"""One front-end: its installation, and its server in the zone."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pulumi import ComponentResource, Input, Resource, ResourceOptions

from procedures.specs import InstallationSpec, MemberSpec, ZoneSpec
from providers.installation import Installation
from providers.state import FRONT_END
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
        before: Sequence[Resource],
        commands: "Commands | None",
        opts: ResourceOptions,
    ) -> None:
        """``secrets``: a fingerprint of those that are written on the host. ``before``: what the
        installation waits for. ``commands``: the operator's own, if any.
        """
        self.name = spec.host.name
        super().__init__(FRONT_END, self.name, {}, opts)
        self._host = spec.host
        self._commands = commands
        self.installation = Installation(
            self.name,
            spec,
            secrets=secrets,
            opts=ResourceOptions(parent=self, depends_on=before),
        )
        self.member: ZoneMember | None = None

    def join(self, spec: ZoneSpec, zone: Zone, *, after: Sequence[Resource]) -> Resource:
        """Join the zone after these other members. Return the new one."""
        self.member = ZoneMember(
            self.name,
            MemberSpec(host=self._host, zone=spec),
            opts=ResourceOptions(
                parent=self, depends_on=[zone, self.installation, *after], deleted_with=zone
            ),
        )
        return self.member

    def run_commands(self, zone: Zone) -> None:
        """Run the operator's own commands when the front-end is in the zone."""
        if self._commands is not None:
            after: list[Resource] = [zone, self.installation]
            after += [self.member] if self.member is not None else []
            self._commands.after_join(self._host, self.installation.host_key, after)
