"""When a resource changes, when it is replaced, and what the state records of it."""

import base64
import pickle
from collections.abc import Callable
from typing import Any, ClassVar, NoReturn

import dill
import pytest
from pulumi.dynamic import Config, dynamic
from pulumi.output import Unknown
from pulumi.runtime import rpc

from hosts.errors import HostError
from hosts.models import Host
from opennebula.zone import ServerEntry
from procedures import specs
from procedures.context import Access
from procedures.install.install import Installed
from procedures.preflight.preflight import Checked
from procedures.specs import MemberSpec, PreflightSpec, ZoneSpec
from providers import progress, run_state, runtime
from providers.base import Provider
from providers.bootstrap import BootstrapProvider
from providers.installation import InstallationProvider
from providers.login_keys import LoginKeysProvider
from providers.preflight import PreflightProvider
from providers.rollout import RolloutProvider
from providers.run_state import Operation
from providers.runtime import _clean_format_exc
from providers.virtual_ip import VirtualIpProvider
from providers.web_server import WebServerProvider
from providers.zone import ZoneProvider
from providers.zone_member import ZoneMemberProvider
from tests.unit.test_procedures import facts
from tests.unit.test_procedures import spec as installation_spec

PROVIDERS = [
    LoginKeysProvider,
    WebServerProvider,
    PreflightProvider,
    InstallationProvider,
    BootstrapProvider,
    ZoneProvider,
    ZoneMemberProvider,
    RolloutProvider,
    VirtualIpProvider,
]


@pytest.fixture(autouse=True)
def empty_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_state, "_current", None)
    monkeypatch.setattr(runtime, "_config", Config({}, "opennebula-ha"))


class Probe(Provider):
    spec_type = "MemberSpec"

    def identifier(self, spec: MemberSpec) -> str:
        return spec.host.name


ZONE = ZoneSpec(name="Main", endpoint="http://n1:2633/RPC2", highly_available=True)


def inputs(**changes: Any) -> dict[str, Any]:
    spec = MemberSpec(host=Host(name="n1", address="10.0.0.1"), zone=ZONE)
    given = {
        **Probe.inputs_of(spec),
        "after": {"n1": 0, "n2": 24},
        "names": ["a", "b"],
        "urn": "urn:1",
        "__provider": "code",
    }
    return {**given, **changes}


def renamed() -> dict[str, Any]:
    changed = inputs()
    changed["host"]["name"] = "n2"
    return changed


def moved() -> dict[str, Any]:
    changed = inputs()
    changed["host"]["address"] = "10.0.0.2"
    return changed


UNKNOWN: Any = Unknown()  # type: ignore[no-untyped-call]
SEEN: dict[str, Any] = {"drift": [], "server_id": 0.0}


@pytest.mark.parametrize(
    ("olds", "news", "changes", "replaces"),
    [
        (inputs(), inputs(), False, []),
        (inputs(after={"n1": 0.0, "n2": 24.0}), inputs(), False, []),
        (inputs(names=("a", "b")), inputs(), False, []),
        (inputs(after={"n1": 0, "n2": 24, "n3": None}), inputs(), False, []),
        (inputs(urn="urn:2", __provider="other code"), inputs(), False, []),
        (inputs(after={"n1": 0.5, "n2": 24}), inputs(), True, []),
        (inputs(after={"n1": False, "n2": 24}), inputs(after={"n1": True, "n2": 24}), True, []),
        (inputs(names=["b", "a"]), inputs(), True, []),
        (inputs(), inputs(after=UNKNOWN), True, []),
        (inputs(), inputs(after={"n1": rpc.UNKNOWN, "n2": 24}), True, []),
        (inputs(after=rpc.UNKNOWN), inputs(after=rpc.UNKNOWN), True, []),
        ({**inputs(), "drift": ["oned.conf"]}, inputs(), True, []),
        (inputs(), inputs(secrets="new"), True, []),
        (inputs(), moved(), True, []),
        (inputs(), renamed(), True, ["host"]),
    ],
)
def test_only_relevant_inputs_are_a_change(
    olds: dict[str, Any], news: dict[str, Any], changes: bool, replaces: list[str]
) -> None:
    found = Probe().diff("id", {**SEEN, **olds}, news)
    assert (found.changes, found.replaces) == (changes, replaces)
    assert found.delete_before_replace


