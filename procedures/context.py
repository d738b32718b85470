"""The context of a procedure: connections, secrets, and progress reports."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Event
from typing import TYPE_CHECKING

from hosts.errors import HostError
from hosts.models import Host
from hosts.pool import Pool
from hosts.script import Output, Script
from opennebula.api import Api
from opennebula.zone import ServerEntry, named
from procedures.script_text import require_declared, script_text

if TYPE_CHECKING:
    from hosts.connection import Connection

API_PORT = 2633

Hosts = Mapping[str, Host]
"""Front-ends by name."""

Report = Callable[[str], None]
"""Called with the next step in a few words."""


@dataclass(frozen=True)
class Secrets:
    """The secrets of the stack's config."""

    one_pass: str = field(repr=False)
    db_password: str = field(repr=False)
    one_token: str | None = field(default=None, repr=False)
    ldap_passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Password by name of the LDAP server."""

    def texts(self) -> tuple[str, ...]:
        """Return all secrets, to keep them out of messages."""
        secrets = (self.one_pass, self.db_password, self.one_token, *self.ldap_passwords.values())
        return tuple(filter(None, secrets))


class _Values(dict[str, str]):
    """The values of a script. Raises HostError for one that the script did not report."""

    def __init__(self, host: str, step: str, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self._host = host
        self._step = step

    def __missing__(self, name: str) -> str:
        raise HostError(
            self._host,
            self._step,
            expected=f"'{name}' in the answer of the host",
            seen="an answer without it",
            remedy="look for programs on that host that are not those of the distribution, and for"
            " a login shell or sudo that changes what commands print; then run again",
        )


@dataclass(frozen=True)
class Access:
    """Access to the hosts of one stack."""

    pool: Pool
    secrets: Secrets
    report: Report
    changes: Event = field(default_factory=Event, compare=False)
    """Set before the first change, on a host or in OpenNebula."""
    front_ends: Hosts = field(default_factory=dict, compare=False)
    """All present and former front-ends of the stack, by name: zone servers have their names."""

    def named(self, pool: Collection[ServerEntry]) -> tuple[ServerEntry, ...]:
        """Return the zone's servers under the names of their front-ends."""
        return named(pool, self.front_ends.values())

    def logging_in_with(self, one_pass: str) -> "Access":
        """Return the same access with another password of oneadmin."""
        return replace(self, secrets=replace(self.secrets, one_pass=one_pass))

    def connection(self, host: Host) -> "Connection":
        """Return the connection to a host."""
        return self.pool.connection(host)

    def run(
        self,
        host: Host,
        *names: str,
        variables: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        exclusive: bool = True,
        timeout: float = 120.0,
        lend_agent: bool = False,
    ) -> Output:
        """Run one of this program's scripts on a host, or several in one execution.

        ``lend_agent``: the script may use the operator's SSH agent, if the stack allows that.
        Raises HostError, or ValueError for variables or secrets that the scripts do not declare.
        """
        variables, secrets = variables or {}, secrets or {}
        require_declared(names, variables, secrets)
        script = Script(
            title=names[0].replace("_", " "),
            body=script_text(*names),
            variables=variables,
            secrets=secrets,
            hidden=self.secrets.texts(),
            exclusive=exclusive,
            timeout=timeout,
        )
        connection = self.connection(host)
        if exclusive:
            self.changes.set()
        output = connection.run(
            script, lambda step: self.report(f"{host.name}: {step}"), lend_agent=lend_agent
        )
        return replace(output, values=_Values(host.name, script.title, output.values))

    def api(self, host: Host, timeout: float = 8.0, *, of: str = "127.0.0.1") -> Api:
        """Return the API of the oned on that host, through its SSH connection.

        ``of``: address of another host, whose oned is called from there.
        """
        connection = self.connection(host)
        stream = partial(connection.open_stream, API_PORT, timeout, of)
        return Api(self.secrets.one_pass, stream, before_write=self.changes.set)
