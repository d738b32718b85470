"""The facts of all hosts and the zone, observed once for all resources."""

import threading
from collections.abc import Mapping
from functools import cached_property

from hosts.errors import HostError
from hosts.models import Host
from opennebula.zone import ZoneView
from procedures.context import Access
from procedures.facts.facts import Facts
from procedures.facts.observe import elected_view, facts
from procedures.parallel import on_each
from procedures.specs import Database


class FactsCache:
    """The facts of every host with checksums, and the zone. Each host is observed once."""

    def __init__(self, access: Access, hosts: Mapping[str, Host], database: Database) -> None:
        self.hosts = hosts
        self.database = database
        self._access = access
        self._lock = threading.RLock()

    def facts_of(self, host: Host) -> Facts:
        """Return the facts of any host. Raises HostError if it does not answer."""
        with self._lock:
            answer = self._answers.get(host.name) or self._ask(host)
        if isinstance(answer, HostError):
            raise answer
        return answer

    def all_facts(self) -> dict[str, Facts]:
        """Return the facts of all hosts. Raises HostError if one does not answer."""
        return {name: self.facts_of(host) for name, host in self.hosts.items()}

    def known_facts(self) -> dict[str, Facts]:
        """Return the facts of the hosts that answer, and whose database does."""
        with self._lock:
            answers = self._answers
        return {
            name: answer
            for name, answer in answers.items()
            if isinstance(answer, Facts) and not answer.silent
        }

    def view(self) -> ZoneView:
        """Return the zone. Raises HostError if oned rejects the stack's password."""
        with self._lock:
            return self._view

    @cached_property
    def _answers(self) -> dict[str, Facts | HostError]:
        return on_each(self.hosts, self._ask)

    @cached_property
    def _view(self) -> ZoneView:
        return elected_view(self._access, self.hosts)

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
