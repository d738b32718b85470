"""Puts pending configuration into effect without losing quorum, and says how the zone is."""

from collections.abc import Mapping, Sequence
from typing import Any

from hosts.connection import Host
from opennebula.zone import ServerEntry
from procedures.access import Access
from procedures.account import settle
from procedures.gate import Whole
from procedures.observe import Facts
from procedures.rollout import pending, roll_out, roll_out_solo
from procedures.specs import ZoneSpec
from providers import stack
from providers.work import base
from providers.work.base import Outputs, hosts_of


class Work(base.Work[ZoneSpec]):
    """Of Rollout."""

    spec_type = ZoneSpec

    def make(self, access: Access, spec: ZoneSpec, props: Mapping[str, Any]) -> tuple[str, Outputs]:
        """Restart those that are behind; usually nobody."""
        return "rollout", _roll_out(access, spec, stack.current().front_ends, props)

    def look(self, access: Access, spec: ZoneSpec, props: Mapping[str, Any]) -> Outputs:
        """Who leads now, and who waits for a restart.

        Index and commit move with every write: they stay as they were at the last ``up``.
        """
        survey = stack.current().survey(access, spec.database)
        seen = survey.all_facts()
        if not spec.highly_available:
            waiting = [name for name, one in seen.items() if one.is_behind]
            return {"drift": _waiting(waiting)}
        leader = survey.view().leader()
        if leader is None:
            return {"drift": ["no leader"]}
        version = stack.current().release.version
        waiting = pending(seen, leader, version, listed=_pool(props))
        outputs: Outputs = {"drift": _waiting(waiting)}
        return outputs if leader == props.get("leader") else {**outputs, "leader": leader}

    def change(
        self,
        access: Access,
        spec: ZoneSpec,
        olds: Mapping[str, Any],
        news: Mapping[str, Any],
    ) -> Outputs:
        """Rolling restart; servers that are about to leave take part while they are there."""
        here = stack.current()
        leaving = here.still_there(hosts_of(olds))
        return _roll_out(access, spec, {**leaving, **here.front_ends}, news, olds)


def _waiting(names: Sequence[str]) -> list[str]:
    return [f"{name} waits for a restart" for name in sorted(names)]


def _roll_out(
    access: Access,
    spec: ZoneSpec,
    hosts: Mapping[str, Host],
    news: Mapping[str, Any],
    olds: Mapping[str, Any] | None = None,
) -> Outputs:
    here = stack.current()
    features = news["features"]
    taken_over = olds is None and here.is_taken_over
    seen: Mapping[str, Facts]
    if spec.highly_available:
        whole = roll_out(
            access,
            spec,
            hosts,
            here.release,
            staying=here.front_ends,
            features=features,
            listed=_pool(olds or {}),
            taken_over=taken_over,
        )
        outputs, seen = _outputs(whole, here.front_ends), whole.facts
        here.rolled_out = whole
    else:
        (host,) = hosts.values()
        seen = {host.name: roll_out_solo(access, spec, host, here.release, features)}
        outputs = {"leader": host.name, "servers": [], "pool": [], "backups": {}}
    if not taken_over:
        former = ZoneSpec.model_validate((olds or news)["spec"]).database.owner
        settle(access, spec.database, here.front_ends, seen, former=former)
    return {**outputs, "drift": []}


def _pool(props: Mapping[str, Any]) -> list[ServerEntry] | None:
    """The zone's servers as the last rollout left them, which all of them know since."""
    listed = props.get("pool")
    if not listed:
        return None
    return [ServerEntry(int(one["id"]), one["name"], one["endpoint"]) for one in listed]


def _outputs(whole: Whole, staying: Mapping[str, Host]) -> Outputs:
    """The zone as outputs. Who is about to leave is no part of it."""
    return {
        "leader": whole.leader,
        "pool": [
            {"name": entry.name, "id": entry.id, "endpoint": entry.endpoint}
            for entry in whole.facts[whole.leader].pool
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
        "backups": {
            name: [{"path": dump.path, "bytes": dump.size} for dump in dumps]
            for name, dumps in whole.dumps.items()
            if dumps
        },
    }
