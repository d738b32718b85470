"""The program's requests to the engine: resources, their order, and no secret in plaintext."""

import json
from dataclasses import dataclass
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks, rpc

from components.zone import HighAvailableZone, by_name
from procedures.specs import (
    BackupSpec,
    Hooks,
    PreflightSpec,
    PreparedSpec,
    ZoneSpec,
)
from providers import state
from providers.installation import InstallationProvider
from providers.preflight import PreflightProvider
from settings.specs import installations, preflight, zone
from tests.unit.bad_configs import CANARY, MISSING
from tests.unit.test_settings import GOOD, good

DYNAMIC = "pulumi-python:dynamic/opennebula:"
TOKEN = f"user:{CANARY}-4"
AUTH = {"ldap": {"config": {":order": ["a"], "a": {":host": "b", ":password": f"{CANARY}-5"}}}}
SEEN: dict[str, dict[str, Any]] = {
    "Preflight": {},
    "Installation": {"revision": "r1", "package": "7.2.0"},
    "Bootstrap": {},
    "Zone": {"drift": []},
    "ZoneMember": {"server_id": 0},
    "Rollout": {"verified_at": "noon", "leader": "n1a2", "servers": {}, "backups": {}},
    "VirtualIp": {},
}


@dataclass(frozen=True)
class Registered:
    """One resource as the program registered it."""

    type: str
    name: str
    urn: str
    parent: str
    inputs: dict[str, Any]
    wire: str
    dependencies: frozenset[str]
    deleted_with: str

    @property
    def key(self) -> str:
        """``Kind name``."""
        return f"{self.type.rsplit(':', 1)[1]} {self.name}"


class _Mocks(mocks.Mocks):
    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        return f"{args.name}-id", {**args.inputs, **SEEN.get(args.typ.rsplit(":", 1)[1], {})}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], None]:
        raise AssertionError("the program calls no function of a provider")


class _Monitor(mocks.MockMonitor):
    """Keeps the requests, which the mocks do not see."""

    def __init__(self) -> None:
        super().__init__(_Mocks())
        self.requests: list[Registered] = []

    def RegisterResource(self, request: Any) -> Any:
        response = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        self.requests.append(
            Registered(
                request.type,
                request.name,
                response.urn,
                request.parent,
                rpc.deserialize_properties(request.object),
                str(request),
                frozenset(request.dependencies),
                request.deletedWith,
            )
        )
        return response


@dataclass(frozen=True)
class Graph:
    """All requests of one run of the program."""

    resources: dict[str, Registered]
    outputs: dict[str, Any]

    def kinds(self) -> list[str]:
        return sorted(one.key for one in self.resources.values())

    def __getitem__(self, key: str) -> Registered:
        return next(one for one in self.resources.values() if one.key == key)

    def waits_for(self, key: str) -> set[str]:
        """Return the resources that it waits for directly or indirectly."""
        found: set[str] = set()
        todo = set(self[key].dependencies)
        while todo:
            urn = todo.pop()
            one = self.resources.get(urn)
            if one is not None and one.key not in found:
                found.add(one.key)
                todo |= one.dependencies
        return found

    def directly(self, key: str) -> set[str]:
        return {self.resources[urn].key for urn in self[key].dependencies if urn in self.resources}


def build(**changes: Any) -> Graph:
    """Build the program's graph for the good config with these changes."""
    stack = good(**{"one_token": TOKEN, "auth": AUTH, **changes})
    monitor = _Monitor()
    mocks.set_mocks(_Mocks(), project="opennebula-ha", stack="lab", preview=False, monitor=monitor)
    found: dict[str, Any] = {}

    @mocks.test  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
    def run() -> pulumi.Output[None]:
        outputs = HighAvailableZone("zone", stack).outputs()
        return pulumi.Output.all(**outputs).apply(found.update)

    run()
    resources = {one.urn: one for one in monitor.requests if one.type != "pulumi:pulumi:Stack"}
    return Graph(resources, found)


@pytest.fixture(scope="module")
def graph() -> Graph:
    return build()


def _plain(inputs: dict[str, Any]) -> dict[str, Any]:
    """Return the values as a provider gets them."""
    return {key: rpc.unwrap_rpc_secret(value) for key, value in inputs.items()}


