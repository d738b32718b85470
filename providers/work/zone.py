"""The zone as a whole: found, convert, adopt, take down."""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

from hosts.models import Host
from procedures.bootstrap.bootstrap import Founded, found, zone_lock
from procedures.context import Access
from procedures.credentials import admin_key
from procedures.credentials.password import set_password
from procedures.facts.observe import Facts, facts_where_possible, statuses
from procedures.membership.leave import forget, leave, prepare, require_gone
from procedures.membership.take_down import take_down
from procedures.specs import ZoneSpec
from procedures.upgrade.upgrade import take_up
from providers import stack
from providers.work import base
from providers.work.base import Outputs, hosts_of


class Work(base.Work[ZoneSpec]):
    """Of Zone."""

    spec_type = ZoneSpec

    def identifier(self, spec: ZoneSpec) -> str:
        """Return the one ID of its kind."""
        return "zone-0"

    def make(self, access: Access, spec: ZoneSpec, props: Mapping[str, Any]) -> Outputs:
        """Found or adopt."""
        hosts, dump = hosts_of(props), props.get("restore_from")
        with zone_lock(access, hosts):
            seen = _look_and_take_up(access, spec, hosts)
            set_password(access, spec, hosts, {}, changed=False)
            founded = found(access, spec, hosts, {}, restore_from=dump, seen=seen)
        stack.current().founded = founded
        return {"drift": _settle_key(access, spec, props, founded, replace=False)}

    def make_again(
        self,
        access: Access,
        spec: ZoneSpec,
        olds: Mapping[str, Any],
        news: Mapping[str, Any],
    ) -> Outputs:
        """Found or adopt; who left since has a place in the zone, if at all, and no ZoneMember."""
        here = stack.current()
        staying, before = hosts_of(news), hosts_of(olds)
        gone = {
            name: host for name, host in here.still_there(before).items() if name not in staying
        }
        with zone_lock(access, staying):
            seen = _look_and_take_up(access, spec, staying)
            seen = seen or facts_where_possible(access, staying, spec.database, names=staying)
            leaving = {name: host for name, host in gone.items() if name in _served(seen.values())}
            changed = olds.get("one_pass") != news.get("one_pass")
            set_password(access, spec, staying, leaving, changed=changed)
            here.founded = found(
                access, spec, staying, leaving, restore_from=news.get("restore_from")
            )
            if leaving and spec.highly_available:
                degraded = here.allow_degraded
                here.dumped = prepare(access, spec, staying, leaving, allow_degraded=degraded)
                for host in leaving.values():
                    leave(
                        access,
                        spec,
                        host,
                        {**staying, host.name: host},
                        allow_degraded=degraded,
                        dumped=here.dumped,
                        in_hosts_file=here.names_hosts,
                    )
        return {"drift": _settle_key(access, spec, news, here.founded, replace=False)}

    def look(self, access: Access, spec: ZoneSpec, props: Mapping[str, Any]) -> Outputs:
        """Whether the zone has a leader (or its one server answers), and oneadmin its public key;
        and whether the lost stay away.
        """
        require_gone(access, props.get("lost_at") or {}, hosts_of(props))
        survey = stack.current().survey(access, spec.database)
        if any(one.upgrading for one in survey.known_facts().values()):
            # Before anything else: no oned starts until that is done.
            return {"drift": [_UPGRADE]}
        if spec.highly_available:
            head = survey.view().leader()
        else:
            head = next(iter(statuses(access, hosts_of(props))), None)
        if head is None:
            return {"drift": ["no leader"]}
        wanted, seen = props.get("admin_pubkey"), survey.known_facts().get(head)
        if wanted and seen and admin_key.differs(access, seen, wanted):
            return {"drift": [_KEY]}
        return {"drift": []}

    def change(
        self,
        access: Access,
        spec: ZoneSpec,
        olds: Mapping[str, Any],
        news: Mapping[str, Any],
    ) -> Outputs:
        """Convert or adopt; those that leave are still there at this moment."""
        here = stack.current()
        staying, before = hosts_of(news), hosts_of(olds)
        leaving = {
            name: host for name, host in here.still_there(before).items() if name not in staying
        }
        with zone_lock(access, staying):
            _look_and_take_up(access, spec, staying)
        changed = olds.get("one_pass") != news.get("one_pass")
        set_password(access, spec, staying, leaving, changed=changed)
        lost_at = _lost_at(olds, news)
        require_gone(access, lost_at, staying)
        if spec.highly_available and here.lost:
            forget(access, spec, here.lost, staying)
        shrinks = spec.highly_available and bool(leaving)
        prepared = partial(
            prepare, access, spec, staying, leaving, allow_degraded=here.allow_degraded
        )
        here.dumped = shrinks and prepared()
        here.founded = found(
            access,
            spec,
            staying,
            leaving,
            restore_from=news.get("restore_from"),
            existed=True,
        )
        # A zone that had no leader has one now.
        if shrinks and not here.dumped:
            here.dumped = prepared()
        return {
            "drift": _settle_key(access, spec, news, here.founded, replace=True),
            "lost_at": lost_at,
        }

    def unmake(self, access: Access, spec: ZoneSpec, props: Mapping[str, Any]) -> None:
        """Take the whole zone down."""
        take_down(access, spec, hosts_of(props))


_KEY = "oneadmin's SSH_PUBLIC_KEY"
_UPGRADE = "a change of the database's version that was interrupted"


def _look_and_take_up(
    access: Access, spec: ZoneSpec, hosts: Mapping[str, Host]
) -> Mapping[str, Facts]:
    """What there is, once nothing is left of an interrupted run; nothing where that changed it."""
    seen = facts_where_possible(access, hosts, spec.database, names=hosts)
    return {} if take_up(access, spec, hosts, seen) else seen


def _served(seen: Collection[Facts]) -> set[str]:
    """Name the servers of a zone that has begun: with one alone nobody else has served yet."""
    if any(one.view(None).is_solo for one in seen):
        return set()
    return {entry.name for one in seen for entry in one.pool}


def _settle_key(
    access: Access, spec: ZoneSpec, props: Mapping[str, Any], founded: Founded, *, replace: bool
) -> list[str]:
    wanted, hosts = props.get("admin_pubkey"), hosts_of(props)
    if not wanted or admin_key.settle(
        access, spec, hosts, wanted, replace=replace, view=founded.view
    ):
        return []
    return [_KEY]


def _lost_at(olds: Mapping[str, Any], news: Mapping[str, Any]) -> dict[str, str]:
    """Where those were that are named under ``lost``, as long as nobody else is there."""
    before = {name: host.address for name, host in hosts_of(olds).items()}
    taken = {host.address for host in hosts_of(news).values()}
    return {
        name: address
        for name, address in {**(olds.get("lost_at") or {}), **before}.items()
        if name in news["lost"] and address not in taken
    }
