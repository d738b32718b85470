"""Upgrade or roll back OpenNebula in a running zone.

The packages are staged on each host in advance (``install.sh``). If they work with the present
database, a rollout installs them, one server at a time. If they need another version of the
database, the whole zone stops, the database is changed on one server and copied to the others, and
all start together, so that no oned uses the old database next to the new one. During that, a file
on each host prevents every start of oned. The packages and the database of each host show what
remains to be done.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from hosts.errors import HostError
from hosts.models import Host
from procedures import zone_leader
from procedures.context import Access, Hosts
from procedures.facts.facts import Facts
from procedures.facts.observe import all_facts, zone_view
from procedures.install.fetch import INSTALL
from procedures.oned_service import RESTART, answering, stop
from procedures.parallel import HostErrors, on_each
from procedures.specs import ZoneSpec
from procedures.transfer.seed import COPY, dump, seed
from procedures.upgrade import versions
from procedures.upgrade.versions import VersionChange, WantedVersion


def swap(access: Access, host: Host, *, folder: str = "new", start: bool = True) -> None:
    """Install the staged packages. If they fail, restore the former ones and raise HostError."""
    access.run(
        host,
        "swap",
        variables={"folder": folder, "start": "yes" if start else "no"},
        timeout=2 * INSTALL + 2 * RESTART,
    )


def resume(access: Access, zone: ZoneSpec, hosts: Hosts, seen: Mapping[str, Facts]) -> bool:
    """Resume an interrupted upgrade; return whether there was one.

    ``seen``: the present facts of the hosts that answer. A server that is not in the zone at
    present gets its staged packages immediately: its present ones may be the reason, and the zone
    loses nothing. Raises HostError.
    """
    begun = sorted({front_end.upgrading for front_end in seen.values() if front_end.upgrading})
    if begun:
        # It must not continue without one of the zone's servers.
        everywhere = all_facts(access, hosts, zone.database)
        _Changing(access, zone, everywhere, VersionChange.parse(begun[0])).run()
        return True
    waiting = [n for n, own in seen.items() if own.staged and own.staged_schema == own.schema]
    if not waiting:
        return False
    view = zone_view(access, hosts)
    leader = view.statuses.get(view.leader() or "")
    for name in waiting:
        status = view.statuses.get(name)
        if status is None or (leader is not None and status.term != leader.term):
            swap(access, hosts[name])
    return True


def go_back(access: Access, zone: ZoneSpec, hosts: Hosts, release: WantedVersion) -> bool:
    """Roll back, if the staged packages need an older database; return whether they do.

    The zone need not be healthy: the new version may be the reason. Raises HostError.
    """
    if release.agreed is None:
        return False
    seen = all_facts(access, hosts, zone.database)
    return any(
        versions.is_due(front_end, release.version)
        and versions.goes_back(front_end.schema, front_end.staged_schema)
        for front_end in seen.values()
    ) and change_database(access, zone, min(seen), seen, release)


def change_database(
    access: Access, zone: ZoneSpec, leader: str, seen: Mapping[str, Facts], release: WantedVersion
) -> bool:
    """Change the database, if the staged packages need another version; return whether they do.

    Raises HostError.
    """
    due = {n: own for n, own in seen.items() if versions.is_due(own, release.version)}
    if all(front_end.staged_schema == front_end.schema for front_end in due.values()):
        return False
    for front_end in due.values():
        versions.agree(front_end, zone.database, release)
    change = VersionChange(leader, due[min(due)].staged, due[min(due)].staged_schema)
    for name, front_end in seen.items():
        if (front_end.staged, front_end.staged_schema) != (change.package, change.schema):
            raise HostError(
                name,
                "change the version of the database",
                expected=f"OpenNebula {change.package} to be staged on every server",
                seen=front_end.staged or "none",
                remedy="change the zone's front-ends before or after the upgrade, not with it",
            )
    if versions.goes_back(seen[leader].schema, change.schema):
        versions.kept_dump(seen, change.schema)
    _Changing(access, zone, seen, change).run()
    return True


@dataclass
class _Changing:
    access: Access
    zone: ZoneSpec
    facts: Mapping[str, Facts]
    change: VersionChange

    def __post_init__(self) -> None:
        self.facts = {n: own for n, own in self.facts.items() if own.has_content or own.upgrading}
        self.hosts = {name: front_end.host for name, front_end in self.facts.items()}

    def run(self) -> None:
        if not all(self.change.is_done(front_end) for front_end in self.facts.values()):
            try:
                self._stop_all()
                self._change_first()
            except HostError as error:
                self._abandon(error)
                raise
            self._change_others()
        self._start(takes_staged=True)

    def _stop_all(self) -> None:
        """Stop the followers first, so that the leader has the last records."""
        target = {"target": str(self.change)}
        on_each(self.hosts, lambda host: self.access.run(host, "begin_upgrade", variables=target))
        followers = dict(self.hosts)
        leader = followers.pop(self.change.leader, None)
        on_each(followers, lambda host: stop(self.access, host))
        if leader is not None:
            stop(self.access, leader)
        self._observe()

    def _observe(self) -> None:
        self.facts = all_facts(self.access, self.hosts, self.zone.database)

    def _source(self) -> str:
        """Return the server whose database is copied: an upgraded one, otherwise the newest."""
        return max(
            self.facts,
            key=lambda name: (
                self.change.has_database(self.facts[name]),
                bool(self.facts[name].migrating),
                self.facts[name].log_term,
                self.facts[name].log_index,
                name == self.change.leader,
            ),
        )

    def _change_first(self) -> None:
        front_end = self.facts[self._source()]
        if self.change.has_database(front_end):
            return
        servers = "\n".join(sorted(f"{entry.id} {entry.name}" for entry in front_end.pool))
        instead = ""
        if versions.goes_back(front_end.schema, self.change.schema):
            holder, instead = versions.kept_dump(self.facts, self.change.schema)
            front_end = self.facts[holder]
        kept = front_end.migrating or dump(
            self.access,
            front_end.host,
            self.zone,
            reason=versions.dump_reason(front_end.schema, self.change.schema),
            stop=True,
        )
        on_each(self.hosts, self._install)
        self.access.run(
            front_end.host,
            "upgrade_database",
            variables={
                "db_name": self.zone.database.name,
                "dump": kept,
                "instead": instead,
                "servers": servers,
            },
            timeout=3 * COPY,
        )
        self._observe()

    def _install(self, host: Host) -> None:
        if not self.change.has_packages(self.facts[host.name]):
            swap(self.access, host, start=False)

    def _change_others(self) -> None:
        on_each(self.hosts, self._install)
        source = self.hosts[self._source()]
        others = [own for own in self.facts.values() if not self.change.has_database(own)]
        ids = {name: front_end.server_id for name, front_end in self.facts.items()}
        reason = f"of-{self.change.schema}".replace("/", "_")
        seed(self.access, source, others, ids, self.zone, reason=reason, stop=True)

    def _start(self, *, takes_staged: bool) -> None:
        self.access.report(f"start {', '.join(self.hosts)} together")
        variables = {"takes_staged": "yes" if takes_staged else "no"}
        on_each(
            self.hosts,
            lambda host: self.access.run(host, "end_upgrade", variables=variables, timeout=RESTART),
        )
        if self.zone.highly_available:
            zone_leader.wait_for_leader(self.access, self.hosts)
        else:
            on_each(self.hosts, lambda host: answering(self.access, host))

    def _abandon(self, error: HostError) -> None:
        """Restore the former packages, if no database was upgraded yet."""
        try:
            self._observe()
            if any(self.change.has_database(own) or own.migrating for own in self.facts.values()):
                return
            self.access.report("the zone keeps its version")
            for name, front_end in self.facts.items():
                if front_end.package != front_end.replaced or front_end.swapping:
                    swap(self.access, self.hosts[name], folder="old", start=False)
            self._start(takes_staged=False)
        except HostError as another:
            raise HostErrors([error, another]) from None