NO_VIP = {"one_vip": MISSING, "one_vip_cidr": MISSING, "one_vip_if": MISSING}
ALONE = {**NO_VIP, "frontends": {"n1": {"address": "10.2.50.10"}}}


OF_ALL = ("Preflight", "Bootstrap", "Zone", "Rollout", "VirtualIp")
MEMBERS = {f"ZoneMember {name}" for name in GOOD["frontends"]}
INSTALLATIONS = {f"Installation {name}" for name in GOOD["frontends"]}


def test_a_stack_is_a_zone_of_front_ends(graph: Graph) -> None:
    front_ends = {f"FrontEnd {name}" for name in GOOD["frontends"]}
    of_all = {f"{kind} zone" for kind in (*OF_ALL, "HighAvailableZone")}
    assert graph.kinds() == sorted(front_ends | INSTALLATIONS | MEMBERS | of_all)


def test_types_are_ours(graph: Graph) -> None:
    assert graph["HighAvailableZone zone"].type == state.ZONE
    assert graph["FrontEnd n1a1"].type == state.FRONT_END
    for kind in SEEN:
        one = next(one for one in graph.resources.values() if one.key.startswith(f"{kind} "))
        assert one.type == f"{DYNAMIC}{kind}"


def test_resources_of_a_front_end_are_its_children(graph: Graph) -> None:
    zone_urn = graph["HighAvailableZone zone"].urn
    for name in ("n1a1", "n1a2", "n1a3"):
        assert graph[f"FrontEnd {name}"].parent == zone_urn
        for kind in ("Installation", "ZoneMember"):
            assert graph[f"{kind} {name}"].parent == graph[f"FrontEnd {name}"].urn
    for kind in OF_ALL:
        assert graph[f"{kind} zone"].parent == zone_urn


def test_each_resource_knows_the_urn_of_its_progress(graph: Graph) -> None:
    for one in graph.resources.values():
        if one.type.startswith(DYNAMIC):
            types = [one.type]
            above = graph.resources.get(one.parent)
            while above is not None:
                types.insert(0, above.type)
                above = graph.resources.get(above.parent)
            expected = f"urn:pulumi:lab::opennebula-ha::{'$'.join(types)}::{one.name}"
            assert one.inputs["urn"] == expected


def test_all_installations_run_in_parallel_after_all_checks(graph: Graph) -> None:
    assert graph.directly("Preflight zone") == set()
    for name in INSTALLATIONS:
        assert graph.directly(name) == {"Preflight zone"}


def test_preflight_has_all_front_ends_and_their_settings(graph: Graph) -> None:
    spec = PreflightProvider().spec_of(graph["Preflight zone"].inputs)
    assert spec.hosts.keys() == {"n1a1", "n1a2", "n1a3"}
    assert {name: [vip.interface for vip in vips] for name, vips in spec.vips.items()} == {
        "n1a1": ["eth0"],
        "n1a2": ["ens3"],
        "n1a3": ["eth0"],
    }
    assert (spec.version, spec.ensure_hosts) == ("7.2", True)
    assert preflight(good(ensure_hosts=False)).ensure_hosts is False
    assert preflight(good(**ALONE)).vips == {}
    assert spec.reachable == spec.features == ("gui", "flow", "gate", "form")
    local = preflight(good(flow_bind_addr="127.0.0.1"))
    assert (local.features, local.reachable) == (spec.features, ("gui", "gate", "form"))
    assert not spec.sets_clocks
    assert preflight(good(ntp=[{"pool": "pool.ntp.org"}])).sets_clocks
    assert not preflight(good(ntp=[{"timezone": "UTC"}])).sets_clocks


HOOK = {"leader_hook": "/usr/local/sbin/lead"}
OWN = {"ssl": {"key": "/etc/ssl/own.key", "certchain": "/mnt/one/own.pem"}}
SHARE = {"fstab": [{"src": "nas:/one", "path": "/mnt/one", "fstype": "nfs"}]}


