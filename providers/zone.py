"""The zone as a whole: bootstrap, convert, adopt, take down."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from pulumi.dynamic import CheckResult

from providers import progress, runtime
from providers.base import ManagedResource, Outputs, Props, ZoneSpecProvider
from providers.bootstrap import abandon_removed
from providers.runtime import INCOMPLETE, UPDATE
from providers.state import hosts_of, is_unknown, lost_addresses

if TYPE_CHECKING:
    from hosts.models import Host
    from procedures.bootstrap.bootstrap import KnownZone
    from procedures.context import Access
    from procedures.facts.facts import Facts
    from procedures.specs import ZoneSpec
    from providers.run_state import RunState


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

    def forecast(
        self, olds: Mapping[str, Any], news: Mapping[str, Any], changed: set[str]
    ) -> Iterable[tuple[str, str]]:
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

    def do_create(self, access: Access, run: RunState, spec: ZoneSpec, props: Props) -> Outputs:
        """Bootstrap or adopt."""
        from procedures.bootstrap.bootstrap import bootstrap_or_adopt, zone_lock
        from procedures.credentials.password import set_password

        hosts, dump = hosts_of(props), props.get("restore_from")
        abandon_removed(access, run, spec, hosts)
        with zone_lock(access, hosts):
            seen = _observe_and_resume(access, spec, hosts)
            set_password(access, spec, hosts, {}, changed=False, stopping=_stopping(seen))
            known_zone = bootstrap_or_adopt(access, spec, hosts, {}, restore_from=dump, seen=seen)
        run.known_zone = known_zone
        return {"drift": _set_key(access, spec, props, known_zone, replace=False)}

    def do_create_again(
        self, access: Access, run: RunState, spec: ZoneSpec, olds: Props, news: Props
    ) -> Outputs:
        """Bootstrap or adopt, and remove servers that left the stack after the failed create.

        Such a server may be in the zone, but has no ZoneMember that would delete it.
        """
        from procedures.bootstrap.bootstrap import bootstrap_or_adopt, zone_lock
        from procedures.credentials.password import set_password
        from procedures.facts.observe import facts_where_possible
        from procedures.membership.leave import leave, prepare

        staying, before = hosts_of(news), hosts_of(olds)
        abandon_removed(access, run, spec, staying)
        removed = {n: host for n, host in run.without_lost(before).items() if n not in staying}
        with zone_lock(access, staying):
            seen = _observe_and_resume(access, spec, staying)
            seen = seen or facts_where_possible(access, staying, spec.database, names=staying)
            served = _served(seen.values())
            leaving = {name: host for name, host in removed.items() if name in served}
            changed = olds.get("one_pass") != news.get("one_pass")
            set_password(access, spec, staying, leaving, changed=changed, stopping=_stopping(seen))
            run.known_zone = bootstrap_or_adopt(
                access, spec, staying, leaving, restore_from=news.get("restore_from")
            )
            if leaving and spec.highly_available:
                degraded = run.allow_degraded
                run.dumped = prepare(
                    access,
                    spec,
                    staying,
                    leaving,
                    allow_degraded=degraded,
                    in_hosts_file=run.names_hosts,
                )
                for host in leaving.values():
                    leave(
                        access,
                        spec,
                        host,
                        {**staying, host.name: host},
                        allow_degraded=degraded,
                        dumped=run.dumped,
                    )
        return {"drift": _set_key(access, spec, news, run.known_zone, replace=False)}

    def do_read(self, access: Access, run: RunState, spec: ZoneSpec, props: Props) -> Outputs:
        """Check that the zone has a leader, or its one server answers, and that oneadmin has the
        stack's public key. Raises HostError if a lost server is back.
        """
        from procedures.credentials import admin_key
        from procedures.facts.observe import statuses
        from procedures.membership.leave import require_gone

        require_gone(access, props.get("lost_at") or {}, hosts_of(props))
        survey = run.survey(access, spec.database)
        if any(facts.upgrading for facts in survey.known_facts().values()):
            # No oned starts until that is done.
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

    def do_update(
        self, access: Access, run: RunState, spec: ZoneSpec, olds: Props, news: Props
    ) -> Outputs:
        """Convert or adopt. The front-ends that leave are still in the zone at this moment."""
        from procedures.bootstrap.bootstrap import bootstrap_or_adopt, zone_lock
        from procedures.credentials.password import set_password
        from procedures.membership.leave import forget, prepare, require_gone

        run.zone = spec
        staying, before = hosts_of(news), hosts_of(olds)
        leaving = {
            name: host for name, host in run.without_lost(before).items() if name not in staying
        }
        run.departing = leaving
        with zone_lock(access, staying):
            seen = _observe_and_resume(access, spec, staying)
        # The failed update may have changed the password.
        failed = olds.get(INCOMPLETE) == UPDATE
        changed = failed or olds.get("one_pass") != news.get("one_pass")
        set_password(
            access,
            spec,
            staying,
            leaving,
            changed=changed,
            failed=failed,
            stopping=_stopping(seen),
        )
        lost_at = _lost_at(olds, news)
        require_gone(access, lost_at, staying)
        if spec.highly_available and run.lost:
            forget(access, spec, run.lost, staying)
        shrinks = spec.highly_available and bool(leaving)
        prepared = partial(
            prepare,
            access,
            spec,
            staying,
            leaving,
            allow_degraded=run.allow_degraded,
            in_hosts_file=run.names_hosts,
        )
        run.dumped = shrinks and prepared()
        run.known_zone = bootstrap_or_adopt(
            access,
            spec,
            staying,
            leaving,
            restore_from=news.get("restore_from"),
            existed=True,
        )
        # A zone that had no leader has one now.
        if shrinks and not run.dumped:
            run.dumped = prepared()
        return {
            "drift": _set_key(access, spec, news, run.known_zone, replace=True),
            "lost_at": lost_at,
        }

    def do_delete(self, access: Access, run: RunState, spec: ZoneSpec, props: Props) -> None:
        """Take the whole zone down."""
        from procedures.membership.take_down import take_down

        take_down(access, spec, hosts_of(props))


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


def _observe_and_resume(
    access: Access, spec: ZoneSpec, hosts: Mapping[str, Host]
) -> Mapping[str, Facts]:
    """Resume an interrupted upgrade. Return the facts; none if the upgrade changed them."""
    from procedures.facts.observe import facts_where_possible
    from procedures.upgrade.upgrade import resume

    seen = facts_where_possible(access, hosts, spec.database, names=hosts)
    return {} if resume(access, spec, hosts, seen) else seen


def _stopping(seen: Mapping[str, Facts]) -> set[str]:
    return {name for name, facts in seen.items() if facts.stopping}


def _served(seen: Collection[Facts]) -> set[str]:
    """Return the names of the zone's servers; none while the first one is standalone.

    Until it gets its SERVER_ID, no other server has served.
    """
    if any(facts.view(None).is_standalone for facts in seen):
        return set()
    return {entry.name for facts in seen for entry in facts.pool}


def _set_key(
    access: Access,
    spec: ZoneSpec,
    props: Mapping[str, Any],
    known_zone: KnownZone,
    *,
    replace: bool,
) -> list[str]:
    from procedures.credentials import admin_key

    wanted, hosts = props.get("admin_pubkey"), hosts_of(props)
    if not wanted or admin_key.set_public_key(
        access, spec, hosts, wanted, replace=replace, view=known_zone.view
    ):
        return []
    return [_KEY]


def _lost_at(olds: Mapping[str, Any], news: Mapping[str, Any]) -> dict[str, str]:
    before = {name: host.address for name, host in hosts_of(olds).items()}
    return lost_addresses({**(olds.get("lost_at") or {}), **before}, news["lost"], hosts_of(news))
