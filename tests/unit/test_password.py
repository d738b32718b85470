"""Another password for oneadmin: interrupted at any step nobody is locked out, and it goes on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from hosts.connection import Host
from hosts.errors import HostError
from hosts.script import Output
from opennebula.api import NotAuthenticatedError
from procedures import password
from procedures.access import Access
from procedures.password import set_password
from procedures.specs import ZoneSpec

OLD, NEW = "old-one", "new-one"
ZONE = ZoneSpec(name="Main", endpoint="http://n1:2633/RPC2", highly_available=True)
HOSTS = {name: Host(name=name, address=f"10.0.0.{name[1:]}") for name in ("n1", "n2", "n3")}
STEPS = 5
"""Writes of a whole change: the token, three files, the password."""


class Killed(Exception):
    """The operator's process ends here."""


@dataclass
class Site:
    """Three servers with one user between them, and a file on each."""

    password: str = OLD
    tokens: set[str] = field(default_factory=set)
    files: dict[str, str] = field(default_factory=lambda: dict.fromkeys(HOSTS, f"oneadmin:{OLD}"))
    writes: int = 0
    last: int = 99

    def admits(self, text: str) -> bool:
        return text in {self.password, *self.tokens}

    def write(self, change: Callable[[], Any]) -> None:
        if self.writes == self.last:
            raise Killed
        self.writes += 1
        change()
        # The rule: no server refuses what another one logs in with.
        assert all(self.admits(line.partition(":")[2]) for line in self.files.values())


@dataclass
class Way:
    """What the procedure needs of an Access, with one password."""

    site: Site
    one_pass: str

    @property
    def secrets(self) -> "Way":
        return self

    def report(self, _: str) -> None:
        """Nobody listens."""

    def logging_in_with(self, one_pass: str) -> "Way":
        return Way(self.site, one_pass)

    def run(self, host: Host, name: str, **given: Any) -> Output:
        if name == "write_one_auth":
            line = given["secrets"]["one_auth"]
            self.site.write(lambda: self.site.files.update({host.name: line}))
        return Output({"one_auth": self.site.files[host.name]})

    def api(self, host: Host, timeout: float = 8) -> "Way":
        return self

    def raft_status(self) -> None:
        if not self.site.admits(self.one_pass):
            raise NotAuthenticatedError("no")

    def admit(self, text: str) -> bool:
        self.raft_status()
        self.site.write(lambda: self.site.tokens.add(text))
        return True

    def has_password(self, text: str) -> bool:
        return self.site.password == text

    def set_password(self, text: str) -> None:
        self.raft_status()

        def change() -> None:
            self.site.password = text
            self.site.tokens.clear()

        self.site.write(change)


@contextmanager
def _no_lock(*_: Any) -> Iterator[None]:
    yield


@pytest.fixture(autouse=True)
def _whole_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(password, "zone_lock", _no_lock)
    monkeypatch.setattr(password, "_whole", lambda way, zone, hosts, awake: hosts)
    monkeypatch.setattr(password, "_head", lambda access, members: members["n1"])


def run(site: Site, *, new: str = NEW, changed: bool = True) -> None:
    site.writes = 0
    set_password(cast(Access, Way(site, new)), ZONE, HOSTS, {}, changed=changed)


@pytest.mark.parametrize("steps", range(STEPS + 1))
def test_killed_after_any_step_the_next_run_ends_in_step(steps: int) -> None:
    site = Site(last=steps)
    try:
        run(site)
        assert steps == STEPS
    except Killed:
        assert steps < STEPS
    site.last = 99
    run(site)
    assert (site.password, site.tokens) == (NEW, set())
    assert set(site.files.values()) == {f"oneadmin:{NEW}"}
    run(site)
    assert site.writes == 0


@pytest.mark.parametrize("steps", range(1, STEPS))
def test_a_lost_state_is_no_reason_to_leave_it_half_done(steps: int) -> None:
    site = Site(last=steps)
    with pytest.raises(Killed):
        run(site)
    site.last = 99
    run(site, changed=False)
    assert (site.password, site.tokens) == (NEW, set())
    assert set(site.files.values()) == {f"oneadmin:{NEW}"}


def test_a_zone_that_is_taken_over_keeps_its_password() -> None:
    site = Site()
    run(site, changed=False)
    assert (site.writes, site.password) == (0, OLD)


def test_files_that_no_server_lets_in_prove_nothing() -> None:
    site = Site(password="a third one")
    run(site)
    assert (site.writes, site.password) == (0, "a third one")


def test_a_password_that_no_login_token_can_have_is_refused_before_anything_is_done() -> None:
    site = Site()
    with pytest.raises(HostError, match="without any of & < >") as caught:
        run(site, new="fish&chips")
    assert site.writes == 0
    assert "fish" not in str(caught.value)