@pytest.mark.parametrize(
    ("changes", "prepared"),
    [
        ({}, {}),
        ({"ensure_keys_for": ["root", "alice"]}, {"accounts": ("alice", "root")}),
        (HOOK, {"programs": ("/usr/local/sbin/lead",)}),
        # A single front-end runs no hooks; others may come with OpenNebula's package.
        ({**ALONE, **HOOK}, {}),
        ({"leader_hook": "/var/lib/one/remotes/hooks/raft/mine.sh"}, {}),
        ({"ntp": [{"timezone": "Europe/Madrid"}]}, {"timezone": "Europe/Madrid"}),
        (OWN, {"key": "/etc/ssl/own.key", "certchain": "/mnt/one/own.pem"}),
        # This share is mounted during the installation.
        (
            {**OWN, **SHARE},
            {
                "mount_points": ("/mnt/one",),
                "servers": ("nas 2049",),
                "shares": ("nfs rw,relatime,ro,fg,retry=0,nolock nas:/one",),
            },
        ),
        ({"ssl": {"generate_cert": True}}, {}),
    ],
)
def test_preflight_knows_what_operators_prepare(
    changes: dict[str, Any], prepared: dict[str, Any]
) -> None:
    assert preflight(good(**changes)).prepared == PreparedSpec(**prepared)


@pytest.mark.parametrize(
    ("changes", "called_for"),
    [
        ({"skip_checks": ["memory"]}, False),
        ({"allow_degraded": True}, False),
        ({"one_pass": "another"}, True),
        ({"db_password": "another"}, True),
        ({"oned": {"LOG": {"A": 1}}}, True),
        ({"keep_dumps": 3}, True),
        ({"admin_pubkey": "none"}, True),
        ({"ensure_keys_for": ["root"]}, True),
        ({"ssl": {"web_server": "nginx"}}, True),
        ({"lost": ["n1a9"]}, True),
    ],
)
def test_every_change_of_hosts_or_zone_waits_for_preflight(
    graph: Graph, changes: dict[str, Any], called_for: bool
) -> None:
    before, after = (one["Preflight zone"].inputs for one in (graph, build(**changes)))
    assert bool(PreflightProvider().changed(before, after)) is called_for


def test_bootstrap_waits_only_for_the_first_front_end(graph: Graph) -> None:
    assert graph.directly("Bootstrap zone") == {"Installation n1a1"}


def test_the_zone_waits_for_every_installation(graph: Graph) -> None:
    assert graph.directly("Zone zone") == {"Bootstrap zone"} | INSTALLATIONS


def test_members_join_one_by_one_after_their_installation(graph: Graph) -> None:
    assert graph.directly("ZoneMember n1a1") == {"Zone zone", "Installation n1a1"}
    for name, former in (("n1a2", "n1a1"), ("n1a3", "n1a2")):
        waits_for = {"Zone zone", f"Installation {name}", f"ZoneMember {former}"}
        assert graph.directly(f"ZoneMember {name}") == waits_for


def test_the_rollout_follows_all_joins_and_the_vip_is_last(graph: Graph) -> None:
    before = {"Preflight zone", "Bootstrap zone", "Zone zone"}
    assert graph.waits_for("Rollout zone") == before | MEMBERS | INSTALLATIONS
    assert graph.directly("VirtualIp zone") >= {"Rollout zone"}
    assert graph.waits_for("VirtualIp zone") >= {"Rollout zone"} | MEMBERS


def test_children_of_the_zone_are_not_deleted_one_by_one(graph: Graph) -> None:
    zone_urn = graph["Zone zone"].urn
    with_zone = {one.key for one in graph.resources.values() if one.deleted_with == zone_urn}
    assert with_zone == MEMBERS | {"Rollout zone", "VirtualIp zone"}


def test_no_secret_of_the_config_reaches_the_engine(graph: Graph) -> None:
    for one in graph.resources.values():
        assert CANARY not in one.wire


@pytest.mark.parametrize(
    ("kind", "name", "keys"), [("Installation", "secrets", ()), ("Zone", "one_pass", ("one_pass",))]
)
def test_secrets_are_inputs_only_as_secret_fingerprints(
    graph: Graph, kind: str, name: str, keys: tuple[str, ...]
) -> None:
    fingerprint = good(one_token=TOKEN, auth=AUTH).fingerprint(*keys)
    for one in graph.resources.values():
        assert (fingerprint in one.wire) == one.key.startswith((f"{kind} ", "Preflight "))
        if fingerprint in one.wire:
            assert rpc.is_rpc_secret(one.inputs[name])
            rest = {key: value for key, value in one.inputs.items() if key != name}
            assert fingerprint not in json.dumps(rest)


