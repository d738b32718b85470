"""What the program relies on in the engine: order, secrets, records, behaviour after a failure."""

import json

import pytest

from tests.engine.playground import Stack, crypter

CANARY = "canary-7f3a"


def test_a_replacement_whose_create_failed_is_resumed(stack: Stack) -> None:
    stack.config({"trial:kind": "x"})
    stack.program("""
Thing("a", ResourceOptions(delete_before_replace=True), kind=config.require("kind"))
""")
    stack.up()
    stack.config({"trial:kind": "y"})
    stack.flag("fail-create-a")
    failed = stack.up()
    assert failed.status != 0
    assert stack.resource("a")["pendingReplacement"]
    stack.unflag("fail-*")
    run = stack.up()
    assert run.status == 0
    assert run.called("create", "delete") == [("create", "a")]
    assert not stack.up().changed()


def test_secrets_stay_secret(stack: Stack) -> None:
    secure = {"secure": crypter().encrypt(CANARY)}
    stack.config(
        {
            "trial:password": secure,
            "trial:nested": {"z": 1, "a": {"pass": secure}, "list": [True, "<&>"]},
        }
    )
    stack.program("""
import json

nested = config.require_secret_object("nested")
a = Thing(
    "a",
    ResourceOptions(additional_secret_outputs=["token"]),
    value="plain",
    password=config.require_secret("password"),
    nested=nested,
    order=nested.apply(lambda n: ",".join(n)),
)
export("password", a.password if hasattr(a, "password") else config.require_secret("password"))
export("token", a.token)
""")
    stack.preview()
    run = stack.up()
    assert run.status == 0
    created = next(c for c in run.calls if c.method == "create")
    assert created.arguments["props"]["password"] == CANARY
    assert created.arguments["props"]["order"] == "a,list,z"
    outputs = stack.resource("a")["outputs"]
    assert outputs["token"] == {"secret": "token-of-a"}
    assert outputs["password"] == {"secret": CANARY}
    assert CANARY not in stack.raw_state()
    assert all(CANARY not in run.text for run in stack.runs)
    again = stack.up()
    assert not again.changed()
    stack.refresh()
    assert stack.resource("a")["outputs"]["token"] == {"secret": "token-of-a"}
    assert CANARY not in stack.raw_state()


def test_a_failed_delete_keeps_its_record_and_dependencies(stack: Stack) -> None:
    stack.program("""
a = Thing("a")
b = Thing("b", ResourceOptions(depends_on=[a]))
""")
    stack.up()
    stack.flag("fail-delete-b")
    failed = stack.destroy()
    assert failed.status != 0
    assert stack.names() == {"a", "b"}
    stack.unflag("fail-*")
    assert stack.destroy().called("delete") == [("delete", "b"), ("delete", "a")]


def test_deleted_with_applies_to_destroy_and_not_to_a_delete_alone(stack: Stack) -> None:
    members = """
zone = Thing("zone")
for name in {names}:
    Thing(name, ResourceOptions(deleted_with=zone, depends_on=[zone]))
"""
    stack.program(members.format(names=["a", "b"]))
    stack.up()
    stack.program(members.format(names=["a"]))
    assert stack.up().called("delete") == [("delete", "b")]
    assert stack.destroy().called("delete") == [("delete", "zone")]
    assert not stack.state()["resources"]


def test_deleted_with_applies_to_an_up_that_deletes_both(stack: Stack) -> None:
    stack.program("""
zone = Thing("zone")
host = Thing("host")
a = Thing("a", ResourceOptions(deleted_with=zone, depends_on=[zone, host]))
b = Thing("b", ResourceOptions(deleted_with=zone, depends_on=[zone, a]))
""")
    stack.up()
    stack.program("Thing('host')\n")
    assert stack.up().called("delete") == [("delete", "zone")]
    assert stack.names() == {"host"}


def test_deleted_with_applies_to_a_replacement(stack: Stack) -> None:
    stack.config({"trial:kind": "x"})
    stack.program("""
zone = Thing("zone", ResourceOptions(delete_before_replace=True), kind=config.require("kind"))
Thing("a", ResourceOptions(deleted_with=zone, depends_on=[zone]))
""")
    stack.up()
    stack.config({"trial:kind": "y"})
    assert not stack.preview().changed()
    run = stack.up()
    assert run.called("create", "delete") == [
        ("delete", "zone"),
        ("create", "zone"),
        ("create", "a"),
    ]


