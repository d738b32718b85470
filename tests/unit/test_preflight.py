"""Preflight: facts in, faults out; and which hosts are checked, when and how."""

import re
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any, cast

import pytest
from pydantic import TypeAdapter, ValidationError

from hosts.errors import HostError
from hosts.models import Host
from hosts.script import Output
from opennebula import families
from procedures.context import Access, Secrets
from procedures.facts.facts import Address, Dump, Facts, Package, Unit
from procedures.parallel import HostErrors
from procedures.preflight.checks import SKIPPABLE, findings
from procedures.preflight.checks.host import GIB, MIB, PATHS
from procedures.preflight.checks.renamed import renamed
from procedures.preflight.context import Finding, HostReport, Site, StackChange, Weight
from procedures.preflight.preflight import preflight
from procedures.preflight.probe import ClockReading, Listener, Probe, Room, read_probe
from procedures.preflight.zone_preflight import ZoneChange
from procedures.script_text import script_text
from procedures.specs import PreflightSpec, PreparedSpec, Vip, ZoneSpec
from settings.forms import CheckName
from tests.unit.test_procedures import facts

NAMES = ("n1a1", "n1a2", "n1a3")
VIP = "10.2.50.86"
STRANGER = "02:00:00:00:00:99"
ANY = "0.0.0.0"
SSHD = Listener("sshd", (ANY, "[::]"))
FEATURES = ("gui", "flow")
PORTS = (22, 2633, 2634, 2616, 2474)
POOL = "".join(
    f"<SERVER><ID>{number}</ID><NAME>{name}</NAME><ENDPOINT/></SERVER>"
    for number, name in enumerate(NAMES)
)


def address(name: str) -> str:
    return f"10.2.50.{9 + int(name[-1])}"


def mac(name: str) -> str:
    return f"02:00:00:00:00:0{name[-1]}"


def spec(*names: str, **changes: Any) -> PreflightSpec:
    names = names or NAMES
    given: dict[str, Any] = {
        "hosts": {name: Host(name=name, address=address(name)) for name in names},
        "version": "7.2",
        "features": FEATURES,
        "reachable": FEATURES,
        "vips": {name: (Vip(address=VIP, prefix=24, interface="eth0"),) for name in names},
    }
    return PreflightSpec(**{**given, **changes})


def with_vip(at: str = VIP, interface: str = "eth0") -> dict[str, tuple[Vip, ...]]:
    return {name: (Vip(address=at, prefix=24, interface=interface),) for name in NAMES}


def bare(name: str = "n1a1", **changes: Any) -> Probe:
    """Make a blank host without a fault."""
    given: dict[str, Any] = {
        "distribution": "debian",
        "release": "12",
        "clock": ClockReading(-0.1, 0.1),
        "memory": 8 * GIB,
        "room": {path: Room("/", 20 * GIB) for path in PATHS},
        "macs": frozenset({mac(name)}),
        "listening": {22: SSHD},
        "reached": {
            (address(other), port): "open" if port == 22 else "Connection refused"
            for other in NAMES
            if other != name
            for port in PORTS
        },
    }
    return Probe(**{**given, **changes})


def blank(name: str = "n1a1", **changes: Any) -> Facts:
    given: dict[str, Any] = {
        "addresses": (Address("lo", "127.0.0.1", 8), Address("eth0", address(name), 24)),
        "resolves": {other: address(other) for other in NAMES},
        "packages": {},
        "active": False,
        "has_content": False,
        "oned_conf": "",
        "units": {},
        "keys": {},
        "grants": (),
        **changes,
    }
    return facts(name, **given)


def settled(name: str = "n1a1", **changes: Any) -> Facts:
    """Make the facts of a running server."""
    body = f"<ZONE><SERVER_POOL>{POOL}</SERVER_POOL></ZONE>"
    return blank(name, **{"has_content": True, "active": True, "zone_body": body, **changes})


Looks = Mapping[str, HostReport | HostError]


def looks(
    at_work: bool = False, **changes: HostReport | HostError | None
) -> dict[str, HostReport | HostError]:
    """Make all hosts healthy, with these changes; None: a host that is not asked."""
    known = settled if at_work else blank
    well: dict[str, HostReport | HostError | None] = {
        name: HostReport(bare(name), known(name)) for name in NAMES
    }
    return {name: one for name, one in {**well, **changes}.items() if one is not None}


OBSERVED = {field.name for field in fields(Probe)}


def seen(name: str, known: Callable[..., Facts] = blank, **changes: Any) -> HostReport:
    """Make a blank host with other observations, or with other facts."""
    probe = {key: value for key, value in changes.items() if key in OBSERVED}
    others = {key: value for key, value in changes.items() if key not in OBSERVED}
    return HostReport(bare(name, **probe), known(name, **others))


def odd(**changes: Any) -> dict[str, HostReport | HostError]:
    """Make healthy hosts, of which n1a2 is like that."""
    return looks(n1a2=seen("n1a2", **changes))


def working(name: str, **changes: Any) -> HostReport:
    """Make a running server with other observations, or with other facts."""
    return seen(name, settled, **changes)


def unheard(name: str, *answers: tuple[str, int, str]) -> dict[tuple[str, int], str]:
    """Return what a host reaches if others answer it otherwise: name, port, and what it sees."""
    changed = {(address(other), port): said for other, port, said in answers}
    return {**bare(name).reached, **changed}


def site(
    answers: Looks, wanted: PreflightSpec | None = None, before: PreflightSpec | None = None
) -> Site:
    return Site(
        StackChange(wanted or spec(), before),
        seen={name: one for name, one in answers.items() if isinstance(one, HostReport)},
        silent={name: one for name, one in answers.items() if isinstance(one, HostError)},
        ssh=dict.fromkeys(NAMES, 22),
    )


def unreachable(name: str) -> HostError:
    return HostError(name, "connect", expected="an SSH server", seen="silence", remedy="look")


def only(found: list[Finding]) -> HostError:
    assert len(found) == 1, [str(one.error) for one in found]
    assert found[0].weight is Weight.REFUSAL
    return found[0].error


def test_healthy_hosts_have_no_findings() -> None:
    assert findings(site(looks())) == []


# Each check by itself: the fault, its host, and the words of the message.


