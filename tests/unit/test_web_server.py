"""TLS in front of FireEdge: which host makes the certificate, which get it, other differences."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from hosts.models import Host
from hosts.script import Output
from procedures.context import Access
from procedures.specs import WebSpec
from procedures.web_server.sites import site
from procedures.web_server.web_server import ensure, inspect, obsolete

HOSTS = {name: Host(name=name, address=f"10.0.0.{name[1:]}") for name in ("n1", "n2", "n3")}
NONE = "no private key in /k"


def spec(**changes: Any) -> WebSpec:
    given: dict[str, Any] = {
        "hosts": HOSTS,
        "server": "apache",
        "names": ("one.example.org", "10.2.50.86"),
        "key": "/k",
        "certchain": "/c",
        "generate": True,
    }
    return WebSpec(**{**given, **changes})


@dataclass
class Site:
    """Front-ends with web servers; a bundle is the name of its maker, and its names."""

    wanted: WebSpec
    bundles: dict[str, str] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    sites: dict[str, str] = field(default_factory=dict)
    off: set[str] = field(default_factory=set)
    done: list[str] = field(default_factory=list)

    def report(self, _: str) -> None:
        """Ignore all reports."""

    def run(self, host: Host, _: str, **given: Any) -> Output:
        name, action = host.name, given["variables"]["action"]
        if action == "look":
            known = name in self.bundles
            return Output(
                {
                    "fault": self.faults.get(name, "" if known else NONE),
                    "bundle": self.bundles.get(name, ""),
                    "site": self.sites.get(name, ""),
                    "linked": "yes",
                    "enabled": "enabled" if name in self.sites else "",
                    "active": "inactive" if name in self.off else "active",
                }
            )
        self.done.append(f"{name} {action}")
        if action == "make":
            if name not in self.bundles or self.faults.pop(name, ""):
                self.bundles[name] = f"by {name} {len(self.done)}"
            return Output({"sealed": f"sealed {self.bundles[name]}"})
        if action == "receive":
            self.bundles[name] = given["secrets"]["sealed"].removeprefix("sealed ")
            self.faults.pop(name, None)
        elif action == "serve":
            assert name in self.bundles
            self.sites[name] = given["variables"]["text"]
            self.off.discard(name)
        return Output({})

    def ensure(self) -> list[str]:
        """Return the actions; check that a second run has none."""
        ensure(cast(Access, self), self.wanted)
        done, self.done = sorted(self.done), []
        assert len(set(self.bundles.values())) == 1
        assert inspect(cast(Access, self), self.wanted) == ()
        ensure(cast(Access, self), self.wanted)
        assert self.done == []
        return done


def served(**changes: Any) -> Site:
    """Make a healthy web server with these changes."""
    wanted = spec()
    there = Site(wanted, dict.fromkeys(HOSTS, "one"), sites=dict.fromkeys(HOSTS, site(wanted)))
    for name, value in changes.items():
        getattr(there, name).update(value)
    return there


SERVED = ["n1 serve", "n2 serve", "n3 serve"]


def test_the_first_host_makes_the_certificate_and_the_others_get_it() -> None:
    assert Site(spec()).ensure() == [
        "n1 make",
        "n1 serve",
        "n2 receive",
        "n2 serve",
        "n3 receive",
        "n3 serve",
    ]


def test_healthy_web_servers_need_no_action() -> None:
    there = served()
    ensure(cast(Access, there), there.wanted)
    assert there.done == []


@pytest.mark.parametrize(
    ("changes", "differs", "done"),
    [
        (
            {"bundles": {"n1": "other"}},
            ("n1: another certificate than on n2",),
            ["n1 receive", "n1 serve", "n2 make"],
        ),
        (
            {"bundles": {"n3": ""}, "faults": {"n3": NONE}},
            (f"n3: {NONE}",),
            ["n1 make", "n3 receive", "n3 serve"],
        ),
        (
            {"faults": dict.fromkeys(HOSTS, "ends within a month")},
            tuple(f"{name}: ends within a month" for name in HOSTS),
            ["n1 make", *SERVED[:1], "n2 receive", "n2 serve", "n3 receive", "n3 serve"],
        ),
        ({"sites": {"n2": "by hand"}}, ("n2: another site",), ["n2 serve"]),
        ({"off": {"n2"}}, ("n2: stopped",), ["n2 serve"]),
    ],
)
def test_differences_are_named_and_repaired_from_a_healthy_host(
    changes: dict[str, Any], differs: tuple[str, ...], done: list[str]
) -> None:
    there = served(**changes)
    assert inspect(cast(Access, there), there.wanted) == differs
    assert there.ensure() == sorted(done)


def test_certificates_of_your_own_are_never_sent() -> None:
    there = Site(spec(generate=False), {"n1": "a", "n2": "b", "n3": "c"})
    ensure(cast(Access, there), there.wanted)
    assert sorted(there.done) == SERVED


def test_the_names_are_those_of_a_certificate() -> None:
    assert spec().alternative_names == "DNS:one.example.org,IP:10.2.50.86"


@pytest.mark.parametrize("server", ["apache", "nginx"])
def test_a_site_has_its_names_certificate_and_fireedge(server: str) -> None:
    text = site(spec(server=server))
    for part in ("one.example.org", "10.2.50.86", " /k", " /c", "127.0.0.1:2616", "/fireedge"):
        assert part in text
    assert text.count("{") == text.count("}")
    assert "{{" not in text


def test_with_an_ipv6_vip_it_serves_there_too() -> None:
    names = ("one.example.org", "10.2.50.86", "fd00:2:50::86")
    text = site(spec(server="nginx", names=names))
    for part in ("listen [::]:80;", "listen [::]:443 ssl;", " [fd00:2:50::86];"):
        assert part in text
    assert "[::]" not in site(spec(server="nginx"))
    assert "    ServerAlias 10.2.50.86 [fd00:2:50::86]\n" in site(spec(names=names))
    assert spec(names=names).alternative_names.endswith("IP:10.2.50.86,IP:fd00:2:50::86")


def test_another_kind_of_server_replaces_the_former_one_everywhere() -> None:
    before = spec()
    fewer = before.model_copy(update={"hosts": {"n1": HOSTS["n1"]}})
    other = before.model_copy(update={"server": "nginx" if before.server == "apache" else "apache"})
    assert [sorted(at) for _, at in obsolete(before, before)] == [[]]
    assert [sorted(at) for _, at in obsolete(before, fewer)] == [["n2", "n3"]]
    assert [sorted(at) for _, at in obsolete(before, other)] == [["n1", "n2", "n3"]]
