"""`make switchover STACK=… TO=NAME`: make another front-end the leader, such as for maintenance."""

import sys
import time

from commands import stack
from hosts.errors import HostError
from procedures import health
from procedures.bootstrap.bootstrap import zone_lock
from procedures.switchover import switch_over


def switchover(here: stack.Target, to: str) -> None:
    """Make that front-end the leader, with a health check before and after.

    Raises HostError.
    """
    if not here.zone.highly_available or to not in here.hosts:
        raise HostError(
            to or "TO",
            "switch over",
            expected=f"one of {', '.join(here.hosts)}"
            if here.zone.highly_available
            else "a zone of several front-ends",
            seen=f"TO={to}",
            remedy="name a front-end of the stack: make switchover STACK=… TO=NAME",
        )
    with zone_lock(here.access, here.hosts):
        before = health.verify(here.access, here.zone, here.hosts).leader
        if before == to:
            stack.say(f"{to} is the leader already")
            return
        started = time.monotonic()
        switch_over(here.access, here.hosts, {to})
        took = time.monotonic() - started
        health.verify(here.access, here.zone, here.hosts)
    stack.say(f"{to} is the leader in place of {before}, after {took:.0f} s; the zone is healthy")


if __name__ == "__main__":
    sys.exit(stack.run(lambda here: switchover(here, *sys.argv[1:2])))