UNREACHED = (
    "n1a2: check that the front-ends reach each other: expected an answer at 10.2.50.11 to n1a1,"
    " saw from n1a1 to n1a2 port"
)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (
            looks(n1a2=unreachable("n1a2")),
            "n1a2: connect: expected an SSH server, saw silence",
        ),
        (
            odd(distribution="slackware", release="15.0"),
            "n1a2: choose the package repository: expected one that OpenNebula 7.2 has packages"
            f" for: {families.supported('7.2')}, saw slackware 15.0",
        ),
        (
            looks(n1a2=HostReport(bare("n1a2", distribution="", release=""), None)),
            "n1a2: choose the package repository: expected one that OpenNebula 7.2 has packages"
            f" for: {families.supported('7.2')}, saw a system without /etc/os-release",
        ),
        (
            looks(n1a2=HostReport(bare("n1a2", has_systemd=False), None)),
            "n1a2: check for systemd: expected a system that was booted with systemd, saw no"
            " /run/systemd/system",
        ),
        (
            odd(memory=400 * MIB),
            "n1a2: check the memory: expected 512 MiB for a front-end, saw 400 MiB",
        ),
        (
            odd(room={path: Room("/", 3 * GIB) for path in PATHS}),
            "n1a2: check the free space: expected 3.5 GiB of free space on / (1.5 GiB in /usr:"
            " packages, 512 MiB in /var/cache: downloaded packages, 1.0 GiB in /var/lib/mysql: the"
            " database, 512 MiB in /var/backups: dumps), saw 3.0 GiB",
        ),
        (
            odd(
                room={
                    **bare().room,
                    "/var/lib/mysql": Room("/data", 100 * MIB),
                    "/var/backups": Room("/data", 100 * MIB),
                }
            ),
            "n1a2: check the free space: expected 1.5 GiB of free space on /data (1.0 GiB in"
            " /var/lib/mysql: the database, 512 MiB in /var/backups: dumps), saw 100 MiB",
        ),
        (
            looks(n1a3=seen("n1a3", clock=ClockReading(44.8, 45.4))),
            "n1a3: compare the clocks: expected at most 30 s between the front-ends, saw n1a1"
            " +0.0 s (± 0.1 s), n1a2 +0.0 s (± 0.1 s), n1a3 +45.1 s (± 0.3 s)",
        ),
        (
            looks(n1a1=seen("n1a1", clock=ClockReading(-70, -69))),
            "n1a1: compare the clocks: expected at most 30 s between the front-ends, saw n1a1"
            " -69.5 s (± 0.5 s), n1a2 +0.0 s (± 0.1 s), n1a3 +0.0 s (± 0.1 s)",
        ),
        (
            odd(listening={22: SSHD, 2633: Listener("nginx", ("127.0.0.1",)), 80: SSHD}),
            "n1a2: check that the ports of its services are free: expected 2633 free for"
            " opennebula, saw nginx at 2633",
        ),
        (
            odd(listening={22: SSHD, 3306: Listener("mysqld", ("127.0.0.1",))}),
            "n1a2: check that the ports of its services are free: expected 3306 free for MariaDB,"
            " saw mysqld at 3306",
        ),
        (
            looks(n1a1=seen("n1a1", reached=unheard("n1a1", ("n1a2", 2633, "no answer")))),
            f"{UNREACHED} 2633 (oned): no answer",
        ),
        (
            looks(
                n1a1=seen(
                    "n1a1",
                    reached=unheard(
                        "n1a1",
                        ("n1a2", 2616, "No route to host"),
                        ("n1a2", 2474, "No route to host"),
                    ),
                )
            ),
            f"{UNREACHED} 2616 (opennebula-fireedge), 2474 (opennebula-flow): No route to host",
        ),
        (
            # A process listens there: the host itself does not refuse.
            looks(
                n1a2=seen(
                    "n1a2",
                    listening={22: SSHD, 2616: Listener("node", (ANY,))},
                    packages={"opennebula-fireedge": Package("7.2.0-1")},
                ),
                n1a3=seen("n1a3", reached=unheard("n1a3", ("n1a2", 2616, "open"))),
            ),
            f"{UNREACHED} 2616 (opennebula-fireedge): Connection refused",
        ),
        (
            # sshd must be running by now.
            looks(
                n1a1=seen(
                    "n1a1",
                    reached=unheard("n1a1", ("n1a2", 22, "Connection refused")),
                ),
                n1a2=seen("n1a2", listening={22: Listener("sshd", ("10.9.0.2",))}),
            ),
            f"{UNREACHED} 22 (sshd): Connection refused",
        ),
        (
            # Nothing passes: this is reported once, not again for each service.
            looks(
                n1a1=seen(
                    "n1a1",
                    reached={
                        (address(other), port): "no answer" if other == "n1a2" else "open"
                        for other in NAMES[1:]
                        for port in PORTS
                    },
                )
            ),
            f"{UNREACHED} 22 (sshd), 2633 (oned): no answer",
        ),
        (
            odd(addresses=(Address("ens3", "9.9.9.9", 8),)),
            "n1a2: check the VIP's interface: expected interface eth0 with an address in"
            " 10.2.50.0/24, saw ens3 9.9.9.9/8",
        ),
        (
            odd(addresses=()),
            "n1a2: check the VIP's interface: expected interface eth0 with an address in"
            " 10.2.50.0/24, saw no address at all",
        ),
        (
            odd(addresses=(Address("eth0", VIP, 24),)),
            "n1a2: check the VIP's interface: expected interface eth0 with an address in"
            f" 10.2.50.0/24, saw eth0 {VIP}/24",
        ),
        (
            looks(
                n1a1=seen("n1a1", neighbours={VIP: STRANGER}),
                n1a3=seen("n1a3", neighbours={VIP: STRANGER}),
            ),
            f"n1a1, n1a3: check that the VIP is free: expected no other host at {VIP}, saw"
            f" {STRANGER} there, which is not a front-end",
        ),
    ],
)
def test_a_check_reports_its_fault(answers: Looks, message: str) -> None:
    error = only(findings(site(answers)))
    assert str(error) == f"{message}\n  what to do: {error.remedy}"
    assert error.remedy


