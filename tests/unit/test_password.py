"""A new password of oneadmin: interrupted at any step, logins work and the next run resumes."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hosts.errors import HostError
from hosts.models import Host
from hosts.script import Output
from opennebula.api import NotAuthenticatedError
from opennebula.zone import RaftStatus, ServerEntry, State, ZoneView, endpoint
from procedures import health, zone_leader
from procedures.context import Access
from procedures.credentials import password
from procedures.credentials.password import set_password
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
    """Three servers with one common user, and a file on each."""

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
        # The rule: no server refuses the password with which another one logs in.
        assert all(self.admits(line.partition(":")[2]) for line in self.files.values())


@dataclass
class Way:
    """The parts of an Access that the procedure needs, with one password."""

    site: Site
    one_pass: str

    @property
    def secrets(self) -> "Way":
        return self

    def report(self, _: str) -> None:
        """Ignore all reports."""

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
    """Make all three run; the first is the leader."""
    show(monkeypatch, HOSTS)
    monkeypatch.setattr(password, "zone_lock", _no_lock)
    monkeypatch.setattr(zone_leader, "wait_for_leader", lambda access, hosts: None)
    monkeypatch.setattr(zone_leader, "api_host", lambda view, hosts: hosts["n1"])


def show(
    monkeypatch: pytest.MonkeyPatch, names: Iterable[str], state: State = State.FOLLOWER
) -> None:
    """Make those the existing servers."""
    servers = [ServerEntry(n, name, endpoint(name)) for n, name in enumerate(sorted(names))]
    statuses = {one.name: RaftStatus(one.id, state, 1, 1, 1) for one in servers}
    whole = SimpleNamespace(servers=servers)
    monkeypatch.setattr(password, "zone_view", lambda access, hosts: ZoneView((), statuses))
    monkeypatch.setattr(health, "verify", lambda *_, **__: whole)


def run(site: Site, *, new: str = NEW, changed: bool = True) -> None:
    site.writes = 0
    set_password(cast(Access, Way(site, new)), ZONE, HOSTS, {}, changed=changed)


@pytest.mark.parametrize("steps", range(STEPS + 1))
def test_the_next_run_after_any_kill_ends_with_equal_passwords(steps: int) -> None:
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
def test_a_lost_state_does_not_leave_the_change_incomplete(steps: int) -> None:
    site = Site(last=steps)
    with pytest.raises(Killed):
        run(site)
    site.last = 99
    run(site, changed=False)
    assert (site.password, site.tokens) == (NEW, set())
    assert set(site.files.values()) == {f"oneadmin:{NEW}"}


def test_an_adopted_zone_keeps_its_password() -> None:
    site = Site()
    run(site, changed=False)
    assert (site.writes, site.password) == (0, OLD)


def test_a_standalone_front_end_needs_no_leader(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_leader(*_: Any) -> None:
        raise AssertionError("a solo oned is nobody's leader")

    show(monkeypatch, ["n1"], State.SOLO)
    monkeypatch.setattr(health, "verify", no_leader)
    monkeypatch.setattr(zone_leader, "wait_for_leader", no_leader)
    site = Site(files={"n1": f"oneadmin:{OLD}"})
    set_password(cast(Access, Way(site, NEW)), ZONE, {"n1": HOSTS["n1"]}, {}, changed=True)
    assert (site.password, site.tokens) == (NEW, set())
    assert site.files == {"n1": f"oneadmin:{NEW}"}


def test_a_failed_write_of_a_file_keeps_the_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    show(monkeypatch, [*HOSTS, "n4"])
    site = Site()
    with pytest.raises(HostError, match="n4: change oneadmin's password"):
        run(site)
    assert (site.writes, site.password) == (0, OLD)


def test_files_that_no_server_accepts_prove_nothing() -> None:
    site = Site(password="a third one")
    run(site)
    assert (site.writes, site.password) == (0, "a third one")


def test_a_password_that_no_token_can_have_is_refused_first() -> None:
    site = Site()
    with pytest.raises(HostError, match="without any of & < >") as caught:
        run(site, new="fish&chips")
    assert site.writes == 0
    assert "fish" not in str(caught.value)


def test_an_oned_that_is_being_stopped_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may accept the password, and end before the next question."""
    monkeypatch.setattr(Way, "has_password", lambda self, text: False)
    site = Site()
    way = cast("Access", Way(site, OLD))
    set_password(way, ZONE, HOSTS, {}, changed=False, stopping=HOSTS)
    assert site.writes == 0
