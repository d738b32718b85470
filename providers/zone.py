"""The zone as a whole: found, convert, adopt, take down."""

from collections.abc import Mapping, Sequence
from typing import Any

from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import Resource

from hosts.connection import Host
from procedures.access import Access
from procedures.found import found, zone_lock
from procedures.leave import forget, prepare, require_gone
from procedures.observe import Facts, facts_where_possible, statuses
from procedures.password import set_password
from procedures.specs import ZoneSpec
from procedures.take_down import take_down
from procedures.upgrade import take_up
from providers import stack
from providers.base import Outputs, Provider, as_input, hosts_input, hosts_of


class ZoneProvider(Provider[ZoneSpec]):
    """Brings a zone into being with all front-ends together, or takes over the one there is."""

    spec_type = ZoneSpec

    def make(self, access: Access, spec: ZoneSpec, props: Mapping[str, Any]) -> tuple[str, Outputs]:
        """Found or adopt."""
        hosts, dump = hosts_of(props), props.get("restore_from")
        with zone_lock(access, hosts):
            seen = _look_and_take_up(access, spec, hosts)
            set_password(access, spec, hosts, {}, changed=False)
            found(access, spec, hosts, {}, restore_from=dump, seen=seen)
        return "zone-0", {"drift": []}

    def look(self, access: Access, spec: ZoneSpec, props: Mapping[str, Any]) -> Outputs:
        """Whether the zone has a leader (or its one server answers), and the lost stay away."""
        require_gone(access, props.get("lost_at") or {}, hosts_of(props))
        if spec.highly_available:
            survey = stack.current().survey(access, spec.database)
            well = survey.view().leader() is not None
        else:
            well = bool(statuses(access, hosts_of(props)))
        return {"drift": [] if well else ["no leader"]}

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
            name: host
            for name, host in before.items()
            if name not in staying and name not in here.lost
        }
        with zone_lock(access, staying):
            _look_and_take_up(access, spec, staying)
        changed = olds.get("one_pass") != news.get("one_pass")
        set_password(access, spec, staying, leaving, changed=changed)
        lost_at = _lost_at(olds, news)
        require_gone(access, lost_at, staying)
        if spec.highly_available and here.lost:
            forget(access, spec, here.lost, staying)
        if spec.highly_available and leaving:
            prepare(access, spec, staying, leaving, allow_degraded=here.allow_degraded)
        found(
            access,
            spec,
            staying,
            leaving,
            restore_from=news.get("restore_from"),
            existed=True,
        )
        return {"drift": [], "lost_at": lost_at}

    def unmake(self, access: Access, spec: ZoneSpec, props: Mapping[str, Any]) -> None:
        """Take the whole zone down."""
        take_down(access, spec, hosts_of(props))


class Zone(Resource, module="opennebula", name="Zone"):
    """Zone 0 with all front-ends of the stack."""

    def __init__(
        self,
        name: str,
        spec: ZoneSpec,
        front_ends: Mapping[str, Host],
        *,
        one_pass: Input[str],
        lost: Sequence[str],
        restore_from: str | None,
        mounts: Sequence[str],
        urn: str,
        opts: ResourceOptions,
    ) -> None:
        """``one_pass``: its fingerprint; ``lost``: former front-ends that are gone for good;
        ``restore_from``: a dump's path; ``mounts``: lines of fstab: where they change, the
        front-ends' shares are compared anew.
        """
        super().__init__(
            ZoneProvider(),
            name,
            {
                "spec": as_input(spec),
                "front_ends": hosts_input(front_ends),
                "one_pass": one_pass,
                "lost": sorted(lost),
                # Only where it is set: to take it back is no change.
                **({"restore_from": restore_from} if restore_from else {}),
                **({"mounts": list(mounts)} if mounts else {}),
                "urn": urn,
                "drift": None,
                "lost_at": None,
            },
            opts,
        )

    drift: Output[list[str]]


def _look_and_take_up(
    access: Access, spec: ZoneSpec, hosts: Mapping[str, Host]
) -> Mapping[str, Facts]:
    """What there is, once nothing is left of an interrupted run; nothing where that changed it."""
    seen = facts_where_possible(access, hosts, spec.database, names=hosts)
    return {} if take_up(access, spec, hosts, seen) else seen


def _lost_at(olds: Mapping[str, Any], news: Mapping[str, Any]) -> dict[str, str]:
    """Where those were that are named under ``lost``, as long as nobody else is there."""
    before = {name: host.address for name, host in hosts_of(olds).items()}
    taken = {host.address for host in hosts_of(news).values()}
    return {
        name: address
        for name, address in {**(olds.get("lost_at") or {}), **before}.items()
        if name in news["lost"] and address not in taken
    }