@pytest.mark.parametrize(
    ("answers", "weight", "said"),
    [
        (odd(memory=1700 * MIB), Weight.WARNING, "1.7 GiB"),
        (odd(is_enforcing=True), Weight.WARNING, "SELinux enforcing"),
        (odd(has_apparmor=True), Weight.NOTE, "AppArmor on"),
        (odd(clock=ClockReading(2.2, 3.2)), Weight.WARNING, "n1a2 +2.7 s"),
    ],
)
def test_a_fault_that_prevents_nothing_is_a_warning(
    answers: Looks, weight: Weight, said: str
) -> None:
    (found,) = findings(site(answers))
    assert (found.error.host, found.weight) == ("n1a2", weight)
    assert said in found.error.seen


@pytest.mark.parametrize(
    "answers",
    [
        # A machine of 2 GiB reports a little less.
        odd(memory=1900 * MIB),
        # A slow answer may explain the same difference between clocks.
        odd(clock=ClockReading(-1.0, 60.0)),
        odd(clock=ClockReading(2.0, 2.2)),
        # A file system that hangs.
        odd(room={}),
        # A service of the host, where no service of ours will listen.
        odd(listening={22: SSHD, 8080: Listener("java", ("*",))}),
        # OpenNebula's own, of a run that was interrupted.
        odd(
            listening={22: SSHD, 2616: Listener("node", ("127.0.0.1",))},
            packages={"opennebula-fireedge": Package("7.2.0-1")},
        ),
        # It listens only for the host itself: the host refuses others.
        odd(
            listening={22: SSHD, 2474: Listener("ruby", ("127.0.0.1", "[::1]"))},
            packages={"opennebula-flow": Package("7.2.0-1")},
        ),
        # The same if it listens only at the VIP.
        odd(
            listening={22: SSHD, 2474: Listener("ruby", (VIP,))},
            packages={"opennebula-flow": Package("7.2.0-1")},
        ),
        # A front-end has it.
        looks(n1a1=seen("n1a1", neighbours={VIP: mac("n1a3")})),
    ],
)
def test_a_normal_state_is_not_a_fault(answers: Looks) -> None:
    assert findings(site(answers)) == []


PREPARED = PreparedSpec(
    accounts=("ubuntu",),
    mount_points=("/mnt/one",),
    servers=("nfs.example.org 2049",),
    shares=("nfs ro,fg,retry=0,nolock nfs.example.org:/one",),
    key="/etc/ssl/own.key",
    certchain="/etc/x.pem",
)


@pytest.mark.parametrize(
    ("observed", "message"),
    [
        (
            {"missing": (("account", "ubuntu"),)},
            "n1a2: check the accounts: expected an account ubuntu, saw none",
        ),
        (
            {"missing": (("program", "/usr/local/bin/lead"),)},
            "n1a2: check the Raft hooks: expected /usr/local/bin/lead, which can be run, saw no"
            " executable file",
        ),
        (
            {"missing": (("timezone", "Mars/Olympus"),)},
            "n1a2: check the time zone: expected the time zone Mars/Olympus, saw no such"
            " zone in /usr/share/zoneinfo",
        ),
        (
            {"missing": (("source", "/srv/one"),)},
            "n1a2: check the shares: expected /srv/one, which a share or a datastore uses, saw"
            " none",
        ),
        (
            {"reached": {**bare("n1a2").reached, ("nfs.example.org", 2049): "no answer"}},
            "n1a2: check the shares: expected an answer of the server nfs.example.org at port 2049,"
            " saw no answer",
        ),
        (
            {"refused_shares": {"nfs.example.org:/one": "mount.nfs: access denied by server"}},
            "n1a2: check the shares: expected nfs.example.org:/one to be mounted, saw mount.nfs:"
            " access denied by server",
        ),
        (
            # Of a server that does not answer, nothing else is reported.
            {
                "reached": {**bare("n1a2").reached, ("nfs.example.org", 2049): "no answer"},
                "refused_shares": {"nfs.example.org:/one": "not complete after 20 s"},
            },
            "n1a2: check the shares: expected an answer of the server nfs.example.org at port 2049,"
            " saw no answer",
        ),
        (
            {"blocked_mounts": {"/mnt/one": "/mnt/one/old"}},
            "n1a2: check the mount point /mnt/one: expected an empty folder to mount on, and no"
            " other line for it in /etc/fstab, saw /mnt/one/old",
        ),
        (
            {"blocked_links": {"/var/lib/one/datastores/1": "a link to /srv"}},
            "n1a2: check the link /var/lib/one/datastores/1: expected no other link, and no files"
            " in its place, saw a link to /srv",
        ),
        (
            {"certificate_fault": "no private key in /etc/ssl/own.key"},
            "n1a2: check the web server's certificate: expected a private key in /etc/ssl/own.key,"
            " and the certificate for it with its chain in /etc/x.pem, saw no private key in"
            " /etc/ssl/own.key",
        ),
    ],
)
def test_what_operators_prepare_is_checked_before_any_host_changes(
    observed: dict[str, Any], message: str
) -> None:
    wanted = spec(prepared=PREPARED)
    error = only(findings(site(odd(**observed), wanted)))
    assert str(error) == f"{message}\n  what to do: {error.remedy}"
    # Nothing is written on the servers of a zone that is adopted.
    servers = {
        name: working(
            name, **observed, identity="zone", oned_conf=f"FEDERATION = [ SERVER_ID = {number} ]"
        )
        for number, name in enumerate(NAMES)
    }
    assert findings(site(servers, wanted)) == []


def test_preparations_are_checked_on_new_hosts_and_if_they_change() -> None:
    grown = StackChange(spec(prepared=PREPARED), spec("n1a1", "n1a2", prepared=PREPARED))
    assert grown.prepared_on("n1a1") == PreparedSpec()
    assert grown.prepared_on("n1a3") == PREPARED
    # Only what is new to the stack: a fault of something else must not block a repair.
    more = PREPARED.model_copy(
        update={
            "accounts": ("alice", "ubuntu"),
            "sources": ("/srv/one",),
            "servers": (*PREPARED.servers, "smb 445"),
            "shares": (*PREPARED.shares, "cifs ro //smb/one"),
            "links": {"1": "/mnt/one"},
            "timezone": "UTC",
        }
    )
    changed = StackChange(spec(prepared=more), spec(prepared=PREPARED))
    assert changed.prepared_on("n1a1") == PreparedSpec(
        accounts=("alice",),
        sources=("/srv/one",),
        servers=("smb 445",),
        shares=("cifs ro //smb/one",),
        links={"1": "/mnt/one"},
        timezone="UTC",
    )
    fewer = StackChange(spec(prepared=PreparedSpec()), spec(prepared=PREPARED))
    assert fewer.prepared_on("n1a1") == PreparedSpec()
    # A state of an earlier version does not list it.
    earlier = StackChange(spec(prepared=PREPARED), spec())
    assert earlier.prepared_on("n1a1") == PreparedSpec()
    assert StackChange(spec(), None).prepared_on("n1a1") == PreparedSpec()


