"""Plan how one front-end becomes a server of a running zone. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from opennebula.membership.observed import FrontEndView, Refusal
from opennebula.zone import ServerEntry


@dataclass(frozen=True)
class JoinPlan:
    """What one front-end lacks to be a server of a running zone."""

    seed: bool = False
    register: bool = False
    start: bool = False
    reasons: tuple[str, ...] = ()

    @property
    def steps(self) -> list[tuple[int, str]]:
        """Return the steps in order, with their numbers and titles."""
        titles = {
            "copy the leader's database": self.seed,
            "enter it in the zone": self.register,
            "start its oned": self.start,
            "verify the zone": True,
        }
        return list(enumerate((title for title, due in titles.items() if due), 1))


def plan_join(
    host: FrontEndView,
    leader: FrontEndView,
    pool: Sequence[ServerEntry],
    *,
    resync: Sequence[str] = (),
    seeded: bool = False,
) -> JoinPlan | Refusal:
    """Return what this front-end lacks to be a server of the zone that ``leader`` leads.

    ``resync``: why an existing server must get the leader's data and keys again. ``seeded``: this
    run has just copied them to it.
    """
    entry = next((entry for entry in pool if entry.name == host.name), None)
    if host.has_content and host.identity != leader.identity:
        return Refusal(
            expected="an empty database, or a copy of this zone's",
            seen="a database of another OpenNebula",
            remedy="if nothing in it is needed, stop opennebula there, drop the database and move"
            " /var/lib/one/.one to another place",
            host=host.name,
        )
    if entry is None:
        if host.running and host.has_content:
            return Refusal(
                expected="opennebula stopped on a host that is not in the zone",
                seen="a running oned on a copy of the zone's database",
                remedy="systemctl disable --now opennebula there, then run up again",
                host=host.name,
            )
        has_copy = seeded and host.has_content and not _is_behind_log(host, leader)
        return JoinPlan(seed=not has_copy, register=True, start=True)
    reasons = tuple(resync) if host.has_content else ()
    if reasons := reasons or _resync_reasons(host, leader, entry):
        return JoinPlan(seed=True, start=True, reasons=reasons)
    fits = host.status is not None and host.status.server_id == entry.id
    return JoinPlan(start=not (host.running and fits))


def _resync_reasons(
    host: FrontEndView, leader: FrontEndView, entry: ServerEntry
) -> tuple[str, ...]:
    if not host.has_content:
        return ("its database is empty",)
    if host.server_id != entry.id:
        return ("it has no valid SERVER_ID",)
    if _is_behind_log(host, leader):
        return (f"its log ends at {host.log_index}, the leader's begins at {leader.log_begins}",)
    return ()


def _is_behind_log(host: FrontEndView, leader: FrontEndView) -> bool:
    # The leader sends a record only together with the one before it.
    return max(host.log_index, 1) < leader.log_begins