def test_the_outputs_have_the_leader_and_the_clients_endpoint(graph: Graph) -> None:
    assert graph.outputs == {
        "endpoint": "http://10.2.50.86:2633/RPC2",
        "servers": {},
        "backups": {},
        "status": {"at": "noon", "leader": "n1a2", "vip_holder": "n1a2"},
    }


def test_servers_of_an_earlier_state_are_shown_in_the_new_form() -> None:
    moving = {"state": "leader", "term": 1.0, "index": 2.0, "commit": 2.0}
    former = [{"name": "n1", "id": 0.0, "endpoint": "http://n1:2633/RPC2", **moving}]
    assert by_name(former) == {"n1": {"id": 0, "endpoint": "http://n1:2633/RPC2"}}


def test_the_order_of_the_front_ends_in_the_config_does_not_matter(graph: Graph) -> None:
    turned = build(frontends=dict(reversed(GOOD["frontends"].items())))
    for urn, one in graph.resources.items():
        other = turned.resources[urn]
        assert (one.inputs, one.dependencies) == (other.inputs, other.dependencies)
    assert turned.resources.keys() == graph.resources.keys()


def test_a_standalone_front_end_has_no_member_and_no_vip() -> None:
    of_all = {f"{kind} zone" for kind in (*OF_ALL, "HighAvailableZone")} - {"VirtualIp zone"}
    assert build(**ALONE).kinds() == sorted({"FrontEnd n1", "Installation n1"} | of_all)


def test_a_single_front_end_that_will_grow_is_a_member() -> None:
    kinds = build(**ALONE, force_ha=True).kinds()
    assert "ZoneMember n1" in kinds
    assert "VirtualIp zone" not in kinds


def test_another_front_end_changes_only_host_names_of_the_others() -> None:
    new = {"n1a4": {"address": "10.2.50.13"}, "n1a5": {"address": "10.2.50.14"}}
    more = {**GOOD["frontends"], **new}
    before = {one.host.name: one for one in installations(good())}
    after = {one.host.name: one for one in installations(good(frontends=more))}
    for name, one in before.items():
        assert after[name].model_copy(update={"names": one.names}) == one
    assert zone(good(frontends=more)) == zone(good())


def test_a_front_end_may_have_its_own_interface_for_the_vip() -> None:
    further = [
        {"address": "FD00:2:50::0086", "cidr": 64},
        {"address": "192.0.2.9", "cidr": 24, "interface": "eth1", "interfaces": {"n1a3": "ens4"}},
    ]
    settings = good(one_vips=further)
    places = {
        one.host.name: [f"{vip.interface} {vip.address}/{vip.prefix}" for vip in one.vips]
        for one in installations(settings)
    }
    assert places == {
        "n1a1": ["eth0 10.2.50.86/24", "eth0 fd00:2:50::86/64", "eth1 192.0.2.9/24"],
        "n1a2": ["ens3 10.2.50.86/24", "ens3 fd00:2:50::86/64", "eth1 192.0.2.9/24"],
        "n1a3": ["eth0 10.2.50.86/24", "eth0 fd00:2:50::86/64", "ens4 192.0.2.9/24"],
    }
    assert preflight(settings).vips == {one.host.name: one.vips for one in installations(settings)}


IPV6 = {"one_vip": "fd00:2:50::86", "one_vip_cidr": 64}


def test_the_first_vip_is_the_endpoint_of_clients() -> None:
    settings = good(**IPV6, one_vips=[{"address": "10.2.50.86", "cidr": 24}])
    spec, one = zone(settings), installations(settings)[0]
    assert (spec.endpoint, spec.has_entrance) == ("http://[fd00:2:50::86]:2633/RPC2", True)
    assert (one.gate_endpoint, one.entrance) == ("http://[fd00:2:50::86]:5030", "fd00:2:50::86")
    assert one.bind == {"flow": "::", "gate": "::", "form": "::"}
    assert preflight(settings).reachable == ("gui", "flow", "gate", "form")