def test_the_clock_that_differs_from_most_is_wrong() -> None:
    answers = looks(
        n1a1=seen("n1a1", clock=ClockReading(100, 100.2)),
        n1a2=seen("n1a2", clock=ClockReading(100, 100.2)),
    )
    assert only(findings(site(answers))).host == "n1a3"


@pytest.mark.parametrize(
    ("ensure_hosts", "sources", "resolves", "remedy"),
    [
        # The names are resolved: each must be right.
        (False, ("files", "dns"), {"n1a3": "10.2.50.99 10.2.50.12"}, "ensure_hosts: true"),
        (False, ("files", "dns"), {"n1a3": ""}, "ensure_hosts: true"),
        # They are written to /etc/hosts: only sources with precedence can conflict.
        (True, ("dns", "files"), {"n1a3": "10.2.50.99"}, "/etc/nsswitch.conf"),
        (True, ("dns",), {"n1a3": ""}, "/etc/nsswitch.conf"),
        (True, ("myhostname", "files"), {"n1a3": "10.2.50.99"}, "/etc/nsswitch.conf"),
        (True, ("files", "dns"), {"n1a3": "10.2.50.99"}, None),
        (True, ("resolve", "files"), {"n1a3": "10.2.50.99"}, None),
        (True, ("mymachines", "resolve", "files", "dns"), {"n1a3": "10.2.50.99"}, None),
        (True, ("dns", "files"), {}, None),
        (True, ("dns", "files"), {"n1a3": ""}, None),
    ],
)
def test_names_resolve_everywhere_to_the_configured_addresses(
    ensure_hosts: bool, sources: tuple[str, ...], resolves: dict[str, str], remedy: str | None
) -> None:
    known = {name: at for name, at in {**blank().resolves, **resolves}.items() if at}
    answers = odd(name_sources=sources, resolves=known)
    found = findings(site(answers, spec(ensure_hosts=ensure_hosts)))
    if remedy is None:
        assert found == []
    else:
        error = only(found)
        assert (error.host, error.expected) == ("n1a2", "n1a3 at 10.2.50.12")
        assert error.seen == f"n1a3 at {resolves['n1a3'].split(' ')[0] or 'no address'}"
        assert remedy in error.remedy


def test_all_faults_of_all_hosts_are_found_at_once() -> None:
    wrong = looks(
        n1a1=seen("n1a1", memory=100 * MIB, neighbours={VIP: STRANGER}, addresses=(), resolves={}),
        n1a2=seen("n1a2", distribution="slackware", clock=ClockReading(-100, -99)),
        n1a3=unreachable("n1a3"),
    )
    found = findings(site(wrong, spec(ensure_hosts=False)))
    assert [(one.error.host, one.error.step) for one in found] == [
        ("n1a1", "check that the VIP is free"),
        ("n1a1", "check the VIP's interface"),
        ("n1a1", "check the memory"),
        ("n1a1", "resolve the front-ends' names"),
        ("n1a1, n1a2", "compare the clocks"),
        ("n1a2", "choose the package repository"),
        ("n1a3", "connect"),
    ]


def test_a_bastion_that_is_down_is_reported_once() -> None:
    gate = unreachable("gate")
    assert only(findings(site(looks(n1a1=gate, n1a2=gate, n1a3=gate)))).host == "gate"


@pytest.mark.parametrize(
    ("check", "answers", "wanted"),
    [
        ("clock", looks(n1a3=seen("n1a3", clock=ClockReading(45, 45.1))), spec()),
        ("disk", looks(n1a3=seen("n1a3", room={"/usr": Room("/", 0)})), spec()),
        ("interface", looks(n1a3=seen("n1a3", addresses=())), spec()),
        (
            "listeners",
            looks(n1a3=seen("n1a3", listening={2633: Listener("nginx", ("127.0.0.1",))})),
            spec(),
        ),
        ("memory", looks(n1a3=seen("n1a3", memory=MIB)), spec()),
        (
            "names",
            looks(n1a3=seen("n1a3", resolves={})),
            spec(ensure_hosts=False),
        ),
        (
            "ports",
            looks(n1a3=seen("n1a3", reached={(address("n1a1"), 2633): "no answer"})),
            spec(),
        ),
        (
            "service_ports",
            looks(n1a3=seen("n1a3", reached=unheard("n1a3", ("n1a1", 2616, "no answer")))),
            spec(),
        ),
        ("vip", looks(n1a3=seen("n1a3", neighbours={VIP: STRANGER})), spec()),
    ],
)
def test_a_check_can_be_skipped_and_its_message_says_how(
    check: str, answers: Looks, wanted: PreflightSpec
) -> None:
    error = only(findings(site(answers, wanted)))
    assert error.remedy.endswith(f"opennebula-ha:skip_checks: [{check}]")
    assert findings(site(answers, wanted), skip=[check]) == []


def test_the_config_knows_the_checks_by_name() -> None:
    names = TypeAdapter(list[CheckName])
    assert names.validate_python(sorted(SKIPPABLE)) == sorted(SKIPPABLE)
    with pytest.raises(ValidationError, match=r"expected one of clock, .* saw blank"):
        names.validate_python(["blank"])


# A running zone


def test_a_running_zone_is_adopted_in_spite_of_faults_of_its_hosts() -> None:
    poor: dict[str, Any] = {
        "distribution": "slackware",
        "memory": 100 * MIB,
        "room": {path: Room("/", 0) for path in PATHS},
        "listening": {port: Listener("oned", (ANY,)) for port in (*PORTS, 3306)},
        "reached": {(address(other), port): "no answer" for other in NAMES for port in PORTS},
        "is_enforcing": True,
    }
    answers = looks(
        at_work=True,
        n1a1=working("n1a1", **poor, neighbours={VIP: mac("n1a2")}),
        n1a2=working("n1a2", **poor, resolves={}),
    )
    assert findings(site(answers, spec(ensure_hosts=False))) == []