def test_the_engine_always_gets_yes_or_no() -> None:
    for olds in (inputs(), moved()):
        assert Probe().diff("id", olds, inputs()).changes in (True, False)


def test_inputs_pass_unchanged() -> None:
    result = Probe().check({}, inputs())
    assert (result.inputs, result.failures) == (inputs(), [])


@pytest.mark.parametrize("kind", PROVIDERS)
def test_the_state_refers_to_a_provider_only_by_name(kind: type[Provider]) -> None:
    provider = kind()
    assert vars(provider) == {}
    assert not provider.serialize_as_secret_always
    pickled = dill.dumps(provider, protocol=4)
    assert len(pickled) < 150
    assert kind.__name__.encode() in pickled


FORMER = {
    BootstrapProvider: (
        "MAAAAAAAAACME3Byb3ZpZGVycy5ib290c3RyYXCUjBFCb290c3RyYXBQcm92aWRlcpSTlCmBlC4="
    ),
    InstallationProvider: (
        "NgAAAAAAAACMFnByb3ZpZGVycy5pbnN0YWxsYXRpb26UjBRJbnN0YWxsYXRpb25Qcm92aWRlcpSTlCmBlC4="
    ),
    LoginKeysProvider: (
        "MQAAAAAAAACMFHByb3ZpZGVycy5sb2dpbl9rZXlzlIwRTG9naW5LZXlzUHJvdmlkZXKUk5QpgZQu"
    ),
    PreflightProvider: (
        "MAAAAAAAAACME3Byb3ZpZGVycy5wcmVmbGlnaHSUjBFQcmVmbGlnaHRQcm92aWRlcpSTlCmBlC4="
    ),
    RolloutProvider: ("LAAAAAAAAACMEXByb3ZpZGVycy5yb2xsb3V0lIwPUm9sbG91dFByb3ZpZGVylJOUKYGULg=="),
    VirtualIpProvider: (
        "MQAAAAAAAACMFHByb3ZpZGVycy52aXJ0dWFsX2lwlIwRVmlydHVhbElwUHJvdmlkZXKUk5QpgZQu"
    ),
    WebServerProvider: (
        "MQAAAAAAAACMFHByb3ZpZGVycy53ZWJfc2VydmVylIwRV2ViU2VydmVyUHJvdmlkZXKUk5QpgZQu"
    ),
    ZoneProvider: ("JgAAAAAAAACMDnByb3ZpZGVycy56b25llIwMWm9uZVByb3ZpZGVylJOUKYGULg=="),
    ZoneMemberProvider: (
        "MwAAAAAAAACMFXByb3ZpZGVycy56b25lX21lbWJlcpSMElpvbmVNZW1iZXJQcm92aWRlcpSTlCmBlC4="
    ),
}
"""The references to providers in states: as the first versions wrote them, after the same bytes."""


@pytest.mark.parametrize("kind", PROVIDERS)
def test_states_of_earlier_versions_still_name_their_provider(kind: type[Provider]) -> None:
    """The reference is compared as text: a different one would be a change of the resource."""
    former = f"gASV{FORMER[kind]}"
    assert type(pickle.loads(base64.b64decode(former))) is kind  # noqa: S301 - our own
    assert dynamic.serialize_provider(kind()) == former


