"""One front-end: its installation, and its server in the zone."""

from collections.abc import Sequence

from pulumi import ComponentResource, Input, Resource, ResourceOptions

from procedures.specs import InstallationSpec, MemberSpec, ZoneSpec
from providers.installation import Installation
from providers.state import FRONT_END
from providers.zone import Zone
from providers.zone_member import ZoneMember


class FrontEnd(ComponentResource):
    """A front-end of the zone."""

    def __init__(
        self,
        spec: InstallationSpec,
        *,
        secrets: Input[str],
        before: Sequence[Resource],
        opts: ResourceOptions,
    ) -> None:
        """``secrets``: a fingerprint of those that are written on the host. ``before``: what the
        installation waits for.
        """
        self.name = spec.host.name
        super().__init__(FRONT_END, self.name, {}, opts)
        self._host = spec.host
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
