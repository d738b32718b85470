"""The zone: its resources, and what each of them waits for."""

from itertools import chain
from typing import TYPE_CHECKING, Any

from pulumi import ComponentResource, Input, Output, Resource, ResourceOptions

from components.front_end import FrontEnd
from providers.bootstrap import Bootstrap
from providers.login_keys import LoginKeys
from providers.preflight import Preflight
from providers.rollout import Rollout
from providers.state import ZONE, as_input, hosts_input
from providers.virtual_ip import VirtualIp
from providers.web_server import WebServer
from providers.zone import Zone
from settings import Settings, specs

if TYPE_CHECKING:
    from components.addresses import Addresses
    from components.commands import Commands


class HighAvailableZone(ComponentResource):
    """A zone with all front-ends of the stack.

    Its phases, in their order:

    1. Preflight: all checks on all hosts, before any of them changes.
    2. Installation: packages, database and configuration, on all front-ends in parallel.
    3. Bootstrap: the first server starts a new zone while the others are installed.
    4. LoginKeys, if ``ensure_keys_for`` names accounts.
    5. Zone: bootstrap with all front-ends together, or adopt, or convert.
    6. ZoneMember: each front-end joins, one at a time.
    7. Rollout: changed configuration takes effect, one server at a time.
    8. VirtualIp: the ENDPOINT, and the VIPs on the leader alone.
    9. WebServer, if ``ssl`` is on.

    The operator's own ``commands`` run before the preflight and after each join. Servers that leave
    the stack are deleted last.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        opts: ResourceOptions | None = None,
        *,
        addresses: "Addresses | None" = None,
    ) -> None:
        """``addresses``: those that the program and not the config has."""
        if addresses is not None:
            filled = ResourceOptions(transformations=[addresses.fill_in])
            opts = ResourceOptions.merge(opts, filled)
        super().__init__(ZONE, name, {}, opts)
        self._addresses = addresses
        secrets = Output.secret(settings.fingerprint())
        commands = self._commands(settings)
        wanted = specs.installations(settings)
        # The checks may depend on the operator's own commands.
        own = {
            spec.host.name: commands.of(spec.host, "before-installation") if commands else []
            for spec in wanted
        }
        zone = specs.zone(settings)
        checked = Preflight(
            name,
            specs.preflight(settings),
            zone=as_input(zone),
            lost=sorted(settings.lost),
            wanted=specs.digest(settings, [*wanted, zone]),
            secrets=secrets,
            one_pass=Output.secret(settings.fingerprint("one_pass")),
            **specs.exceptions(settings),
            opts=ResourceOptions(parent=self, depends_on=[*chain.from_iterable(own.values())]),
        )
        self.front_ends = [
            FrontEnd(
                spec,
                secrets=secrets,
                before=[checked, *own[spec.host.name]],
                opts=ResourceOptions(parent=self),
            )
            for spec in wanted
        ]
        prepared: list[Resource] = [front_end.installation for front_end in self.front_ends]
        if settings.ensure_keys_for:
            # Before the zone: a server that joins may be sent the database with these keys.
            keys = LoginKeys(
                name,
                specs.login_keys(settings),
                after={
                    front_end.name: front_end.installation.host_key for front_end in self.front_ends
                },
                opts=ResourceOptions(parent=self, depends_on=prepared),
            )
            prepared = [*prepared, keys]
        first = self.front_ends[0].installation
        # Also with a single front-end: others may have left before there was a zone.
        bootstrap = Bootstrap(
            name,
            zone,
            frontends=hosts_input(settings.hosts),
            opts=ResourceOptions(parent=self, depends_on=[first]),
        )
        prepared = [*prepared, bootstrap]
        self.zone = Zone(
            name,
            zone,
            frontends=hosts_input(settings.hosts),
            one_pass=Output.secret(settings.fingerprint("one_pass")),
            lost=sorted(settings.lost),
            **specs.data(settings),
            opts=ResourceOptions(parent=self, depends_on=prepared),
        )
        members: list[Resource] = []
        if settings.highly_available:
            for front_end in self.front_ends:
                members.append(front_end.join(zone, self.zone, after=members[-1:]))
        self.rollout = Rollout(
            name,
            zone,
            frontends=hosts_input(settings.hosts),
            features=sorted(settings.feature_names),
            after={**self._revisions(), **specs.beyond_members(settings)},
            opts=ResourceOptions(
                parent=self, depends_on=[self.zone, *members], deleted_with=self.zone
            ),
        )
        self._has_vips = bool(zone.vips)
        self.virtual_ip: VirtualIp | None = None
        if settings.highly_available and zone.has_entrance:
            self.virtual_ip = VirtualIp(
                name,
                zone,
                opts=ResourceOptions(
                    parent=self, depends_on=[self.rollout], deleted_with=self.zone
                ),
            )
        if settings.ssl.is_on:
            WebServer(
                name,
                specs.web_server(settings),
                after={
                    front_end.name: front_end.installation.machine_id
                    for front_end in self.front_ends
                },
                # Its keys are encrypted with a secret that the zone's servers share.
                opts=ResourceOptions(parent=self, depends_on=[self.rollout]),
            )
        if commands:
            for spec, front_end in zip(wanted, self.front_ends, strict=True):
                member = [front_end.member] if front_end.member else []
                after = [self.zone, front_end.installation, *member]
                commands.of(spec.host, "after-join", front_end.installation.host_key, after)
        self.register_outputs(self.outputs())

    def _commands(self, settings: Settings) -> "Commands | None":
        if not settings.commands:
            return None
        from components.commands import Commands  # noqa: PLC0415

        return Commands(settings.commands, settings.ssh, self, self._addresses)

    def outputs(self) -> dict[str, Input[Any]]:
        """Return the outputs of the stack.

        ``status`` is as of the last ``up`` with a health check: a failover changes it.
        """
        return {
            "endpoint": self.virtual_ip.endpoint if self.virtual_ip else None,
            "servers": self.rollout.servers.apply(by_name),
            "backups": self.rollout.backups,
            "status": Output.all(
                at=self.rollout.verified_at,
                leader=self.rollout.leader,
                vip_holder=self.rollout.leader if self._has_vips else None,
            ),
        }

    def _revisions(self) -> dict[str, Input[Any]]:
        revisions: dict[str, Input[Any]] = {}
        for front_end in self.front_ends:
            revisions[f"{front_end.name} installation"] = front_end.installation.revision
            if front_end.member is not None:
                revisions[f"{front_end.name} server"] = front_end.member.revision
        return revisions


def by_name(servers: Any) -> Any:
    """Return the zone's servers by name; states of earlier versions have a list."""
    if not isinstance(servers, list):
        return servers
    return {entry["name"]: {key: entry[key] for key in ("id", "endpoint")} for entry in servers}