def test_every_front_end_must_answer_even_in_a_running_zone() -> None:
    answers = looks(at_work=True, n1a3=unreachable("n1a3"))
    assert only(findings(site(answers))).host == "n1a3"
    assert only(findings(site(answers, before=spec()))).host == "n1a3"
    # Without a zone it prevents no installation.
    none_yet = looks(n1a3=unreachable("n1a3"))
    assert findings(site(none_yet, before=spec())) == []
    assert only(findings(site(none_yet))).host == "n1a3"


def test_a_silent_host_does_not_prove_that_no_zone_exists() -> None:
    nobody: Looks = {name: unreachable(name) for name in NAMES}
    assert {one.error.host for one in findings(site(nobody, before=spec()))} == {*NAMES}
    # The leaving hosts may have the data, and so may the only one that the stack had.
    none_seen = looks(n1a3=unreachable("n1a3"))
    left = Host(name="n1a9", address="10.2.50.99")
    more = spec(hosts={**spec().hosts, "n1a9": left})
    assert only(findings(site(none_seen, before=more))).host == "n1a3"
    alone = spec(hosts={"n1a3": spec().hosts["n1a3"]})
    assert only(findings(site(none_seen, before=alone))).host == "n1a3"


def keeping_time(*, at_work: bool = False, **enabled: tuple[str, ...]) -> Looks:
    """Make hosts with one time service, or with those of ``enabled``."""
    known = settled if at_work else blank
    units = {
        name: {unit: Unit("enabled", "active") for unit in enabled.get(name, ("chrony",))}
        for name in NAMES
    }
    return {name: HostReport(bare(name), known(name, units=units[name])) for name in NAMES}


def test_wrong_clocks_that_up_will_set_are_a_warning() -> None:
    hosts = keeping_time()
    there = hosts["n1a3"]
    assert isinstance(there, HostReport)
    wrong = replace(there, probe=bare("n1a3", clock=ClockReading(80.0, 80.1)))
    (found,) = findings(site({**hosts, "n1a3": wrong}, spec(sets_clocks=True)))
    assert (found.weight, found.error.host) == (Weight.WARNING, "n1a3")


@pytest.mark.parametrize(
    ("enabled", "said"),
    [((), "none"), (("chrony", "systemd-timesyncd"), "chrony and systemd-timesyncd")],
)
def test_time_servers_need_one_time_service(enabled: tuple[str, ...], said: str) -> None:
    """Before the others are installed."""
    hosts = keeping_time(n1a2=enabled)
    error = only(findings(site(hosts, spec(sets_clocks=True))))
    assert (error.host, error.step, error.seen) == ("n1a2", "check the time service", said)
    assert "skip_checks" not in error.remedy
    assert findings(site(hosts)) == []
    # Also where they are new in the config, but no later.
    hosts = keeping_time(at_work=True, n1a2=enabled)
    assert only(findings(site(hosts, spec(sets_clocks=True), spec()))).host == "n1a2"
    assert findings(site(hosts, spec(sets_clocks=True), spec(sets_clocks=True))) == []


def test_wrong_clocks_of_running_servers_are_a_warning() -> None:
    answers = looks(at_work=True, n1a3=working("n1a3", clock=ClockReading(80.0, 80.1)))
    (found,) = findings(site(answers))
    assert (found.weight, found.error.host) == (Weight.WARNING, "n1a3")


def test_a_silent_host_of_the_zone_may_hold_the_vip() -> None:
    answers = looks(
        at_work=True,
        n1a1=working("n1a1", neighbours={VIP: STRANGER}),
        n1a3=unreachable("n1a3"),
    )
    found = {one.error.host: one.weight for one in findings(site(answers))}
    assert found == {"n1a1": Weight.WARNING, "n1a3": Weight.REFUSAL}
    its_own = {VIP: STRANGER, address("n1a3"): STRANGER}
    answers["n1a1"] = working("n1a1", neighbours=its_own)
    assert only(findings(site(answers))).host == "n1a3"


def test_an_unknown_host_must_answer_even_in_a_running_zone() -> None:
    lone = f"<ZONE><SERVER_POOL>{POOL.replace('n1a3', 'n1a9')}</SERVER_POOL></ZONE>"
    answers = looks(
        n1a1=working("n1a1", zone_body=lone),
        n1a2=working("n1a2", zone_body=lone),
        n1a3=unreachable("n1a3"),
    )
    assert only(findings(site(answers))).host == "n1a3"


# What a change of the stack asks for


def test_a_new_host_is_fully_checked_and_the_others_only_for_it() -> None:
    before = spec("n1a1", "n1a2")
    poor = {
        "memory": 100 * MIB,
        "room": {path: Room("/", 0) for path in PATHS},
        "neighbours": {VIP: STRANGER},
        "reached": {
            **{(address("n1a2"), port): "no answer" for port in PORTS},
            (address("n1a3"), 2633): "no answer",
        },
    }
    answers = looks(
        n1a1=working("n1a1", **poor, addresses=(), resolves={}),
        n1a2=unreachable("n1a2"),
        n1a3=seen("n1a3", memory=100 * MIB, reached={(address("n1a1"), 22): "no answer"}),
    )
    found = findings(site(answers, spec(ensure_hosts=False), before))
    assert {(one.error.host, one.error.step, one.error.seen) for one in found} == {
        ("n1a3", "check the memory", "100 MiB"),
        (
            "n1a3",
            "check that the front-ends reach each other",
            "from n1a1 to n1a3 port 2633 (oned): no answer",
        ),
        (
            "n1a1",
            "check that the front-ends reach each other",
            "from n1a3 to n1a1 port 22 (sshd): no answer",
        ),
        (
            "n1a1",
            "resolve the front-ends' names",
            "n1a1 at no address, n1a2 at no address, n1a3 at no address",
        ),
        ("n1a2", "connect", "silence"),
    }


def left(name: str, **changes: Any) -> Facts:
    """Make a host with the data of a server that left the zone."""
    return settled(name, active=False, oned_conf="FEDERATION = [ SERVER_ID = 2 ]", **changes)


TWO_SERVERS = "".join(
    f"<SERVER><ID>{number}</ID><NAME>{name}</NAME><ENDPOINT/></SERVER>"
    for number, name in enumerate(NAMES[:2])
)


def without_n1a3(name: str, **changes: Any) -> HostReport:
    """Make a server of a zone that n1a3 left."""
    body = f"<ZONE><SERVER_POOL>{TWO_SERVERS}</SERVER_POOL></ZONE>"
    return working(name, **changes, zone_body=body, resolves=NAMED)


