"""Puts pending configuration into effect without losing quorum, and says how the zone is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import Resource

from providers.base import Outputs, Props, Provider, as_input, hosts_input, hosts_of

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
    fixed_id = "rollout"

    def do_create(self, access: Access, run: RunState, spec: ZoneSpec, props: Props) -> Outputs:
        """Restart those that are behind; usually none."""
        return _roll_out(access, run, spec, run.front_ends, props)

    def do_read(self, access: Access, run: RunState, spec: ZoneSpec, props: Props) -> Outputs:
        """Who leads now, and who waits for a restart.

        Index and commit move with every write: they stay as they were at the last ``up``.
        """
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
                else {"leader": name, "servers": [], "pool": [], "backups": {}}
            )
            return {"drift": _waiting(waiting), **known}
        seen = survey.all_facts()
        adopts = "leader" not in props
        view = survey.view()
        leader = view.leader()
        if leader is None:
            return {"drift": ["no leader"]}
        if leader not in seen:
            # It is about to leave: an interrupted change of the front-ends.
            return {"drift": []}
        waiting = pending(seen, leader, run.release.version, listed=_pool(props), adopted=adopts)
        outputs: Outputs = {"drift": _waiting(waiting)}
        if adopts:
            return {**_outputs(health.described(view, seen), run.front_ends), **outputs}
        return outputs if leader == props.get("leader") else {**outputs, "leader": leader}

    def do_update(
        self, access: Access, run: RunState, spec: ZoneSpec, olds: Props, news: Props
    ) -> Outputs:
        """Rolling restart; servers that are about to leave take part while they are there."""
        leaving = {**run.still_there(hosts_of(olds)), **run.departing}
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

    leader: Output[str]
    servers: Output[list[dict[str, Any]]]
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
                "spec": as_input(spec),
                "front_ends": hosts_input(front_ends),
                "features": sorted(features),
                "after": dict(after),
                "urn": urn,
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
        outputs = {"leader": host.name, "servers": [], "pool": [], "backups": backups}
    former = {*owners, *run.former_owners}
    clean_up_accounts(access, spec.database, run.front_ends, seen, former=former)
    return {**outputs, "drift": []}


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
        "servers": [
            {
                "name": server.entry.name,
                "id": server.entry.id,
                "endpoint": server.entry.endpoint,
                "state": server.status.state.name.lower(),
                "term": server.status.term,
                "index": server.status.index,
                "commit": server.status.commit,
            }
            for server in whole.servers
            if server.entry.name in staying
        ],
        "backups": _backups({n: dumps for n, dumps in whole.dumps.items() if n in staying}),
    }


def _backups(kept: Mapping[str, Sequence[Dump]]) -> dict[str, list[Outputs]]:
    return {
        name: [{"path": dump.path, "bytes": dump.size} for dump in dumps]
        for name, dumps in kept.items()
        if dumps
    }