def test_without_a_vip_clients_use_a_front_end() -> None:
    settings = good(**ALONE, force_ha=True)
    spec, one = zone(settings), installations(settings)[0]
    assert (spec.vips, spec.endpoint, spec.has_entrance) == ((), "http://n1:2633/RPC2", False)
    assert (one.hooks, one.entrance) == (Hooks(), "")
    assert installations(good(**ALONE))[0].hooks is None


def test_behind_a_load_balancer_clients_use_the_balancer() -> None:
    behind = {
        "zone_endpoint": "http://[fd00::1]:2633/RPC2",
        "leader_check": {"port": 2636},
        "leader_hook": "/srv/lead",
    }
    graph = build(**NO_VIP, **behind)
    assert "VirtualIp zone" in graph.kinds()
    assert graph.outputs["status"]["vip_holder"] is None
    assert zone(good(**NO_VIP, **behind)).endpoint == behind["zone_endpoint"]
    one = installations(good(**NO_VIP, **behind))[0]
    assert (one.gate_endpoint, one.entrance) == ("http://[fd00::1]:5030", "fd00::1")
    assert (one.hooks, one.leader_check) == (Hooks(leader="/srv/lead"), 2636)


def test_dumps_on_a_timer_are_no_part_of_other_stacks() -> None:
    bare = installations(good())[0]
    assert "backup" not in bare.model_dump_json()
    given = {"schedule": "*-*-* 03:00", "copy_to": "/mnt/backups"}
    timed = installations(good(keep_dumps=4, backup=given))[0]
    assert timed.backup == BackupSpec(**given, keep=4)
    timed = installations(good(backup={**given, "keep": 30}))[0]
    inputs = InstallationProvider.inputs_of(timed)
    assert {key: value for key, value in inputs.items() if key.startswith("backup")} == {
        "backup.schedule": "*-*-* 03:00",
        "backup.copy_to": "/mnt/backups",
        "backup.keep": 30,
    }
    assert InstallationProvider.spec_of({**inputs, "backup.keep": 30.0}) == timed


def test_an_earlier_state_has_one_vip_at_most() -> None:
    vip = {"address": "10.2.50.86", "prefix": 24, "interface": "eth0"}
    of_now = zone(good())
    given = of_now.model_dump(exclude={"vips", "has_entrance"})
    assert ZoneSpec.model_validate({**given, "vip": vip}).vips == of_now.vips
    assert ZoneSpec.model_validate({**given, "vip": None}).vips == ()
    checked = preflight(good())
    old = {**checked.model_dump(mode="json"), "vips": {"n1a1": vip}}
    assert PreflightSpec.model_validate(old).vips == {"n1a1": checked.vips["n1a1"]}


def test_attributes_of_oned_conf_survive_a_state() -> None:
    """A state has no null, and numbers are floats."""
    given = {
        "LOG": {"DEBUG_LEVEL": 4, "SYSTEM": None},
        "COST": {"CPU": 0.5},
        "HELD": True,
        "GONE": None,
        "VM_MAD": [{"NAME": "kvm", "TYPE": None}, {"remove": "lxc"}],
        "VM_RESTRICTED_ATTR": ["NIC/MAC", {"remove": "RAW"}],
    }
    inputs = build(oned=given)["Installation n1a1"].inputs
    kept = json.loads(json.dumps(_plain(inputs)), parse_int=float)
    assert kept["oned.LOG.DEBUG_LEVEL"] == 4
    assert InstallationProvider().spec_of(kept).oned == {
        "LOG": {"DEBUG_LEVEL": 4, "SYSTEM": []},
        "COST": {"CPU": "0.5"},
        "HELD": True,
        "GONE": [],
        "VM_MAD": [{"NAME": "kvm", "TYPE": []}, {"remove": "lxc"}],
        "VM_RESTRICTED_ATTR": ["NIC/MAC", {"remove": "RAW"}],
    }


