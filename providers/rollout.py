"""Puts pending configuration into effect without losing quorum, and says how the zone is."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import Resource

from providers import runtime
from providers.base import Outputs, Props, Provider, hosts_input, hosts_of, now
from providers.installation import planned

if TYPE_CHECKING:
    from hosts.models import Host
    from opennebula.zone import ServerEntry
    from procedures.context import Access
    from procedures.facts.facts import Dump, Facts
    from procedures.health import Whole
    from procedures.specs import ZoneSpec
    from providers.run_state import RunState


class RolloutProvider(Provider):
    """The last step for the servers: each runs the configuration that it has."""

    spec_type = "ZoneSpec"
    optional = frozenset({"register_grpc"})
    fixed_id = "rollout"
    labels: ClassVar = {"name": "zone_name", "vips": "one_vip"}

    def forecast(
        self, olds: Mapping[str, Any], news: Mapping[str, Any], changed: set[str]
    ) -> Iterable[tuple[str, str]]:
        """Say what happens to the zone as the last rollout left it."""
        from opennebula import forecast

        if "leader" not in olds:
            return []
        config = runtime.config()
        before = forecast.Before(
            frozenset(olds["frontends"]), olds["leader"], olds["highly_available"]
        )
        lost = frozenset(json.loads(config.get("opennebula-ha:lost") or "[]"))
        after = forecast.After(frozenset(news["frontends"]), lost, news["highly_available"])
        version = config.get("opennebula-ha:one_version") or ""
        rolls = any("one_version" in keys for keys in planned.values())
        servers = forecast.rollout(
            before,
            after,
            [name for name, keys in planned.items() if forecast.restarts(keys)],
            version=version if rolls else "",
            secrets=any("secrets" in keys for keys in planned.values()),
            stops_all=rolls and config.get("opennebula-ha:upgrade_database") == version,
        )
        urn = str(news["urn"])
        zone = urn.replace("opennebula:Rollout::", "opennebula:Zone::")
        return [
            *((zone, text) for text in forecast.membership(before, after)),
            *((urn, text) for text in servers),
        ]

    def do_create(self, access: Access, run: RunState, spec: ZoneSpec, props: Props) -> Outputs:
        """Restart those that are behind; usually none."""
        return _roll_out(access, run, spec, run.front_ends, props)

    def do_read(self, access: Access, run: RunState, spec: ZoneSpec, props: Props) -> Outputs:
        """Who waits for a restart. What moves by itself stays as the last ``up`` saw it."""
        from procedures import health
        from procedures.rollout import pending

        survey = run.survey(access, spec.database)
        if not spec.highly_available:
            # The config may list more by now: an interrupted conversion.
            (host,) = hosts_of(props).values()
            name, seen_alone = host.name, survey.facts_of(host)
            waiting = [name] if seen_alone.is_behind else []
            known = (
                {}
                if "leader" in props
                else {
                    "leader": name,
                    "servers": {},
                    "pool": [],
                    "backups": {},
                    "verified_at": now(),
                }
            )
            return {"drift": _waiting(waiting), **known}
        seen = survey.all_facts()
        adopts = "leader" not in props
        view = survey.view()
        leader = view.leader()
        if leader is None:
            return {"drift": ["no leader"]}
        if leader not in seen or {entry.name for entry in view.pool} - run.front_ends.keys():
            # A server is about to leave: an interrupted change of the front-ends. A rollout would
            # wait in vain for a server that is stopped to leave, which it does after the rollout.
            return {"drift": []}
        waiting = pending(seen, leader, run.release.version, listed=_pool(props), adopted=adopts)
        outputs: Outputs = {"drift": _waiting(waiting)}
        if adopts:
            described = _outputs(health.described(view, seen), run.front_ends)
            return {**described, "verified_at": now(), **outputs}
        return outputs

    def do_update(
        self, access: Access, run: RunState, spec: ZoneSpec, olds: Props, news: Props
    ) -> Outputs:
        """Rolling restart; servers that are about to leave take part while they are there."""
        from procedures.membership.leave import prepare

        leaving = {**run.still_there(hosts_of(olds)), **run.departing}
        left = {name: host for name, host in leaving.items() if name not in run.front_ends}
        if spec.highly_available and left and not run.departing:
            # An interrupted run prepared it; since then one of them may have stopped, or lag.
            run.dumped = prepare(
                access,
                spec,
                run.front_ends,
                left,
                allow_degraded=run.allow_degraded,
                in_hosts_file=run.names_hosts,
            )
        return _roll_out(
            access,
            run,
            spec,
            {**leaving, **run.front_ends},
            news,
            listed=_pool(olds),
            owners={former.database.owner for former in self.former_specs(olds)},
        )


class Rollout(Resource, module="opennebula", name="Rollout"):
    """The zone with everybody in it and every change in effect."""

    verified_at: Output[str]
    leader: Output[str]
    servers: Output[Any]
    """By name; a list in states of earlier versions."""
    backups: Output[dict[str, Any]]

    def __init__(
        self,
        name: str,
        spec: ZoneSpec,
        front_ends: Mapping[str, Host],
        *,
        features: Sequence[str],
        after: Mapping[str, Input[Any]],
        urn: str,
        opts: ResourceOptions,
    ) -> None:
        """``features``: what has to run next to oned; ``after``: outputs whose change calls for
        another look at the zone.
        """
        super().__init__(
            RolloutProvider(),
            name,
            {
                **RolloutProvider.inputs_of(spec),
                "frontends": hosts_input(front_ends),
                "features": sorted(features),
                "after": dict(after),
                "urn": urn,
                "verified_at": None,
                "leader": None,
                "servers": None,
                "pool": None,
                "backups": None,
                "drift": None,
            },
            opts,
        )


def _waiting(names: Sequence[str]) -> list[str]:
    return [f"{name} waits for a restart" for name in sorted(names)]


def _roll_out(
    access: Access,
    run: RunState,
    spec: ZoneSpec,
    hosts: Mapping[str, Host],
    news: Mapping[str, Any],
    *,
    listed: Collection[ServerEntry] | None = None,
    owners: Collection[str] = (),
) -> Outputs:
    from procedures.install.database_account import clean_up_accounts
    from procedures.install.hosts_file import drop_names
    from procedures.rollout import roll_out, roll_out_solo

    features = news["features"]
    seen: Mapping[str, Facts]
    if spec.highly_available:
        whole = roll_out(
            access,
            spec,
            hosts,
            run.release,
            staying=run.front_ends,
            features=features,
            listed=listed,
        )
        outputs, seen = _outputs(whole, run.front_ends), whole.facts
        run.rolled_out = whole
    else:
        (host,) = hosts.values()
        seen = {host.name: roll_out_solo(access, spec, host, run.release, features)}
        backups = _backups({host.name: seen[host.name].dumps})
        outputs = {"leader": host.name, "servers": {}, "pool": [], "backups": backups}
    former = {*owners, *run.former_owners}
    clean_up_accounts(access, spec.database, run.front_ends, seen, former=former)
    if run.names_hosts:
        drop_names(access, run.front_ends, seen, but=run.adopted)
    return {**outputs, "verified_at": now(), "drift": []}


def _pool(props: Mapping[str, Any]) -> list[ServerEntry] | None:
    """The servers that stayed at the last rollout, which all of them know since.

    One that left is unknown to those that were restarted later, should it come back.
    """
    from opennebula.zone import ServerEntry

    listed = props.get("pool")
    if not listed:
        return None
    return [ServerEntry(int(server["id"]), server["name"], server["endpoint"]) for server in listed]


def _outputs(whole: Whole, staying: Mapping[str, Host]) -> Outputs:
    """The zone as outputs. Who is about to leave is no part of it."""
    return {
        "leader": whole.leader,
        "pool": [
            {"name": entry.name, "id": entry.id, "endpoint": entry.endpoint}
            for entry in whole.facts[whole.leader].pool
            if entry.name in staying
        ],
        "servers": {
            server.entry.name: {"id": server.entry.id, "endpoint": server.entry.endpoint}
            for server in whole.servers
            if server.entry.name in staying
        },
        "backups": _backups({n: dumps for n, dumps in whole.dumps.items() if n in staying}),
    }


def _backups(kept: Mapping[str, Sequence[Dump]]) -> dict[str, list[Outputs]]:
    return {
        name: [{"path": dump.path, "bytes": dump.size} for dump in dumps]
        for name, dumps in kept.items()
        if dumps
    }
