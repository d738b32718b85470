"""What a procedure works with: connections, secrets, and where to report progress."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from threading import Event
from typing import TYPE_CHECKING

from hosts.errors import HostError
from hosts.models import Host
from hosts.pool import Pool
from hosts.script import Output, Script
from opennebula.api import Api, OpenStream
from opennebula.zone import ServerEntry, named
from procedures.script_text import require_declared, script_text

if TYPE_CHECKING:
    from hosts.connection import Connection

API_PORT = 2633

Report = Callable[[str], None]
"""Called with what happens next, in a few words."""


@dataclass(frozen=True)
class Secrets:
    """The secrets of the stack's config."""

    one_pass: str = field(repr=False)
    db_password: str = field(repr=False)
    one_token: str | None = field(default=None, repr=False)
    ldap_passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By server."""

    def texts(self) -> tuple[str, ...]:
        """All of them, to be kept out of messages."""
        given = (self.one_pass, self.db_password, self.one_token, *self.ldap_passwords.values())
        return tuple(filter(None, given))


class _Values(dict[str, str]):
    """What a script gave. Raises HostError for what it did not give, although it ended well."""

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
    """The way to the hosts of one stack."""

    pool: Pool
    secrets: Secrets
    report: Report
    changes: Event = field(default_factory=Event, compare=False)
    """Set as soon as something may have been changed, on a host or in OpenNebula."""
    front_ends: Mapping[str, Host] = field(default_factory=dict, compare=False)
    """All that the stack has or had, by name: zone servers are called after them."""

    def named(self, pool: Collection[ServerEntry]) -> tuple[ServerEntry, ...]:
        """The zone's servers under their front-ends' names."""
        return named(pool, self.front_ends.values())

    def logging_in_with(self, one_pass: str) -> "Access":
        """The same with another password of oneadmin."""
        return replace(self, secrets=replace(self.secrets, one_pass=one_pass))

    def connection(self, host: Host) -> "Connection":
        """The connection to a host."""
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
        """Run one of this project's scripts on a host, or several as one.

        Raises HostError; ValueError for another set of variables or secrets than it declares.

        With ``lend_agent`` it may use the operator's agent, if the stack allows that.
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
        """The API of the oned on that host, through its SSH connection, or ``of`` another one."""
        connection = self.connection(host)
        stream: OpenStream = lambda: connection.open_stream(API_PORT, timeout, of)  # noqa: E731
        return Api(self.secrets.one_pass, stream, before_write=self.changes.set)
