"""One look at the whole zone for all who want to know: each host is asked once."""

import threading
from collections.abc import Mapping
from functools import cached_property

from hosts.errors import HostError
from hosts.models import Host
from opennebula.zone import State, ZoneView
from procedures.context import Access
from procedures.facts.facts import Facts
from procedures.facts.observe import facts, zone_view
from procedures.parallel import on_each
from procedures.specs import Database
from procedures.wait import repeat

ELECTION = 12.0
"""Seconds without a leader that are nothing but an election: 5 s of silence, and a split vote."""


class FactsCache:
    """The facts of every host, checksums and all, and the zone as its endpoints see it."""

    def __init__(self, access: Access, hosts: Mapping[str, Host], database: Database) -> None:
        self.hosts = hosts
        self.database = database
        self._access = access
        self._lock = threading.RLock()

    def facts_of(self, host: Host) -> Facts:
        """One host's, also if it is not among the others. Raises HostError without an answer."""
        with self._lock:
            found = self._answers.get(host.name) or self._ask(host)
        if isinstance(found, HostError):
            raise found
        return found

    def all_facts(self) -> dict[str, Facts]:
        """Everybody's. Raises HostError where one did not answer."""
        return {name: self.facts_of(host) for name, host in self.hosts.items()}

    def known_facts(self) -> dict[str, Facts]:
        """Those of the hosts that answered, and whose database did."""
        with self._lock:
            answers = self._answers
        return {
            name: answer
            for name, answer in answers.items()
            if isinstance(answer, Facts) and not answer.silent
        }

    def view(self) -> ZoneView:
        """The zone. Raises HostError where oned refuses the stack's password."""
        with self._lock:
            return self._view

    @cached_property
    def _answers(self) -> dict[str, Facts | HostError]:
        return on_each(self.hosts, self._ask)

    @cached_property
    def _view(self) -> ZoneView:
        view = ZoneView((), {})

        def look() -> bool | None:
            nonlocal view
            view = zone_view(self._access, self.hosts)
            electing = any(status.state is not State.SOLO for status in view.statuses.values())
            return None if electing and not view.leader() else True

        repeat(look, ELECTION)
        return view

    def _ask(self, host: Host) -> Facts | HostError:
        try:
            return facts(
                self._access,
                host,
                self.database,
                checksums=True,
                names=self.hosts,
                even_silent=True,
            )
        except HostError as error:
            return error