def test_settings_of_other_files_survive_a_state() -> None:
    """A state has all numbers as floats."""
    tproxy = [{":service_port": 5030, ":networks": [0, "vnet"]}]
    drs = {"PREDICTIVE": 0.3, "PLACE": {"WEIGHTS": {"CPU": 1, "MEM": 0.5}}, "DIFFERENT": True}
    built = build(
        gate_tproxy=tproxy,
        sched_drs=drs,
        sched_rank={"MAX_HOST": 3},
        flow_bind_addr="10.2.50.86",
        ntp=[{"pool": "a"}, {"timezone": "UTC"}, {"locale": "C.UTF-8"}, {"server": "b"}],
    )
    kept = json.loads(json.dumps(_plain(built["Installation n1a1"].inputs)), parse_int=float)
    spec = InstallationProvider().spec_of(kept)
    assert json.dumps(spec.drivers.tproxy, sort_keys=True) == json.dumps(tproxy, sort_keys=True)
    assert json.dumps(spec.schedulers.drs, sort_keys=True) == json.dumps(drs, sort_keys=True)
    assert spec.schedulers.rank == {"MAX_HOST": 3}
    assert spec.bind == {"gate": "0.0.0.0", "flow": "10.2.50.86", "form": "0.0.0.0"}
    assert (spec.clock.pools, spec.clock.servers) == (("a",), ("b",))
    assert (spec.clock.timezone, spec.clock.locale) == ("UTC", {"LANG": "C.UTF-8"})
    assert spec.ldap.servers == {"a": {":host": "b"}}


NAMES = ("one.example.org", "10.2.50.86")


@pytest.mark.parametrize(
    ("ssl", "expected"),
    [
        (
            {"web_server": "nginx"},
            {
                "server": "nginx",
                "key": "/etc/ssl/private/opennebula-key.pem",
                "certchain": "/etc/ssl/certs/opennebula-certchain.pem",
                "generate": False,
            },
        ),
        (
            {"generate_cert": True, "key": "/etc/k.pem"},
            {
                "server": "apache",
                "key": "/etc/k.pem",
                "certchain": "/etc/one/fireedge-pki/crt/certchain.crt",
                "generate": True,
            },
        ),
    ],
)
def test_any_web_server_key_puts_a_web_server_before_fireedge(
    ssl: dict[str, Any], expected: dict[str, Any]
) -> None:
    built = build(ssl=ssl, one_fqdn=NAMES[0])
    spec = built["WebServer zone"].inputs
    assert {key: spec[key] for key in expected} == expected
    assert tuple(spec["names"]) == NAMES
    assert "Rollout zone" in built.waits_for("WebServer zone")
    assert "WebServer zone" not in build(ssl={}).kinds()


@pytest.mark.parametrize(
    ("given", "key"), [("leader", "leader"), ("none", None), ("ssh-rsa A", "ssh-rsa A")]
)
def test_the_zone_gets_the_key_of_oneadmin(given: str, key: str | None) -> None:
    assert build(admin_pubkey=given)["Zone zone"].inputs.get("admin_pubkey") == key


def test_the_zone_is_checked_again_if_its_shares_change() -> None:
    share = {"src": "10.2.50.1:/nfs", "path": "/mnt/one", "fstype": "nfs"}
    disk = {"src": "/dev/vdb", "path": "/mnt/disk", "fstype": "ext4"}
    built = build(fstab=[share, disk])
    assert built["Zone zone"].inputs["mounts"] == [
        "/dev/vdb /mnt/disk ext4 rw,relatime 0 0",
        "10.2.50.1:/nfs /mnt/one nfs rw,relatime 0 0",
    ]
    assert "mounts" not in build()["Zone zone"].inputs
    turned = build(fstab=[disk, share])
    assert turned["Installation n1a1"].inputs == built["Installation n1a1"].inputs


def test_keys_of_accounts_are_set_before_the_zone_is_made() -> None:
    built = build(ensure_keys_for=["ubuntu", "root", "ubuntu"])
    assert built.directly("LoginKeys zone") == INSTALLATIONS
    assert built.directly("Zone zone") >= {"LoginKeys zone"}
    assert built["LoginKeys zone"].inputs["ensure_keys_for"] == ["root", "ubuntu"]
    assert set(built["LoginKeys zone"].inputs["frontends"]) == {"n1a1", "n1a2", "n1a3"}
