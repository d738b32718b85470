"""Signs of what runs next to oned: MariaDB, services, the web server, timed dumps. Pure."""

from collections.abc import Iterator
from datetime import timedelta

from commands.status.signs.sign import REPAIR, Found
from commands.status.situation import Situation
from procedures.install.files import backup

MONTH = timedelta(days=30)


def database_down(now: Situation) -> Iterator[Found]:
    for name, facts in now.facts.items():
        if facts.silent and facts.package:
            yield Found(name, facts.silent.splitlines()[-1])


def service_down(now: Situation) -> Iterator[Found]:
    for fault in now.service_faults:
        if fault.is_stray or not now.leader:
            continue
        words = now.hosts[fault.host].said.get(fault.unit, "")
        yield Found(fault.host, f"{fault}: {words}" if words else str(fault))


def service_stray(now: Situation) -> Iterator[Found]:
    for fault in now.service_faults:
        if fault.is_stray:
            yield Found(fault.host, str(fault))


def dump_failed(now: Situation) -> Iterator[Found]:
    if not now.dumps_on_timer:
        return
    newest = now.timed_dump
    last = newest[1].path.rpartition("/")[2] if newest else "none"
    for name, facts in now.facts.items():
        unit = facts.units.get(backup.UNIT)
        if unit and unit.active == "failed":
            words = now.hosts[name].said.get(backup.UNIT, "")
            yield Found(name, f"{words or 'its service failed'} (newest timed dump: {last})")


def certificate(now: Situation) -> Iterator[Found]:
    for name, snapshot in now.hosts.items():
        if now.web is None or snapshot.facts is None:
            continue
        own = (
            f"Put a new certificate in {now.web.certchain} and its key in {now.web.key} on every"
            " front-end, then:",
        )
        cure = (*(() if now.web.generate else own), *REPAIR)
        if snapshot.certificate_ends is None:
            yield Found(name, f"no certificate in {now.web.certchain}", cure)
        elif snapshot.certificate_ends < now.at + MONTH:
            verb = "expired" if snapshot.certificate_ends < now.at else "expires"
            yield Found(name, f"it {verb} on {snapshot.certificate_ends:%Y-%m-%d}", cure)


def web_server_down(now: Situation) -> Iterator[Found]:
    for name, snapshot in now.hosts.items():
        serves = snapshot.web_server in ("active", "reloading")
        if now.web is not None and snapshot.facts and not serves:
            yield Found(name, f"the web server is {snapshot.web_server or 'not installed'}")