@pytest.mark.parametrize("kind", PROVIDERS)
def test_a_resource_without_an_id_of_its_own_is_of_a_host_with_a_name(kind: type[Provider]) -> None:
    spec: Any = getattr(specs, kind.spec_type)
    is_of_host = not kind.fixed_id and kind.identifier is Provider.identifier
    assert is_of_host == ("host" in spec.model_fields)
    assert not is_of_host or "name" in spec.model_fields["host"].annotation.model_fields


def raising(error: Exception) -> str:
    try:
        raise error
    except type(error):
        return _clean_format_exc()


def test_an_operators_error_shows_only_its_message() -> None:
    error = HostError("n1", "connect", expected="this", seen="that", remedy="do so")
    assert raising(error) == (
        "n1: connect: expected this, saw that\n  what to do: do so"
        "\n  see docs/troubleshooting.md#connect"
    )


def test_any_other_error_keeps_its_traceback() -> None:
    assert "Traceback" in raising(KeyError("x"))


def test_an_update_keeps_the_inputs_among_the_outputs() -> None:
    class Done(Probe):
        def do_update(self, *_: Any) -> dict[str, Any]:
            return {"server_id": 3, "drift": []}

        def do_read(self, *_: Any) -> dict[str, Any]:
            return {"drift": ["it is candidate"]}

    outs = Done().update("id", inputs(), moved()).outs
    assert outs is not None
    assert outs == {
        **{key: value for key, value in moved().items() if key != "__provider"},
        "server_id": 3,
        "drift": [],
    }
    read = Done().read("id", {**outs, "__provider": "code"})
    assert read.outs is not None
    assert read.outs["drift"] == ["it is candidate"]
    assert read.outs["server_id"] == 3


def test_the_last_warning_of_drift_says_where_to_read_on(monkeypatch: pytest.MonkeyPatch) -> None:
    class ProbeProvider(Probe):
        def do_read(self, *_: Any) -> dict[str, Any]:
            return {"drift": ["this", "that"]}

    warnings: list[str] = []
    monkeypatch.setattr(progress, "warn", lambda _, text: warnings.append(text))
    ProbeProvider().read("id", inputs())
    assert warnings == ["drift: this", "drift: that\n  see docs/drift.md#probe"]