def test_refresh_records_changed_and_missing_resources(stack: Stack) -> None:
    stack.program("""
a = Thing("a", value="1")
b = Thing("b", value="2")
c = Thing("c", ResourceOptions(depends_on=[b]), value=b.made)
d = Thing("d", value="4")
""")
    stack.up()
    for name in "ad":
        found = json.loads(stack.world(name).read_text())
        stack.world(name).write_text(json.dumps({**found, "value": "drifted"}))
    stack.world("b").unlink()
    stack.flag("inputs-d")
    run = stack.refresh()
    assert run.status == 0
    assert stack.names() == {"a", "c", "d"}
    assert stack.resource("a")["outputs"]["value"] == "drifted"
    assert stack.resource("a")["inputs"]["value"] == "1"
    assert stack.resource("d")["inputs"]["value"] == "drifted"
    assert "dependencies" not in stack.resource("c")
    run = stack.up()
    assert set(run.called("create", "update")) == {
        ("update", "a"),
        ("create", "b"),
        ("update", "d"),
    }


def test_an_up_whose_refresh_fails_changes_nothing(stack: Stack) -> None:
    stack.program("Thing('a')\n")
    stack.up()
    stack.program("Thing('a')\nThing('b')\n")
    stack.flag("fail-read-a")
    run = stack.up("--refresh")
    assert run.status != 0
    assert not run.changed()
    assert stack.names() == {"a"}


def test_a_refresh_before_up_uses_the_config_of_the_last_up(stack: Stack) -> None:
    """One provider process, if the config is the same: its memory is kept."""
    stack.program("Thing('a')\n")
    stack.config({"trial:host": "old"})
    stack.up()
    for host, used in (("old", ["old"]), ("new", ["old", "new"])):
        stack.config({"trial:host": host})
        run = stack.up("--refresh")
        assert run.status == 0
        configs = [c.arguments["config"] for c in run.calls if c.method == "configure"]
        assert configs == [{"trial:host": name} for name in used]


def test_destroy_uses_the_config_of_the_last_up(stack: Stack) -> None:
    stack.program("Thing('a')\nThing('b')\n")
    stack.config({"trial:host": "old", "trial:pass": {"secure": crypter().encrypt(CANARY)}})
    stack.up()
    assert CANARY not in stack.raw_state()
    stack.config({"trial:host": "new"})
    for run in (stack.refresh(), stack.destroy()):
        config = next(c for c in run.calls if c.method == "configure").arguments["config"]
        assert config == {"trial:host": "old", "trial:pass": CANARY}


def test_deletes_in_an_up_use_the_present_config(stack: Stack) -> None:
    stack.program("Thing('a')\nThing('b')\n")
    stack.config({"trial:host": "old"})
    stack.up()
    stack.config({"trial:host": "new"})
    stack.program("Thing('a')\n")
    run = stack.up()
    assert run.called("delete") == [("delete", "b")]
    configs = [c.arguments["config"] for c in run.calls if c.method == "configure"]
    assert configs == [{"trial:host": "new"}]


def test_config_shows_all_values(stack: Stack) -> None:
    """What the commands get: the project's defaults too, objects as text, secrets in plaintext."""
    secure = {"secure": crypter().encrypt(CANARY)}
    stack.declare({"size": {"type": "integer", "default": 3}, "tags": {"default": ["<&>"]}})
    stack.config(
        {
            "trial:word": "x",
            "trial:number": 7.2,
            "trial:password": secure,
            "trial:nested": {"z": 1, "a": {"pass": secure, "yes": True}},
        }
    )
    shown = stack.configure("--json", "--show-secrets").text
    nested = {"a": {"pass": CANARY, "yes": True}, "z": 1}
    assert json.loads(shown[shown.index("{") :]) == {
        "trial:nested": {
            "value": json.dumps(nested, separators=(",", ":")),
            "objectValue": nested,
            "secret": True,
        },
        "trial:number": {"value": "7.2", "secret": False},
        "trial:password": {"value": CANARY, "secret": True},
        "trial:size": {"value": "3", "secret": False},
        "trial:tags": {
            "value": '["\\u003c\\u0026\\u003e"]',
            "objectValue": ["<&>"],
            "secret": False,
        },
        "trial:word": {"value": "x", "secret": False},
    }


