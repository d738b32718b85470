"""Whether servers can leave a zone that keeps its quorum. Pure."""

from collections.abc import Collection, Sequence

from opennebula.membership.observed import Refusal
from opennebula.zone import ZoneView, quorum


def check_shrink(
    view: ZoneView,
    leaving: Sequence[str],
    *,
    allow_degraded: bool,
    returning: Collection[str] = (),
) -> Refusal | None:
    """Check, before any change, that those servers can leave one after the other.

    Every server that stays must be up, or among those ``returning``, which start before that.
    With ``allow_degraded`` it is enough that those that are up are a majority at each step: then
    one more failure stops the zone.
    """
    pool = [entry.name for entry in view.pool]
    staying = [name for name in pool if name not in leaving]
    up = [name for name in staying if name in returning or name in view.up()]
    down = [name for name in staying if name not in up]
    if not down:
        return None
    if not allow_degraded:
        return Refusal(
            expected="every front-end that stays up before others leave",
            seen=f"{', '.join(down)} down",
            remedy=f"bring {', '.join(down)} back, or name it under opennebula-ha:lost;"
            " opennebula-ha:allow_degraded: true does without it, and then one more failure"
            " stops the zone",
            host=down[0],
        )
    for size in range(len(pool), len(staying), -1):
        if len(up) < quorum(size):
            return Refusal(
                expected=f"{quorum(size)} of {size} servers up while one of them leaves",
                seen=f"{len(up)} ({', '.join(up) or 'none'})",
                remedy="bring the others back first: the zone would lose quorum",
                host=down[0],
            )
    return None


def check_leave(
    view: ZoneView, name: str, dead: Collection[str] = (), stuck: Collection[str] = ()
) -> Refusal | None:
    """Check that the zone keeps its quorum while that server leaves.

    Between its stop and its deletion the others must be a majority of the pool, which still has
    it. Servers that are ``stuck`` take no record of the leader, and do not count. No host may be
    ``dead``: with each server that leaves, a dead one is a larger part of the pool. A server that
    is only stopped may remain so: it leaves too, or is started later.
    """
    if dead:
        names = ", ".join(sorted(dead))
        return Refusal(
            expected=f"every other server's host up while {name} leaves",
            seen=f"no answer from {names}",
            remedy=f"bring {names} back; or, if it is permanently lost, list it under"
            " opennebula-ha:lost; opennebula-ha:allow_degraded: true continues without it",
            host=name,
        )
    others = [entry.name for entry in view.pool if entry.name != name]
    up = [other for other in others if other in view.up() and other not in stuck]
    # Of two servers, one is enough: the leader deletes the other's entry alone.
    needed = quorum(len(view.pool)) if len(others) > 1 else 1
    if not others:
        return Refusal(
            expected="another server in the zone",
            seen=f"{name} alone",
            remedy="destroy the stack to take the whole zone down",
            host=name,
        )
    if len(up) < needed:
        return Refusal(
            expected=f"{needed} of {len(view.pool)} servers up without {name}",
            seen=f"{', '.join(up) or 'none'} up"
            + "".join(f"; {server} takes no record of the leader" for server in sorted(stuck)),
            remedy="pulumi refresh, then pulumi up: a server that lags is repaired first"
            if stuck
            else "bring the others back first: without them the zone would lose quorum",
            host=name,
        )
    return None
