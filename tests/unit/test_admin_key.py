"""oneadmin's public key: set if it is missing, replaced only if the stack changes it."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from hosts.errors import HostError
from hosts.models import Host
from hosts.script import Output
from opennebula.api import ApiError
from procedures import zone_leader
from procedures.context import Access
from procedures.credentials import admin_key
from procedures.facts.facts import File
from procedures.install.files.collect import PUBLIC_KEY
from procedures.specs import ZoneSpec
from tests.unit.test_procedures import facts

ZONE = ZoneSpec(name="Main", endpoint="http://n1:2633/RPC2", highly_available=False)
HOST = Host(name="n1", address="10.0.0.1")
OWN, OTHER = "ssh-rsa AAAA oneadmin@n1", "ssh-ed25519 BBBB somebody"


@dataclass
class Way:
    """One oned, and the parts of an Access to it that procedures need."""

    key: str
    writes: list[str] = field(default_factory=list)
    refuses: bool = False

    def report(self, _: str) -> None:
        """Ignore all reports."""

    def run(self, host: Host, name: str, **given: Any) -> Output:
        assert (host, name, given["variables"]) == (HOST, "read_file", {"file": PUBLIC_KEY})
        return Output({"text": f"{OWN}\n"})

    def api(self, host: Host, timeout: float = 8) -> "Way":
        return self

    def public_key(self) -> str:
        if self.refuses:
            raise ApiError("no answer")
        return self.key

    def set_public_key(self, text: str) -> None:
        self.key = text
        self.writes.append(text)


def settle(way: Way, wanted: str, *, replace: bool) -> bool:
    return admin_key.set_public_key(cast(Access, way), ZONE, {"n1": HOST}, wanted, replace=replace)


@pytest.mark.parametrize(
    ("there", "wanted", "replace", "done", "written"),
    [
        ("", "leader", False, True, [OWN]),
        ("", OTHER, False, True, [OTHER]),
        (OWN, "leader", False, True, []),
        (OTHER, "leader", False, False, []),
        (OTHER, "leader", True, True, [OWN]),
        ("", f"{OTHER}\n  {OWN} \n\n{OTHER}\n", True, True, [f"{OTHER}\n{OWN}"]),
    ],
)
def test_a_missing_key_is_set_and_replaced_only_if_requested(
    there: str, wanted: str, replace: bool, done: bool, written: list[str]
) -> None:
    way = Way(there)
    assert settle(way, wanted, replace=replace) is done
    assert way.writes == written
    assert settle(way, wanted, replace=replace) is done
    assert way.writes == written


def test_an_oned_that_refuses_is_an_error_that_names_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(zone_leader, "WRITE", 0.2)
    with pytest.raises(HostError, match=r"n1: set oneadmin's public key: .* no answer"):
        settle(Way("", refuses=True), OTHER, replace=True)


@pytest.mark.parametrize(
    ("there", "wanted", "differs"),
    [(OWN, "leader", False), (OTHER, "leader", True), (OTHER, OTHER, False), ("", OTHER, True)],
)
def test_another_key_differs(there: str, wanted: str, differs: bool) -> None:
    seen = facts(files={PUBLIC_KEY: File(f"{OWN}\n", 0o644, "oneadmin:oneadmin")})
    assert admin_key.differs(cast(Access, Way(there)), seen, wanted) is differs
    assert not admin_key.differs(cast(Access, Way(there, refuses=True)), seen, wanted)