NAMED = {name: address(name) for name in NAMES[:2]}


def test_the_network_of_a_returning_server_is_checked() -> None:
    there = looks(
        n1a1=without_n1a3("n1a1"),
        n1a2=without_n1a3("n1a2", reached={(address("n1a3"), 2633): "no answer"}),
        n1a3=HostReport(bare("n1a3", name_sources=("dns", "files")), left("n1a3", resolves={})),
    )
    before = spec("n1a1", "n1a2")
    found = findings(site(there, spec(ensure_hosts=False), before))
    assert [(one.error.host, one.error.step) for one in found] == [
        ("n1a1", "resolve the front-ends' names"),
        ("n1a2", "resolve the front-ends' names"),
        ("n1a3", "check that the front-ends reach each other"),
        ("n1a3", "resolve the front-ends' names"),
    ]
    # With our part of /etc/hosts, and each host's own sources of names.
    text = {one.error.host: str(one.error) for one in findings(site(there, spec(), before))}
    assert text.keys() == {"n1a3"}


@pytest.mark.parametrize(
    ("ensure_hosts", "remedy"),
    [
        (True, "run up without n1a3 first, since the up that adopts a server writes nothing on it"),
        (False, "correct the name service or /etc/hosts there; to continue"),
    ],
)
def test_an_adopted_server_must_resolve_new_names(ensure_hosts: bool, remedy: str) -> None:
    conf = {number: f"FEDERATION = [ SERVER_ID = {number} ]" for number in range(2)}
    body = f"<ZONE><SERVER_POOL>{TWO_SERVERS}</SERVER_POOL></ZONE>"
    servers = {
        name: working(name, zone_body=body, resolves=NAMED, oned_conf=conf[number])
        for number, name in enumerate(NAMES[:2])
    }
    wanted = spec(ensure_hosts=ensure_hosts)
    found = findings(site(looks(n1a1=servers["n1a1"], n1a2=servers["n1a2"]), wanted))
    assert [(one.error.host, one.error.seen) for one in found] == [
        (name, "n1a3 at no address") for name in servers
    ]
    assert all(remedy in one.error.remedy for one in found)
    # Without one that joins, nothing asks for names.
    assert findings(site({**servers}, spec("n1a1", "n1a2"))) == []


def test_a_new_host_with_data_is_a_returning_one() -> None:
    answers = looks(
        at_work=True,
        n1a3=working("n1a3", memory=MIB, clock=ClockReading(99, 99)),
    )
    (found,) = findings(site(answers, before=spec("n1a1", "n1a2")))
    assert found.weight is Weight.WARNING


@pytest.mark.parametrize(
    ("before", "asked_for"),
    [
        (None, VIP),
        (spec(), ""),
        (spec(vips=with_vip(interface="ens3")), ""),
        (spec(vips=with_vip("10.2.50.87")), VIP),
        (spec(vips={}), VIP),
        (spec("n1a1"), ""),
    ],
)
def test_only_a_new_vip_must_be_free(before: PreflightSpec | None, asked_for: str) -> None:
    assert StackChange(spec(), before).addresses == asked_for.split()


def test_only_the_new_one_of_several_vips_is_checked() -> None:
    both = {
        name: (*vips, Vip(address="fd00:2:50::86", prefix=64, interface="eth0"))
        for name, vips in with_vip().items()
    }
    stranger = {VIP: STRANGER, "fd00:2:50::86": STRANGER}
    own = (Address("eth0", "fd00:2:50::10", 64), Address("eth0", VIP, 24))
    answers = looks(
        at_work=True,
        n1a1=working("n1a1", neighbours=stranger, addresses=own),
    )
    found = findings(site(answers, spec(vips=both), spec()))
    assert [(one.error.host, one.error.expected) for one in found] == [
        ("n1a1", "no other host at fd00:2:50::86"),
        ("n1a2", "interface eth0 with an address in fd00:2:50::/64"),
        ("n1a3", "interface eth0 with an address in fd00:2:50::/64"),
    ]
    # Another VIP is not an address of the host itself.
    other = (Vip(address="10.2.50.87", prefix=24, interface="eth0"), *with_vip()["n1a1"])
    alone = looks(n1a1=seen("n1a1", addresses=(Address("eth0", VIP, 24),)))
    (one,) = findings(site(alone, spec(vips={"n1a1": other}), None))
    assert one.error.step == "check the VIP's interface"


@pytest.mark.parametrize(
    ("address", "prefix", "interface", "weight"),
    [
        # A single address, and one on an interface that the stack sets for the host.
        (VIP, 32, "eth0", Weight.WARNING),
        ("192.0.2.9", 24, "eth0", Weight.WARNING),
        ("fd00:2:50::86", 128, "eth0", Weight.WARNING),
        ("192.0.2.9", 24, "eth9", Weight.REFUSAL),
        (VIP, 32, "eth9", Weight.REFUSAL),
        # Another interface is in its subnet, or IPv6 is not set up.
        (VIP, 24, "lo", Weight.REFUSAL),
        ("fd00:2:50::86", 64, "eth0", Weight.REFUSAL),
    ],
)
def test_a_vip_outside_the_subnet_of_its_interface_is_a_warning(
    address: str, prefix: int, interface: str, weight: Weight
) -> None:
    vips = (Vip(address=address, prefix=prefix, interface=interface),)
    found = findings(site(looks(), spec(vips={"n1a1": vips})))
    assert [(one.weight, one.error.step) for one in found] == [
        (weight, "check the VIP's interface")
    ]
    if weight is Weight.WARNING:
        assert f"a route to {address} that follows the leader" in found[0].error.remedy


def test_a_new_vip_must_be_free_and_on_an_existing_interface() -> None:
    moved = spec(vips=with_vip("10.2.50.87", "ens3"))
    stranger = {"10.2.50.87": STRANGER}
    answers = looks(at_work=True, n1a1=working("n1a1", neighbours=stranger))
    found = findings(site(answers, moved, spec()))
    assert sorted((one.error.host, one.error.step) for one in found) == [
        ("n1a1", "check that the VIP is free"),
        *((name, "check the VIP's interface") for name in NAMES),
    ]


