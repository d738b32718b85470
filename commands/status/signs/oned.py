"""Signs of a front-end's oned: it is down, it hangs, it waits for a restart. Pure."""

from collections.abc import Iterator

from commands.status.signs import replicas
from commands.status.signs.sign import Found
from commands.status.situation import Situation
from procedures.facts.facts import Facts
from procedures.services import LOOPS

WARM_UP = 20.0
"""Seconds from the start of an oned to its first answer, and to the first election."""
STOP = 20.0
"""Seconds that a stop takes when it does not hang."""
EXIT = 8.0
"""Seconds of these until all modules of oned have ended."""


def upgrade_interrupted(now: Situation) -> Iterator[Found]:
    for name, facts in now.facts.items():
        if facts.upgrading or facts.migrating:
            yield Found(name, "a change of the database's version is not complete")
        if facts.converting:
            yield Found(name, "the conversion from SQLite is not complete")


def restart_loop(now: Situation) -> Iterator[Found]:
    for name, facts in now.facts.items():
        unit = facts.units.get("opennebula")
        if unit is None:
            continue
        loops = unit.restarts >= LOOPS and (unit.active != "active" or unit.seconds < 60)
        if unit.active == "failed" or loops:
            words = now.hosts[name].said.get("opennebula") or "; ".join(now.hosts[name].errors)
            again = f"restarted {unit.restarts} times by systemd, now {unit.active}"
            yield Found(name, f"{again}: {words}" if words else again)


def stop_hangs(now: Situation) -> Iterator[Found]:
    for name, facts in now.facts.items():
        seen = now.hosts[name]
        if facts.stopping and seen.changed > (EXIT if seen.finished else STOP):
            ended = ", all of its modules have ended" if seen.finished else ""
            yield Found(name, f"oned has been stopping for {seen.changed:.0f} s{ended}")


def oned_stopped(now: Situation) -> Iterator[Found]:
    joins = {found.host for found in replicas.not_in_zone(now)}
    for name, facts in now.facts.items():
        if name in joins:
            continue
        unit = facts.units.get("opennebula")
        is_down = not facts.active and not facts.stopping and bool(facts.package)
        if is_down and facts.has_content and (unit is None or unit.active == "inactive"):
            enabled = unit is None or unit.starts_at_boot
            yield Found(name, "oned is stopped" + ("" if enabled else " and disabled"))


def oned_silent(now: Situation) -> Iterator[Found]:
    for name, facts in now.facts.items():
        answers = now.hosts[name].answers
        unit = facts.units.get("opennebula")
        starting = unit is not None and unit.seconds < WARM_UP
        if facts.active and answers.silence and not answers.refuses_login and not starting:
            yield Found(name, f"oned runs and does not answer: {answers.silence}")


def login_refused(now: Situation) -> Iterator[Found]:
    for name, snapshot in now.hosts.items():
        if snapshot.answers.refuses_login:
            yield Found(name, snapshot.answers.silence)


def proxy(now: Situation) -> Iterator[Found]:
    for name, snapshot in now.hosts.items():
        if snapshot.proxies:
            yield Found(name, f"{', '.join(snapshot.proxies)} in the environment of oned")


def versions(now: Situation) -> Iterator[Found]:
    there = {name: facts.package for name, facts in now.facts.items() if facts.package}
    if len(set(there.values())) > 1:
        listed = ", ".join(f"{name} has {version}" for name, version in sorted(there.items()))
        yield Found("", listed)


def pending_restart(now: Situation) -> Iterator[Found]:
    for name in now.waiting:
        yield Found(name, _why(now.facts[name]))


def _why(seen: Facts) -> str:
    if seen.next_conf:
        return "/etc/one/oned.conf.next waits for the rollout"
    if seen.staged:
        return f"staged packages of OpenNebula {seen.staged} wait for the rollout"
    return "its configuration is newer than its oned"
