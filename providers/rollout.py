"""Put pending configuration into effect without losing quorum, and report the zone's state."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pulumi import Output

from providers import notes, runtime
from providers.base import Forecast, ManagedResource, Outputs, Props, ZoneSpecProvider, now
from providers.state import hosts_of

if TYPE_CHECKING:
    from hosts.models import Host
    from opennebula.zone import ServerEntry
    from procedures.facts.facts import Dump, Facts
    from procedures.health import HealthyZone
    from procedures.specs import ZoneSpec
    from providers.run_state import Operation


class RolloutProvider(ZoneSpecProvider):
    """Restarts servers that do not run their present configuration, and checks the zone."""

    fixed_id = "rollout"
    repeats_create = False

    def forecast(self, olds: Props, news: Props, changed: set[str]) -> Forecast:
        """Describe what happens to the zone, from its state after the last rollout."""
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
        rolls = any("one_version" in keys for keys in notes.changed.values())
        servers = forecast.rollout(
            before,
            after,
            [name for name, keys in notes.changed.items() if forecast.restarts(keys)],
            version=version if rolls else "",
            secrets=any("secrets" in keys for keys in notes.changed.values()),
            stops_all=rolls and config.get("opennebula-ha:upgrade_database") == version,
        )
        urn = str(news["urn"])
        zone = urn.replace("opennebula:Rollout::", "opennebula:Zone::")
        return [
            *((zone, text) for text in forecast.membership(before, after)),
            *((urn, text) for text in servers),
        ]

    def do_create(self, op: Operation[ZoneSpec]) -> Outputs:
        """Restart the servers that need it, usually none."""
        return _roll_out(op, op.run.front_ends)

    def do_read(self, op: Operation[ZoneSpec]) -> Outputs:
        """Report the servers that wait for a restart. The other outputs stay."""
        from procedures import health
        from procedures.rollout import pending

        survey = op.run.survey(op.access, op.spec.database)
        if not op.spec.highly_available:
            # After an interrupted conversion the config lists more.
            (host,) = hosts_of(op.props).values()
            waiting = [host.name] if survey.facts_of(host).is_behind else []
            known = {} if "leader" in op.props else _standalone(host)
            return {"drift": _waiting(waiting), **known}
        seen = survey.all_facts()
        adopts = "leader" not in op.props
        view = survey.view()
        leader = view.leader()
        if leader is None:
            return {"drift": ["no leader"]}
        if leader not in seen or {entry.name for entry in view.pool} - op.run.front_ends.keys():
            # A server is about to leave: a change of the front-ends was interrupted. A rollout
            # would wait in vain for it, since it is stopped and leaves only after the rollout.
            return {"drift": []}
        waiting = pending(
            seen, leader, op.run.release.version, listed=_pool(op.props), adopted=adopts
        )
        known = _outputs(health.described(view, seen), op.run.front_ends) if adopts else {}
        return {"drift": _waiting(waiting), **known}

    def do_update(self, op: Operation[ZoneSpec]) -> Outputs:
        """Restart one server at a time, including servers that are about to leave."""
        from providers.zone import prepare_leave

        leaving = {**op.run.without_lost(hosts_of(op.olds)), **op.run.departing}
        left = {name: host for name, host in leaving.items() if name not in op.run.front_ends}
        if op.spec.highly_available and left and not op.run.departing:
            # An interrupted run prepared it; since then one of them may have stopped, or lag.
            op.run.dumped = prepare_leave(op, op.run.front_ends, left)
        return _roll_out(
            op,
            {**leaving, **op.run.front_ends},
            listed=_pool(op.olds),
            owners={former.database.owner for former in self.former_specs(op.olds)},
        )


class Rollout(ManagedResource, module="opennebula", name="Rollout"):
    """The zone with all its servers, each of which runs its present configuration.

    Inputs: ``frontends``; ``features``, the services next to oned; ``after``, outputs whose change
    calls for another health check.
    """

    provider_type = RolloutProvider
    outputs = ("verified_at", "leader", "servers", "pool", "backups", "drift")
    verified_at: Output[str]
    leader: Output[str]
    servers: Output[Any]
    """By name; a list in states of earlier versions."""
    backups: Output[dict[str, Any]]


def _waiting(names: Sequence[str]) -> list[str]:
    return [f"{name} waits for a restart" for name in sorted(names)]


def _roll_out(
    op: Operation[ZoneSpec],
    hosts: Mapping[str, Host],
    *,
    listed: Collection[ServerEntry] | None = None,
    owners: Collection[str] = (),
) -> Outputs:
    from procedures.install.database_account import clean_up_accounts
    from procedures.install.hosts_file import drop_names
    from procedures.rollout import roll_out, roll_out_standalone

    features = op.props["features"]
    seen: Mapping[str, Facts]
    if op.spec.highly_available:
        healthy = roll_out(
            op.access,
            op.spec,
            hosts,
            op.run.release,
            staying=op.run.front_ends,
            features=features,
            listed=listed,
        )
        outputs, seen = _outputs(healthy, op.run.front_ends), healthy.facts
        op.run.rolled_out = healthy
    else:
        (host,) = hosts.values()
        seen = {host.name: roll_out_standalone(op.access, op.spec, host, op.run.release, features)}
        outputs = _standalone(host, seen[host.name].dumps)
    former = {*owners, *op.run.former_owners}
    clean_up_accounts(op.access, op.spec.database, op.run.front_ends, seen, former=former)
    if op.run.names_hosts:
        drop_names(op.access, op.run.front_ends, seen, but=op.run.adopted)
    return {**outputs, "drift": []}


def _pool(props: Mapping[str, Any]) -> list[ServerEntry] | None:
    """Return the servers after the last rollout, which all of them know.

    Servers that left are not among them: those restarted later do not know them any more.
    """
    from opennebula.zone import ServerEntry

    listed = props.get("pool")
    if not listed:
        return None
    return [ServerEntry(int(server["id"]), server["name"], server["endpoint"]) for server in listed]


def _outputs(healthy: HealthyZone, staying: Mapping[str, Host]) -> Outputs:
    """Return the outputs of a zone, without servers that are about to leave."""
    return {
        "verified_at": now(),
        "leader": healthy.leader,
        "pool": [
            {"name": entry.name, "id": entry.id, "endpoint": entry.endpoint}
            for entry in healthy.facts[healthy.leader].pool
            if entry.name in staying
        ],
        "servers": {
            server.name: {"id": server.id, "endpoint": server.endpoint}
            for server in healthy.servers
            if server.name in staying
        },
        "backups": _backups({n: seen.dumps for n, seen in healthy.facts.items() if n in staying}),
    }


def _standalone(host: Host, dumps: Sequence[Dump] = ()) -> Outputs:
    """Return the outputs of a front-end outside any zone."""
    backups = _backups({host.name: dumps})
    known = {"leader": host.name, "servers": {}, "pool": [], "backups": backups}
    return {"verified_at": now(), **known}


def _backups(kept: Mapping[str, Sequence[Dump]]) -> dict[str, list[Outputs]]:
    """Return what is kept on each host, without what changes by itself: the dumps of a timer."""
    lasting = {name: [dump for dump in dumps if not dump.is_timed] for name, dumps in kept.items()}
    return {
        name: [{"path": dump.path, "bytes": dump.size} for dump in dumps]
        for name, dumps in lasting.items()
        if dumps
    }
