"""The zone as a whole: bootstrap, convert, adopt, take down."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from pulumi.dynamic import CheckResult

from providers import progress, runtime
from providers.base import Forecast, ManagedResource, Outputs, Props, ZoneSpecProvider
from providers.bootstrap import abandon_removed
from providers.runtime import INCOMPLETE, UPDATE
from providers.state import hosts_of, is_unknown, lost_addresses

if TYPE_CHECKING:
    from hosts.models import Host
    from procedures.facts.facts import Facts
    from procedures.specs import ZoneSpec
    from providers.run_state import Operation


class ZoneProvider(ZoneSpecProvider):
    """Bootstraps a zone with all front-ends together, or adopts the one that runs."""

    fixed_id = "zone-0"

    def check(self, olds: Mapping[str, Any], news: dict[str, Any]) -> CheckResult:
        """Describe what the first ``up`` of a stack does, since a preview cannot know it."""
        if not olds:
            progress.note(
                str(news.get("urn", "")),
                "new to this stack: a zone that runs on these front-ends is adopted, and "
                + (
                    "nothing changes while adopt is set"
                    if runtime.observes()
                    else "the first up changes nothing on its servers; otherwise a zone is"
                    " bootstrapped"
                ),
            )
        return super().check(olds, news)

    def forecast(self, olds: Props, news: Props, changed: set[str]) -> Forecast:
        """Describe a change of the password, and front-ends whose address is about to change.

        Rollout's forecast describes joins and leaves.
        """
        moves = [
            name
            for name, host in news["frontends"].items()
            if name in olds.get("frontends", ()) and is_unknown(host["address"])
        ]
        if moves:
            from opennebula.forecast import machines

            yield news["urn"], machines(moves, len(olds["frontends"]))
        if "one_pass" in changed:
            words = "oneadmin's password changes on every server, without an interruption"
            yield news["urn"], words

    def do_create(self, op: Operation[ZoneSpec]) -> Outputs:
        """Bootstrap or adopt, and remove servers that left the stack after a failed create.

        Such a server may be in the zone, but has no ZoneMember that would delete it.
        """
        from procedures.bootstrap.bootstrap import bootstrap_or_adopt, zone_lock
        from procedures.credentials.password import set_password
        from procedures.membership.leave import leave

        staying = hosts_of(op.props)
        removed = _removed(op, staying)
        abandon_removed(op, staying)
        with zone_lock(op.access, staying):
            seen = _observe_and_resume(op, staying)
            served = _served(seen.values()) if removed else ()
            leaving = {name: host for name, host in removed.items() if name in served}
            changed = bool(op.olds) and op.olds.get("one_pass") != op.props.get("one_pass")
            set_password(
                op.access, op.spec, staying, leaving, changed=changed, stopping=_stopping(seen)
            )
            op.run.known_zone = bootstrap_or_adopt(
                op.access,
                op.spec,
                staying,
                leaving,
                restore_from=op.props.get("restore_from"),
                seen=seen,
            )
            if leaving and op.spec.highly_available:
                op.run.dumped = prepare_leave(op, staying, leaving)
                for host in leaving.values():
                    leave(
                        op.access,
                        op.spec,
                        host,
                        {**staying, host.name: host},
                        allow_degraded=op.run.allow_degraded,
                        dumped=op.run.dumped,
                    )
        return {"drift": _set_key(op, replace=False)}

    def do_read(self, op: Operation[ZoneSpec]) -> Outputs:
        """Check that the zone has a leader, or its one server answers, and that oneadmin has the
        stack's public key. Raises HostError if a lost server is back.
        """
        from procedures.credentials import admin_key
        from procedures.facts.observe import statuses
        from procedures.membership.leave import require_gone

        require_gone(op.access, op.props.get("lost_at") or {}, hosts_of(op.props))
        survey = op.run.survey(op.access, op.spec.database)
        if any(facts.upgrading for facts in survey.known_facts().values()):
            # No oned starts until that is done.
            return {"drift": [_UPGRADE]}
        if op.spec.highly_available:
            head = survey.view().leader()
        else:
            head = next(iter(statuses(op.access, hosts_of(op.props))), None)
        if head is None:
            return {"drift": ["no leader"]}
        wanted, seen = op.props.get("admin_pubkey"), survey.known_facts().get(head)
        if wanted and seen and admin_key.differs(op.access, seen, wanted):
            return {"drift": [_KEY]}
        return {"drift": []}

    def do_update(self, op: Operation[ZoneSpec]) -> Outputs:
        """Convert or adopt. The front-ends that leave are still in the zone at this moment."""
        from procedures.bootstrap.bootstrap import bootstrap_or_adopt, zone_lock
        from procedures.credentials.password import set_password
        from procedures.membership.leave import forget, require_gone

        op.run.zone = op.spec
        staying = hosts_of(op.props)
        op.run.departing = leaving = _removed(op, staying)
        with zone_lock(op.access, staying):
            seen = _observe_and_resume(op, staying)
        # The failed update may have changed the password.
        failed = op.olds.get(INCOMPLETE) == UPDATE
        changed = failed or op.olds.get("one_pass") != op.props.get("one_pass")
        set_password(
            op.access,
            op.spec,
            staying,
            leaving,
            changed=changed,
            failed=failed,
            stopping=_stopping(seen),
        )
        known = {name: host.address for name, host in hosts_of(op.olds).items()}
        known = {**(op.olds.get("lost_at") or {}), **known}
        lost_at = lost_addresses(known, op.props["lost"], staying)
        require_gone(op.access, lost_at, staying)
        if op.spec.highly_available and op.run.lost:
            forget(op.access, op.spec, op.run.lost, staying)
        shrinks = op.spec.highly_available and bool(leaving)
        op.run.dumped = shrinks and prepare_leave(op, staying, leaving)
        op.run.known_zone = bootstrap_or_adopt(
            op.access,
            op.spec,
            staying,
            leaving,
            restore_from=op.props.get("restore_from"),
            existed=True,
        )
        # A zone that had no leader has one now.
        if shrinks and not op.run.dumped:
            op.run.dumped = prepare_leave(op, staying, leaving)
        return {"drift": _set_key(op, replace=True), "lost_at": lost_at}

    def do_delete(self, op: Operation[ZoneSpec]) -> None:
        """Take the whole zone down."""
        from procedures.membership.take_down import take_down

        take_down(op.access, op.spec, hosts_of(op.props))


class Zone(ManagedResource, module="opennebula", name="Zone"):
    """Zone 0 with all front-ends of the stack.

    Inputs: ``frontends``; ``one_pass``, the fingerprint of the password; ``lost``, former
    front-ends that are gone for good. Only if they are set: ``restore_from``, the path of a dump;
    ``mounts``, lines of fstab, whose change calls for another comparison of the shares;
    ``admin_pubkey``, see credentials/admin_key.py.
    """

    provider_type = ZoneProvider
    outputs = ("drift", "lost_at")


_KEY = "oneadmin's SSH_PUBLIC_KEY"
_UPGRADE = "a change of the database's version that was interrupted"


def prepare_leave(
    op: Operation[ZoneSpec], staying: Mapping[str, Host], leaving: Mapping[str, Host]
) -> bool:
    """Prepare the zone for front-ends that leave; return whether there is a dump from before."""
    from procedures.membership.leave import prepare

    return prepare(
        op.access,
        op.spec,
        staying,
        leaving,
        allow_degraded=op.run.allow_degraded,
        in_hosts_file=op.run.names_hosts,
    )


def _observe_and_resume(op: Operation[ZoneSpec], hosts: Mapping[str, Host]) -> Mapping[str, Facts]:
    """Resume an interrupted upgrade. Return the facts of the hosts that answer."""
    from procedures.facts.observe import facts_where_possible
    from procedures.upgrade.upgrade import resume

    seen = facts_where_possible(op.access, hosts, op.spec.database, names=hosts)
    if resume(op.access, op.spec, hosts, seen):
        seen = facts_where_possible(op.access, hosts, op.spec.database, names=hosts)
    return seen


def _removed(op: Operation[ZoneSpec], staying: Mapping[str, Host]) -> dict[str, Host]:
    """Return the front-ends that left the stack, without those that are lost."""
    before = op.run.without_lost(hosts_of(op.olds) if op.olds else {})
    return {name: host for name, host in before.items() if name not in staying}


def _stopping(seen: Mapping[str, Facts]) -> set[str]:
    return {name for name, facts in seen.items() if facts.stopping}


def _served(seen: Collection[Facts]) -> set[str]:
    """Return the names of the zone's servers; none while the first one is standalone.

    Until it gets its SERVER_ID, no other server has served.
    """
    if any(facts.view(None).is_standalone for facts in seen):
        return set()
    return {entry.name for facts in seen for entry in facts.pool}


def _set_key(op: Operation[ZoneSpec], *, replace: bool) -> list[str]:
    from procedures.credentials import admin_key

    wanted, hosts = op.props.get("admin_pubkey"), hosts_of(op.props)
    if not wanted or admin_key.set_public_key(
        op.access, op.spec, hosts, wanted, replace=replace, view=op.run.known_zone.view
    ):
        return []
    return [_KEY]