@pytest.mark.parametrize(
    ("adopt", "words"),
    [({}, "otherwise a zone is bootstrapped"), ({"adopt": "observe"}, "nothing changes while")],
)
def test_a_new_stack_says_what_it_does_with_a_zone_that_runs(
    adopt: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[str] = []
    config = {f"opennebula-ha:{key}": value for key, value in adopt.items()}
    monkeypatch.setattr(runtime, "_config", Config(config, "opennebula-ha"))
    monkeypatch.setattr(progress, "note", lambda _, text: notes.append(text))
    ZoneProvider().check({}, {"urn": "urn", "frontends": {}})
    (note,) = notes
    assert "a zone that runs on these front-ends is adopted" in note
    assert words in note


class Half(Probe):
    """Fails in each changing operation, and names it."""

    writes: ClassVar[bool] = True
    adopted: ClassVar[bool] = False

    def is_adopted(self, *_: Any) -> bool:
        return self.adopted

    def do_create(self, op: Operation[Any]) -> dict[str, Any]:
        self._fail(op.access, "create again" if op.olds else "create")

    def do_update(self, op: Operation[Any]) -> dict[str, Any]:
        self._fail(op.access, "update")

    def do_read(self, *_: Any) -> dict[str, Any]:
        return {"drift": ["as it was"]}

    def _fail(self, access: Access, what: str) -> NoReturn:
        if self.writes:
            access.changes.set()
        raise HostError("n1", what, expected="this", seen="that", remedy="do so")


@pytest.fixture
def half() -> type[Half]:
    class Mine(Half):
        pass

    return Mine


def record_of(call: Callable[[], Any], step: str) -> Any:
    """Return the state's record of a call that fails in that step."""
    with pytest.raises(HostError) as caught:
        call()
    assert caught.value.step == step
    return getattr(caught.value, "_opennebula_ha_partial", None)


def test_a_failed_create_is_recorded_once_it_may_have_changed_a_host(
    half: type[Half],
) -> None:
    record = record_of(lambda: half().create(inputs()), "create")
    assert record == ("n1", {**inputs(), "incomplete": "create"})
    half.writes = False
    assert record_of(lambda: half().create(inputs()), "create") is None


def test_an_incomplete_create_is_repeated_until_it_succeeds(half: type[Half]) -> None:
    olds = {**inputs(), "incomplete": "create"}
    assert half().diff("n1", olds, inputs()).changes
    wanted = {key: value for key, value in moved().items() if key not in runtime.NO_SPEC}
    # However often, from its first inputs, and also if this call has written nothing.
    for half.writes in (True, False):
        record = record_of(lambda: half().update("n1", olds, moved()), "create again")
        assert record == ("n1", {**olds, "attempted": [wanted]})
    updated = {**inputs(), "incomplete": "update"}
    record = record_of(lambda: half().update("n1", updated, moved()), "update")
    assert record == ("n1", {**updated, "attempted": [wanted]})


def test_a_server_that_ran_before_is_kept_whatever_the_state_has(
    half: type[Half],
) -> None:
    half.adopted = True
    outs = half().update("n1", {**inputs(), "incomplete": "create"}, moved()).outs
    assert outs is not None
    assert outs["drift"] == ["as it was"]
    assert "incomplete" not in outs


def test_an_incomplete_create_stays_so_while_the_stack_observes(
    half: type[Half], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Config({"opennebula-ha:adopt": "observe"}, "opennebula-ha")
    monkeypatch.setattr(runtime, "_config", config)
    olds = {**inputs(), "incomplete": "create"}
    assert not half().diff("n1", olds, inputs()).changes
    outs = half().update("n1", olds, moved()).outs
    assert outs is not None
    assert outs["incomplete"] == "create"


def test_facts_of_preflight_are_used_once_by_the_installation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    got: list[Any] = []
    seen = facts()
    spec = installation_spec()
    checked = PreflightSpec(hosts={"n1a1": spec.host}, version="7.2")

    def installed(*_: Any, seen: Any, **__: Any) -> Installed:
        got.append(seen)
        return Installed("7.2.0", "debian 12", "m", "key", ())

    monkeypatch.setattr(
        "procedures.preflight.preflight.preflight",
        lambda *_, **__: Checked({"n1a1": seen}, frozenset()),
    )
    monkeypatch.setattr("procedures.install.install.install", installed)
    installation = {**InstallationProvider.inputs_of(spec), "urn": ""}
    preflight_inputs = {
        **PreflightProvider.inputs_of(checked),
        "zone": ZONE.model_dump(mode="json"),
        "urn": "",
    }
    moved = spec.model_copy(update={"host": spec.host.model_copy(update={"address": "10.9.9.9"})})
    PreflightProvider().create(preflight_inputs)
    InstallationProvider().create(installation)
    InstallationProvider().update("n1a1", installation, installation)
    PreflightProvider().create(preflight_inputs)
    InstallationProvider().create({**installation, **InstallationProvider.inputs_of(moved)})
    assert got == [seen, None, None]


@pytest.mark.parametrize("kind", PROVIDERS)
def test_an_optional_field_that_is_gone_is_compared(kind: type[Provider]) -> None:
    fields = getattr(specs, kind.spec_type).model_fields
    labels = {kind.labels.get(name, name): field for name, field in fields.items()}
    assert kind.labels.keys() <= fields.keys()
    assert kind.spread | kind.optional <= labels.keys()
    absent = {name for name, field in labels.items() if field.default is None}
    assert absent <= kind.spread | kind.optional


def test_an_attribute_that_is_gone_is_a_change_with_its_name() -> None:
    spec = installation_spec()
    level = spec.model_copy(update={"oned": {"LOG": {"DEBUG_LEVEL": 4}}})
    before, after = (InstallationProvider.inputs_of(one) for one in (level, spec))
    provider = InstallationProvider()
    assert provider.changed({**SEEN, **before}, after) == {"oned.LOG.DEBUG_LEVEL"}
    assert provider.changed({**SEEN, **after}, before) == {"oned.LOG.DEBUG_LEVEL"}
    assert provider.spec_of(before) == level


@pytest.mark.parametrize("kind", PROVIDERS)
def test_a_state_with_the_whole_spec_in_one_input_still_loads(kind: type[Provider]) -> None:
    """Earlier versions wrote such states."""
    made = {
        "InstallationSpec": installation_spec(),
        "ZoneSpec": ZONE,
        "MemberSpec": MemberSpec(host=Host(name="n1", address="10.0.0.1"), zone=ZONE),
        "PreflightSpec": PreflightSpec(hosts={}, version="7.2"),
        "LoginKeysSpec": specs.LoginKeysSpec(users=("root",), hosts={}),
        "WebSpec": specs.WebSpec(hosts={}, server="apache", names=(), key="k", certchain="c"),
    }[kind.spec_type]
    former = {"spec": made.model_dump(mode="json", exclude_none=True), "urn": "urn:1", **SEEN}
    provider = kind()
    assert provider.spec_of(former) == made
    assert provider.spec_of({**provider.inputs_of(made), **SEEN}) == made
    assert provider.changed(former, provider.inputs_of(made)) == set()


@pytest.mark.parametrize("form", ["now", "earlier"])
@pytest.mark.parametrize("kind", PROVIDERS)
def test_a_front_end_that_left_the_config_is_known_by_the_state(
    kind: type[Provider], form: str
) -> None:
    """Its entry in the zone may have any name: see ``named``."""
    gone = Host(name="n1", address="10.0.0.1", zone_server="Front_End_1")
    hosts = {"n1": gone}
    spec = {
        "InstallationSpec": installation_spec().model_copy(update={"host": gone}),
        "ZoneSpec": ZONE,
        "MemberSpec": MemberSpec(host=gone, zone=ZONE),
        "PreflightSpec": PreflightSpec(hosts=hosts, version="7.2"),
        "LoginKeysSpec": specs.LoginKeysSpec(users=("root",), hosts=hosts),
        "WebSpec": specs.WebSpec(hosts=hosts, server="apache", names=(), key="k", certchain="c"),
    }[kind.spec_type]
    listed = {"n1": gone.model_dump(mode="json", exclude_none=True)}
    if form == "now":
        props = {"frontends": listed, **kind.inputs_of(spec)}
    else:
        whole = spec.model_dump(mode="json", exclude_none=True)
        props = {"spec": whole, "front_ends": listed}
    entry = ServerEntry(1, "Front_End_1", "http://192.0.2.7:2633/RPC2")
    with kind()._operation("update", {**props, "urn": "urn:1"}) as op:
        assert [one.name for one in op.access.named((entry,))] == ["n1"]


def test_a_new_name_only_for_etc_hosts_changes_no_other_front_end() -> None:
    provider = InstallationProvider()
    three, two = (
        {
            **provider.inputs_of(
                installation_spec().model_copy(update={"names": dict.fromkeys(names, "10.0.0.1")})
            ),
        }
        for names in (("n1", "n2", "n3"), ("n1", "n2"))
    )
    # The outputs stay as the last update left them; the inputs follow each run.
    shrunk = provider.check(three, two).inputs
    assert provider.changed({**SEEN, **three}, shrunk) == set()
    grown = provider.check(shrunk, three).inputs
    assert provider.changed({**SEEN, **three}, grown) == {"etc_hosts_additions"}
    again = provider.check(grown, three).inputs
    assert provider.changed({**SEEN, **grown}, again) == set()