def test_another_version_needs_space_next_to_the_present_one() -> None:
    tight = {path: Room("/", 1600 * MIB) for path in PATHS}
    answers = looks(at_work=True, n1a1=working("n1a1", room=tight))
    assert findings(site(answers, spec(version="7.2.1"), spec())) == []
    dumps = (Dump("/var/backups/opennebula/a", 200 * MIB),)
    answers["n1a1"] = working("n1a1", room=tight, dumps=dumps)
    error = only(findings(site(answers, spec(version="7.2.1"), spec())))
    assert error.expected.startswith("1.7 GiB of free space on / (")
    assert "200 MiB in /var/backups: one more dump" in error.expected


def test_an_upgrade_needs_units_that_it_can_mask() -> None:
    """With `systemctl edit --full`, the whole unit is in /etc."""
    copy = Unit("enabled", "active", file="/etc/systemd/system/opennebula.service")
    units = {
        "opennebula": copy,
        "opennebula-flow": Unit("masked", "inactive", file="/etc/systemd/system/opennebula-flow"),
        "opennebula-gate": Unit("enabled", "active", file="/lib/systemd/system/opennebula-gate"),
    }
    answers = looks(at_work=True, n1a1=working("n1a1", units=units))
    assert findings(site(answers, spec(), spec())) == []
    error = only(findings(site(answers, spec(version="7.2.1"), spec())))
    assert error.seen == "the whole unit in /etc/systemd/system/opennebula.service"
    assert "'systemctl edit opennebula'" in error.remedy
    left = {"opennebula": replace(copy, enabled="disabled", active="inactive")}
    fresh = looks(n1a1=seen("n1a1", units=left))
    assert only(findings(site(fresh))).seen == error.seen


def test_a_new_feature_needs_its_port() -> None:
    answers = looks(
        at_work=True,
        n1a1=working(
            "n1a1", reached={(address("n1a2"), 2474): "no answer", (address("n1a3"), 2474): "open"}
        ),
    )
    error = only(findings(site(answers, before=spec(reachable=("gui",)))))
    assert error.seen == "from n1a1 to n1a2 port 2474 (opennebula-flow): no answer"


# Observation


def values(name: str, **changes: str) -> dict[str, str]:
    """Return the output of a blank host's scripts."""
    empty = ("pin", "proxy", "units", "hook", "keys", "key_digests", "backups")
    return {
        **dict.fromkeys(empty, ""),
        "packages": "install mariadb-server 1:10.11.6-0+deb12u1",
        "begun": "1000.25",
        "ended": "1001.75",
        "distribution": "debian",
        "release": "12",
        "has_systemd": "yes",
        "memory": str(8 << 20),
        "room": "".join(f"{path} {20 << 20} /\n" for path in PATHS),
        "macs": f"1: lo: <LOOPBACK,UP> link/loopback 00:00:00:00:00:00\n2: eth0@if5: <UP> mtu 1500"
        f"\\    link/ether {mac(name)} brd ff:ff:ff:ff:ff:ff",
        "neighbours": f"{VIP} dev eth0 FAILED \n10.2.50.1 dev eth0 lladdr {STRANGER} REACHABLE",
        "listening": 'LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=53,fd=3))\n'
        'LISTEN 0 80 127.0.0.1:3306 0.0.0.0:* users:(("mariadbd",pid=49,fd=17))\n'
        'LISTEN 0 128 [::]:22 [::]:* users:(("sshd",pid=53,fd=4))',
        "reached": "10.2.50.11 22 open\n10.2.50.12 22 No route to host",
        "name_sources": "hosts:   files  mymachines [NOTFOUND=return] dns # as ever",
        "is_enforcing": "",
        "has_apparmor": "N",
        "machine_id": name,
        "addresses": f"2: eth0    inet {address(name)}/24 brd 10.2.50.255 scope global eth0",
        "active": "inactive",
        "since": "0",
        "uptime": "100",
        "configured": "0",
        **changes,
    }


def test_the_scripts_output_becomes_facts() -> None:
    assert read_probe(values("n1a1"), sent=1001.0, received=1003.5) == Probe(
        distribution="debian",
        release="12",
        clock=ClockReading(-1.75, -0.75),
        has_systemd=True,
        memory=8 * GIB,
        room={path: Room("/", 20 * GIB) for path in PATHS},
        macs=frozenset({mac("n1a1")}),
        neighbours={"10.2.50.1": STRANGER},
        listening={22: SSHD, 3306: Listener("mariadbd", ("127.0.0.1",))},
        reached={("10.2.50.11", 22): "open", ("10.2.50.12", 22): "No route to host"},
        name_sources=("files", "mymachines", "dns"),
    )


def test_the_scripts_output_has_logins_names_and_other_programs() -> None:
    told = read_probe(
        values(
            "n1a1",
            login="ubuntu",
            groups="ubuntu\nsudo",
            sshd="10.2.50.11 allowusers ubuntu@10.2.50.1\n10.2.50.11 allowusers admin\n"
            "10.2.50.11 authorizedkeysfile .ssh/authorized_keys .ssh/more\n"
            "10.2.50.12 forcecommand none",
            own_name="stranger ",
            environment="http_proxy=http://p:3128\nno_proxy=localhost",
            managers="keepalived\nsystemd-networkd",
            vip_files=f"{VIP} /etc/netplan/50.yaml\n{VIP} /etc/keepalived/k.conf",
            password_policy="simple_password_check \nsimple_password_check_digits 1",
        ),
        sent=1001.0,
        received=1003.5,
    )
    assert (told.login, told.groups) == ("ubuntu", ("ubuntu", "sudo"))
    assert told.sshd == {
        "10.2.50.11": {
            "allowusers": ("ubuntu@10.2.50.1", "admin"),
            "authorizedkeysfile": (".ssh/authorized_keys .ssh/more",),
        },
        "10.2.50.12": {"forcecommand": ("none",)},
    }
    assert told.own_name == "stranger "
    assert told.environment == {"http_proxy": "http://p:3128", "no_proxy": "localhost"}
    assert told.managers == ("keepalived", "systemd-networkd")
    assert told.vip_files == {VIP: ("/etc/netplan/50.yaml", "/etc/keepalived/k.conf")}
    assert told.password_policy == {
        "simple_password_check": "",
        "simple_password_check_digits": "1",
    }


