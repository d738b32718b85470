"""`make switchover STACK=… TO=NAME`: make another front-end the leader, such as for maintenance."""

import sys
import time

from commands import stack
from hosts.errors import HostError
from procedures import health
from procedures.bootstrap.bootstrap import zone_lock
from procedures.switchover import switch_over


def switchover(target: stack.Target, to: str) -> None:
    """Make that front-end the leader, with a health check before and after.

    Raises HostError.
    """
    if not target.zone.highly_available or to not in target.hosts:
        raise HostError(
            to or "TO",
            "switch over",
            expected=f"one of {', '.join(target.hosts)}"
            if target.zone.highly_available
            else "a zone of several front-ends",
            seen=f"TO={to}" if to else "no TO",
            remedy="name a front-end of the stack: make switchover STACK=… TO=NAME",
        )
    with zone_lock(target.access, target.hosts):
        before = health.verify(target.access, target.zone, target.hosts).leader
        if before == to:
            stack.say(f"{to} is the leader already")
            return
        started = time.monotonic()
        switch_over(target.access, target.zone, target.hosts, {to})
        took = time.monotonic() - started
        health.verify(target.access, target.zone, target.hosts)
    stack.say(f"{to} is the leader in place of {before}, after {took:.0f} s; the zone is healthy")


if __name__ == "__main__":
    sys.exit(stack.run(lambda target: switchover(target, "".join(sys.argv[1:2]))))
