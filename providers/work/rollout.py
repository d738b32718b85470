"""Puts pending configuration into effect without losing quorum, and says how the zone is."""

from collections.abc import Mapping, Sequence
from typing import Any

from hosts.connection import Host
from procedures.access import Access
from procedures.account import settle
from procedures.gate import Whole
from procedures.observe import Dump, Facts
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
        return "rollout", _roll_out(access, spec, stack.current().front_ends, spec.database.owner)

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
        waiting = pending(seen, leader, stack.current().release.version)
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
        former = ZoneSpec.model_validate(olds["spec"]).database.owner
        return _roll_out(access, spec, {**leaving, **here.front_ends}, former)


def _waiting(names: Sequence[str]) -> list[str]:
    return [f"{name} waits for a restart" for name in sorted(names)]


def _roll_out(
    access: Access, spec: ZoneSpec, hosts: Mapping[str, Host], former_owner: str
) -> Outputs:
    here = stack.current()
    seen: Mapping[str, Facts]
    if spec.highly_available:
        whole = roll_out(access, spec, hosts, here.release)
        outputs, seen = _outputs(whole, here.front_ends), whole.facts
        here.rolled_out = whole
    else:
        (host,) = hosts.values()
        seen = {host.name: roll_out_solo(access, spec, host, here.release)}
        outputs = {
            "leader": host.name,
            "servers": [],
            "backups": _backups({name: one.dumps for name, one in seen.items()}),
        }
    settle(access, spec.database, here.front_ends, seen, former=former_owner)
    return {**outputs, "drift": []}


def _outputs(whole: Whole, staying: Mapping[str, Host]) -> Outputs:
    """The zone as outputs. Who is about to leave is no part of it."""
    return {
        "leader": whole.leader,
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
        "backups": _backups(whole.dumps),
    }


def _backups(dumps: Mapping[str, Sequence[Dump]]) -> Outputs:
    return {
        name: [{"path": dump.path, "bytes": dump.size} for dump in kept]
        for name, kept in dumps.items()
        if kept
    }