def test_a_failed_update_is_repeated_even_if_its_config_is_reverted(stack: Stack) -> None:
    stack.config({"trial:value": "1"})
    stack.program(f"""
Thing("a", value=config.require("value"), secrets=pulumi.Output.secret("{CANARY}"))
""")
    stack.up()
    stack.config({"trial:value": "2"})
    stack.flag("fail-update-a")
    failed = stack.up()
    assert failed.status != 0
    assert "a: update: expected success, saw failure" in failed.text
    assert CANARY not in stack.raw_state()
    # The next update starts from the recorded values.
    (again,) = [call for call in stack.up().calls if call.method == "update"]
    assert again.arguments["olds"]["value"] == "1"
    stack.unflag("fail-*")
    stack.config({"trial:value": "1"})
    run = stack.up()
    assert run.status == 0
    assert run.called("update") == [("update", "a")]
    assert not stack.up().changed()


HALF = f"""
a = Thing("a", value=config.require("value"), secret=pulumi.Output.secret("{CANARY}"))
b = Thing("b", ResourceOptions(depends_on=[a]), of=a.made)
"""


def half_created(stack: Stack) -> None:
    """Let the create of a fail after it has changed something."""
    stack.config({"trial:value": "1"})
    stack.program(HALF)
    stack.flag("touched-a")
    stack.flag("fail-create-a")
    failed = stack.up()
    assert failed.status != 0
    assert "a: create: expected success, saw failure" in failed.text
    assert stack.names() == {"a"}
    assert not stack.state()["pending"]
    assert CANARY not in stack.raw_state()


@pytest.mark.parametrize(("value", "refreshes"), [("1", False), ("2", True)])
def test_an_interrupted_create_is_repeated(stack: Stack, value: str, refreshes: bool) -> None:
    half_created(stack)
    stack.flag("fail-update-a")
    stack.config({"trial:value": value})
    if refreshes:
        assert not stack.refresh().status
    assert not stack.preview().status
    again = stack.up()
    assert again.status != 0
    # Still a create, from the inputs of the first one.
    stack.unflag("fail-*")
    run = stack.up()
    assert run.status == 0
    (update,) = [call for call in run.calls if call.method == "update"]
    assert update.arguments["olds"]["value"] == "1"
    assert update.arguments["olds"]["incomplete"] == "create"
    assert run.called("create") == [("create", "b")]
    assert CANARY not in stack.raw_state()
    assert not stack.up("--expect-no-changes").changed()


@pytest.mark.parametrize("way", ["up", "destroy"])
def test_an_interrupted_create_that_left_the_stack_is_deleted(stack: Stack, way: str) -> None:
    half_created(stack)
    if way == "up":
        stack.program("")
    run = stack.up() if way == "up" else stack.destroy()
    assert run.status == 0
    assert run.called("delete", "create", "update") == [("delete", "a")]
    (delete,) = [call for call in run.calls if call.method == "delete"]
    assert delete.arguments["props"]["incomplete"] == "create"
    assert not stack.names()


def test_a_replacement_whose_create_was_interrupted_is_resumed(stack: Stack) -> None:
    stack.config({"trial:kind": "x"})
    stack.program("""
Thing("a", ResourceOptions(delete_before_replace=True), kind=config.require("kind"))
""")
    stack.up()
    stack.config({"trial:kind": "y"})
    stack.flag("fail-create-a")
    stack.flag("touched-a")
    assert stack.up().status != 0
    stack.unflag("fail-*")
    run = stack.up()
    assert run.status == 0
    assert run.called("create", "delete", "update") == [("update", "a")]
    assert not stack.up().changed()


def test_the_provider_host_starts_while_the_program_loads(stack: Stack) -> None:
    stack.program("""
import os
from tests.engine.playground import session

runtime.speed_up()
export("refusal", runtime._refused_call.exception(timeout=30).details())
running = session(os.getsid(0)).values()
export("running", any("-m pulumi.dynamic" in command for command in running))
Thing("a")
""")
    for run in (stack.preview(), stack.up()):
        assert run.status == 0
        assert "Diagnostics" not in run.text
    outputs = stack.resource("trial-dev")["outputs"]
    assert "failed to unmarshal pulumi-python:dynamic:start args" in outputs["refusal"]
    assert outputs["running"] is True
    assert not stack.up().changed()
