"""The stand-in's own manners: its API, its command line, its refusals."""

import json
from pathlib import Path

import pytest

from lab.engine import Engine, EngineError
from lab.engine.__main__ import main
from lab.engine.display import NOTICE
from lab.engine.secrets import Crypter, MissingPassphrase
from lab.engine.state import PendingOperation, Resource, Snapshot, Store
from tests.engine.playground import PASSPHRASE, Stack, crypter


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack("stand-in", tmp_path / "project", tmp_path / "state")


def engine_of(stack: Stack) -> Engine:
    return Engine(stack.directory, "dev", backend=f"file://{stack.backend}", passphrase=PASSPHRASE)


def test_the_api_tells_what_was_done(stack: Stack) -> None:
    stack.program("""
a = Thing("a", secret=pulumi.Output.secret("x"))
pulumi.log.warn("mind the gap", a)
export("made", a.made)
""")
    engine = engine_of(stack)
    preview = engine.preview()
    assert preview.summary == {"create": 2}
    assert {c.method for c in preview.provider_calls} == {"check"}
    result = engine.up()
    assert result.ok
    assert result.changes
    assert [(o.op, o.urn.rsplit("::", 1)[1], o.id) for o in result.operations][-1] == (
        "create",
        "a",
        "id-a",
    )
    assert [d.message for d in result.diagnostics] == ["mind the gap"]
    assert result.outputs == {"made": "a=None"}
    assert engine.outputs() == {"made": "a=None"}
    assert not engine.up().changes
    assert engine.destroy().summary == {"delete": 2}


@pytest.mark.parametrize(
    ("program", "named"),
    [
        ("Thing('a', ResourceOptions(import_='x'))", "import_"),
        ("Thing('a', ResourceOptions(aliases=[pulumi.Alias(name='b')]))", "aliases"),
        ("pulumi.CustomResource('other:index:Thing', 'a', {})", "other:index:Thing"),
        ("pulumi.runtime.invoke('std:index:abs', {})", "std:index:abs"),
        ("Thing('a', asset=pulumi.StringAsset('x'))", "assets"),
        (
            "Thing('a', ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create='1m')))",
            "custom_timeouts",
        ),
    ],
)
def test_refuses_loudly_what_it_does_not_know(stack: Stack, program: str, named: str) -> None:
    stack.program(program + "\n")
    result = engine_of(stack).preview()
    assert not result.ok
    messages = [d.message for d in result.diagnostics if d.severity == "error"]
    assert any(named in message and "stand-in" in message for message in messages), messages


def test_says_what_it_is_and_never_shows_a_secret(
    stack: Stack, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{stack.backend}")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", PASSPHRASE)
    where = ["--stack", "dev", "--cwd", str(stack.directory)]
    assert main(["config", *where, "set", "--secret", "password", "canary-1"]) == 0
    assert main(["config", *where, "set", "--path", "all.list[0].size", "3"]) == 0
    stack.program("""
password = config.require_secret("password")
pulumi.log.info("the password is " + config.require("password"))
print(config.require_object("all"))
export("password", password)
Thing("a")
""")
    assert main(["up", *where, "--yes"]) == 0
    assert main(["up", *where, "--yes", "--expect-no-changes"]) == 0
    assert main(["stack-output", *where]) == 0
    shown = capfd.readouterr()
    assert "canary-1" not in shown.out + shown.err
    assert "{'list': [{'size': 3}]}" in shown.out
    assert set(shown.err.splitlines()) == {NOTICE}
    assert "+ 2 created" in shown.out
    assert "2 unchanged" in shown.out
    assert main(["stack-output", *where, "password", "--show-secrets"]) == 0
    assert capfd.readouterr().out == "canary-1\n"
    stack.program("Thing('a', value=2)\n")
    assert main(["preview", *where, "--expect-no-changes", "--json"]) == 1
    assert json.loads(capfd.readouterr().out)["changeSummary"] == {"update": 1, "same": 1}
    assert main(["up", *where]) == 255
    assert "--yes" in capfd.readouterr().err


def test_wants_a_backend(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    with pytest.raises(EngineError, match="set PULUMI_BACKEND_URL"):
        Engine(stack.directory, "dev").preview()


def test_a_living_lock_holds_and_a_dead_one_does_not(tmp_path: Path) -> None:
    store = Store(f"file://{tmp_path}", "trial", "dev")
    with store.lock():
        locks = list((tmp_path / ".pulumi/locks/organization/trial/dev").glob("*.json"))
        assert len(locks) == 1
        with pytest.raises(EngineError, match="currently locked"), store.lock():
            pass
        holder = json.loads(locks[0].read_text())
        locks[0].write_text(json.dumps({**holder, "pid": 2**22 + 1}))
        with store.lock():
            pass


def test_the_state_comes_back_as_it_was_written(tmp_path: Path) -> None:
    store = Store(f"file://{tmp_path}", "trial", "dev")
    resource = Resource(
        urn="urn:pulumi:dev::trial::t:T::a",
        type="t:T",
        custom=True,
        id="1",
        inputs={"a": 1.0},
        dependencies=["x"],
        deleted_with="y",
        protect=True,
        other={"sourcePosition": "project:///__main__.py#1"},
    )
    pending = PendingOperation(resource, "creating")
    store.save(Snapshot([resource], [pending]), crypter())
    loaded = store.load(crypter())
    assert [vars(r) for r in loaded.resources] == [vars(resource)]
    assert [p.type for p in loaded.pending] == ["creating"]
    document = json.loads(store.path.read_text())
    assert document["version"] == 3
    assert document["checkpoint"]["stack"] == "organization/trial/dev"
    assert document["checkpoint"]["latest"]["secrets_providers"]["type"] == "passphrase"


def test_a_run_that_changes_nothing_writes_the_state_once_at_its_end(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the CLI: pkg/backend/snapshot.go leaves out what would say the same."""
    written: list[Snapshot] = []
    save = Store.save

    def count(store: Store, snapshot: Snapshot, crypter: Crypter) -> None:
        written.append(snapshot)
        save(store, snapshot, crypter)

    monkeypatch.setattr(Store, "save", count)
    stack.program('Group("g")\n')
    assert engine_of(stack).up().ok
    assert len(written) > 1
    written.clear()
    assert not engine_of(stack).up().changes
    assert len(written) == 1


def test_refuses_a_state_that_says_more_than_it_knows(tmp_path: Path) -> None:
    store = Store(f"file://{tmp_path}", "trial", "dev")
    store.save(Snapshot([Resource(urn="u", type="t", custom=False)]), crypter())
    document = json.loads(store.path.read_text())
    document["checkpoint"]["latest"]["resources"][0]["viewOf"] = "x"
    store.path.write_text(json.dumps(document))
    with pytest.raises(EngineError, match="viewOf"):
        store.load(MissingPassphrase())
