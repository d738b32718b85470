"""What a procedure works with: connections, secrets, and somebody to tell how far it is."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, TypeVar

from hosts.connection import Host
from hosts.errors import HostError
from hosts.pool import Pool
from hosts.script import Output, Script
from opennebula.api import Api, OpenStream
from procedures.script_text import script_text

if TYPE_CHECKING:
    from hosts.session import Session

API_PORT = 2633

Report = Callable[[str], None]
"""Is told, in a few words, what happens next."""

T = TypeVar("T")
K = TypeVar("K")


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


@dataclass(frozen=True)
class Access:
    """The way to the hosts of one stack."""

    pool: Pool
    secrets: Secrets
    report: Report
    changes: Event = field(default_factory=Event, compare=False)
    """Set as soon as something may have been changed, on a host or in OpenNebula."""

    def logging_in_with(self, one_pass: str) -> "Access":
        """The same with another password of oneadmin."""
        return replace(self, secrets=replace(self.secrets, one_pass=one_pass))

    def session(self, host: Host) -> "Session":
        """The connection to a host."""
        return self.pool.session(host)

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
        """Run one of this project's scripts on a host, or several as one. Raises HostError.

        With ``lend_agent`` it may use the operator's agent, if the stack allows that.
        """
        script = Script(
            title=names[0].replace("_", " "),
            body=script_text(*names),
            variables=variables or {},
            secrets=secrets or {},
            hidden=self.secrets.texts(),
            exclusive=exclusive,
            timeout=timeout,
        )
        session = self.session(host)
        if exclusive:
            self.changes.set()
        return session.run(
            script, lambda step: self.report(f"{host.name}: {step}"), lend_agent=lend_agent
        )

    def api(self, host: Host, timeout: float = 8.0, *, of: str = "127.0.0.1") -> Api:
        """The API of the oned on that host, through its SSH connection, or ``of`` one beside it."""
        session = self.session(host)
        stream: OpenStream = lambda: session.open_stream(API_PORT, timeout, of)  # noqa: E731
        return Api(self.secrets.one_pass, stream, before_write=self.changes.set)


class HostErrors(HostError):
    """Several hosts failed in the same step; says each of them."""

    def __init__(self, errors: list[HostError]) -> None:
        self.errors = errors
        first = errors[0]
        super().__init__(
            first.host, first.step, expected=first.expected, seen=first.seen, remedy=first.remedy
        )

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


def on_each(hosts: Mapping[str, Host], work: Callable[[Host], T]) -> dict[str, T]:
    """Do that on all those hosts at once, to the end; raises as ``side_by_side`` does."""
    return side_by_side({name: partial(work, host) for name, host in hosts.items()})


def side_by_side(work: Mapping[K, Callable[[], T]]) -> dict[K, T]:
    """Do all of it at once, to the end; raises HostErrors if any of it raised HostError."""
    if not work:
        return {}
    with ThreadPoolExecutor(max_workers=len(work)) as workers:
        futures = {key: workers.submit(task) for key, task in work.items()}
    errors = [error for future in futures.values() if (error := future.exception())]
    known = [error for error in errors if isinstance(error, HostError)]
    for error in errors:
        if not isinstance(error, HostError):
            raise error
    if len(known) == 1:
        raise known[0]
    if known:
        raise HostErrors(known)
    return {key: future.result() for key, future in futures.items()}