def test_the_precision_of_a_clock_depends_on_the_round_trip() -> None:
    # It reports 1045 in the middle of a script that took a second and began 0.1 s after sending.
    clock = ClockReading.compared(sent=1000.0, begun=1045.1, ended=1046.1, received=1001.4)
    assert (round(clock.ahead, 3), round(clock.doubt, 3)) == (44.9, 0.2)
    # A clock that was set back during the script is doubtful, not wrong.
    jumped = ClockReading.compared(sent=1000.0, begun=1000.5, ended=1100.0, received=1001.0)
    assert jumped == ClockReading(0.5, 99.0)


class Connection:
    port = 22

    def __init__(self, refusal: HostError | None) -> None:
        self._refusal = refusal

    def connect(self) -> None:
        if self._refusal:
            raise self._refusal

    def open_stream(self, port: int, timeout: float) -> Any:
        assert port == 2633
        raise ConnectionRefusedError


class Hosts:
    """Answers instead of hosts; a host that is not listed cannot be reached."""

    secrets = Secrets(one_pass="", db_password="")
    front_ends: Mapping[str, Host] = {}

    def __init__(self, **told: dict[str, str]) -> None:
        self.told = told
        self.asked: dict[str, dict[str, str]] = {}
        self.reports: list[str] = []

    def report(self, message: str) -> None:
        self.reports.append(message)

    def connection(self, host: Host) -> Connection:
        there = host.name in self.told
        return Connection(None if there else unreachable(host.name))

    def run(self, host: Host, *names: str, variables: dict[str, str], **_: Any) -> Output:
        assert names == ("preflight", "observe")
        assert host.name not in self.asked, "asked twice"
        self.asked[host.name] = variables
        return Output(self.told[host.name])


def check(hosts: Hosts, wanted: PreflightSpec, before: PreflightSpec | None = None) -> Any:
    said: list[str] = []
    change = zone_change(wanted)
    checked = preflight(
        cast(Access, hosts), wanted, before, skip=(), warn=said.append, zone_change=change
    )
    return checked.facts, said


def zone_change(wanted: PreflightSpec) -> ZoneChange:
    zone = ZoneSpec(name="OpenNebula", endpoint=f"http://{VIP}:2633/RPC2", highly_available=True)
    return ZoneChange(zone, wanted.hosts, {}, new=wanted.hosts.keys())


def test_each_host_is_asked_once_and_its_facts_are_reused() -> None:
    hosts = Hosts(**{name: values(name, reached="") for name in NAMES})
    known, said = check(hosts, spec())
    assert {name: one.machine_id for name, one in known.items()} == {n: n for n in NAMES}
    assert said == []
    assert hosts.asked["n1a2"]["vips"] == VIP
    assert hosts.asked["n1a2"]["names"] == "n1a1 n1a2 n1a3"
    assert hosts.asked["n1a2"]["targets"].splitlines() == [
        f"{address(name)} {port}" for name in ("n1a1", "n1a3") for port in PORTS
    ]


def test_a_change_without_a_new_host_only_reads_facts() -> None:
    hosts = Hosts(**{name: values(name, reached="") for name in NAMES})
    known, said = check(hosts, spec(), spec())
    assert ({*known}, said) == ({*NAMES}, [])
    assert {(one["vips"], one["targets"]) for one in hosts.asked.values()} == {("", "")}


def test_other_hosts_connect_to_a_new_one_without_a_check_of_vips() -> None:
    hosts = Hosts(**{name: values(name, reached="") for name in NAMES})
    check(hosts, spec(), spec("n1a1", "n1a2"))
    assert [one["vips"] for one in hosts.asked.values()] == ["", "", ""]
    assert hosts.asked["n1a1"]["targets"].splitlines() == [f"10.2.50.12 {port}" for port in PORTS]
    assert len(hosts.asked["n1a3"]["targets"].splitlines()) == 2 * len(PORTS)
    local = Hosts(**{name: values(name, reached="") for name in NAMES})
    check(local, spec(reachable=("gui",)), spec("n1a1", "n1a2", reachable=("gui",)))
    asked = [line.split()[1] for line in local.asked["n1a1"]["targets"].splitlines()]
    assert asked == ["22", "2633", "2634", "2616"]


def test_all_faults_are_one_error() -> None:
    hosts = Hosts(
        n1a1=values("n1a1", memory="1024", is_enforcing="1", has_apparmor="Y", reached=""),
        n1a3=values("n1a3", reached="10.2.50.10 2633 no answer"),
    )
    said: list[str] = []
    with pytest.raises(HostErrors) as caught:
        preflight(
            cast(Access, hosts),
            spec(),
            None,
            skip=(),
            warn=said.append,
            zone_change=zone_change(spec()),
        )
    assert [line for line in str(caught.value).splitlines() if not line.startswith("  ")] == [
        "n1a1: check that the front-ends reach each other: expected an answer at 10.2.50.10 to"
        " n1a3, saw from n1a3 to n1a1 port 2633 (oned): no answer",
        "n1a1: check the memory: expected 512 MiB for a front-end, saw 1 MiB",
        "n1a2: connect: expected an SSH server, saw silence",
    ]
    assert [line.split(", saw ")[1].splitlines()[0] for line in said] == ["SELinux enforcing"]
    assert any(line.startswith("n1a1: AppArmor on: ") for line in hosts.reports)


def test_without_facts_only_the_probe_is_checked() -> None:
    without = {key: text for key, text in values("n1a2").items() if key != "machine_id"}
    hosts = Hosts(
        n1a1=values("n1a1", reached=""),
        n1a2={**without, "has_systemd": "", "reached": ""},
        n1a3=values("n1a3", reached=""),
    )
    with pytest.raises(HostError, match="n1a2: check for systemd"):
        check(hosts, spec())


def test_a_renamed_front_end_is_not_counted_as_two_hosts() -> None:
    hosts = {
        **spec("n1a1", "n1a2").hosts,
        "front": Host(name="front", address=address("n1a3")),
    }
    answers = {**looks(at_work=True), "front": working("n1a3")}
    del answers["n1a3"]
    (found,) = renamed(site(answers, spec(hosts=hosts), spec()))
    error = found.error
    assert error.step == "compare the front-ends' names"
    assert error.expected == "n1a3 at 10.2.50.12, as the stack has it"
    assert "back to n1a3" in error.remedy


def test_every_value_of_a_probe_is_returned_by_its_script() -> None:
    """A name that no script returns would disable its check without a message."""
    read = {field.name for field in fields(Probe)} - {"clock"} | {"begun", "ended"}
    assert read <= set(re.findall(r"\btell (\w+)", script_text("preflight")))
