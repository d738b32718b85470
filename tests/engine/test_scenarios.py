"""What the program relies on in the engine: order, secrets, records, behaviour after a failure."""

import json

import pytest

from tests.engine.playground import Stack, crypter

CANARY = "canary-7f3a"


def test_a_chain_is_created_in_order_and_then_unchanged(stack: Stack) -> None:
    stack.program("""
a = Thing("a", value=1)
b = Thing("b", value=a.made)
c = Thing("c", ResourceOptions(depends_on=[b]))
export("made", b.made)
""")
    preview = stack.preview()
    assert preview.status == 0
    assert not preview.changed()
    assert ("check", "b", "<unknown>") in [
        (c.method, c.name, c.arguments["news"].get("value"))
        for c in preview.calls
        if c.method == "check"
    ]
    first = stack.up()
    assert first.status == 0
    assert first.called("create") == [("create", "a"), ("create", "b"), ("create", "c")]
    assert stack.resource("b")["inputs"]["value"] == "a=1.0"
    again = stack.up()
    assert again.status == 0
    assert not again.changed()
    assert not stack.preview().changed()
    assert stack.destroy().called("delete") == [("delete", "c"), ("delete", "b"), ("delete", "a")]
    assert not stack.state()["resources"]


def test_independent_resources_are_created_and_deleted_in_parallel(stack: Stack) -> None:
    stack.program("""
for name in "abcd":
    Thing(name, meet=4)
""")
    assert stack.up().status == 0
    stack.program("Thing('e')\n")
    run = stack.up()
    assert run.status == 0
    # Resources that left the program are deleted last; unlinked ones at the same time.
    assert run.called("created", "delete")[0] == ("created", "e")
    assert {name for _, name in run.called("delete")} == set("abcd")
    assert stack.names() == {"e"}


def test_deletes_run_in_reverse_order_of_the_last_record(stack: Stack) -> None:
    stack.program("""
a = Thing("a")
b = Thing("b", ResourceOptions(depends_on=[a]))
c = Thing("c", ResourceOptions(depends_on=[b]))
""")
    stack.up()
    stack.program("Thing('c')\n")
    run = stack.up()
    assert run.status == 0
    assert run.called("delete") == [("delete", "b"), ("delete", "a")]
    assert "dependencies" not in stack.resource("c")


def test_the_link_between_two_deleted_resources_is_forgotten(stack: Stack) -> None:
    """The middle one stays and is recorded again; the other two no longer wait for each other."""
    stack.program(
        """
a = Thing("a", meet=2)
b = Thing("b", ResourceOptions(depends_on=[a]))
c = Thing("c", ResourceOptions(depends_on=[b]), meet=1)
""".replace("meet=2", "meet=1")
    )
    stack.up()
    stack.program("Thing('b')\n")
    run = stack.up()
    assert run.status == 0
    assert {name for _, name in run.called("delete")} == {"a", "c"}
    assert stack.names() == {"b"}


def test_a_replacement_deletes_first_if_the_program_says_so(stack: Stack) -> None:
    stack.config({"trial:kind": "x"})
    stack.program("""
Thing("a", ResourceOptions(delete_before_replace=True), kind=config.require("kind"))
""")
    stack.up()
    stack.config({"trial:kind": "y"})
    run = stack.up()
    assert run.called("create", "delete") == [("delete", "a"), ("create", "a")]


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


def test_components_and_their_outputs_are_kept(stack: Stack) -> None:
    stack.program("""
g = Group("g", value="1")
h = Thing("h", ResourceOptions(depends_on=[g]))
export("made", g.made)
""")
    stack.up()
    assert stack.resource("g")["outputs"] == {"made": "g-in=1"}
    assert stack.resource("g-in")["urn"].split("::")[2].startswith("test:Group$")
    assert not stack.up().changed()
    stack.program("Thing('h')\n")
    run = stack.up()
    assert run.called("delete") == [("delete", "g-in")]
    assert stack.names() == {"h"}


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

import pytest
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


def test_a_failed_create_stops_dependents_but_not_siblings(stack: Stack) -> None:
    stack.program("""
a = Thing("a")
b = Thing("b", meet=2)
bad = Thing("bad", meet=2)
after = Thing("after", ResourceOptions(depends_on=[bad]))
""")
    stack.flag("fail-create-bad")
    failed = stack.up()
    assert failed.status != 0
    assert "bad: create: expected success" in failed.text
    assert ("create", "after") not in failed.called("create")
    assert {"a", "b"} <= stack.names()
    assert not {"bad", "after"} & stack.names()
    assert not stack.state()["pending"]
    stack.unflag("fail-*")
    stack.program("""
a = Thing("a")
b = Thing("b", meet=2)
bad = Thing("bad", meet=1)
after = Thing("after", ResourceOptions(depends_on=[bad]))
""")
    run = stack.up()
    assert run.status == 0
    assert run.called("create") == [("create", "bad"), ("create", "after")]


def test_a_failed_update_keeps_the_old_record(stack: Stack) -> None:
    stack.program("a = Thing('a', value=1)\nexport('made', a.made)\n")
    stack.up()
    stack.program("a = Thing('a', value=2)\nexport('made', a.made)\n")
    stack.flag("fail-update-a")
    assert stack.up().status != 0
    assert stack.resource("a")["inputs"]["value"] == 1
    assert stack.resource("trial-dev")["outputs"] == {"made": "a=1.0"}
    stack.unflag("fail-*")
    assert stack.up().called("update") == [("update", "a")]


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


def test_a_failed_delete_runs_last_and_is_retried(stack: Stack) -> None:
    stack.program("""
Thing("a", value=1)
b = Thing("b")
Thing("c", ResourceOptions(depends_on=[b]))
""")
    stack.up()
    stack.program("Thing('a', value=2)\nThing('d')\n")
    stack.flag("fail-delete-c")
    failed = stack.up()
    assert failed.status != 0
    assert failed.changed() == {("update", "a"), ("create", "d"), ("delete", "c")}
    assert stack.names() == {"a", "b", "c", "d"}
    stack.unflag("fail-*")
    assert stack.up().called("create", "update", "delete") == [("delete", "c"), ("delete", "b")]


def test_a_failed_check_stops_before_any_change(stack: Stack) -> None:
    stack.program("Thing('a', value='wrong')\n")
    preview = stack.preview()
    assert preview.status != 0
    assert "is wrong" in preview.text
    assert stack.up().status != 0
    assert not stack.names()


def test_a_program_that_fails_keeps_its_created_resources(stack: Stack) -> None:
    stack.program("Thing('a')\n")
    stack.up()
    stack.program("""
raise pulumi.RunError("first_key: expected a number\\nsecond_key: unknown")
""")
    failed = stack.up()
    assert failed.status != 0
    assert "second_key: unknown" in failed.text
    assert "Traceback" not in failed.text
    assert stack.names() == {"a"}
    stack.program("1 / 0\n")
    assert "ZeroDivisionError" in stack.preview().text
    assert stack.names() == {"a"}


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


def test_a_failed_refresh_fails_and_keeps_the_record(stack: Stack) -> None:
    stack.program("Thing('a')\nThing('b')\n")
    stack.up()
    stack.flag("fail-read-a")
    assert stack.refresh().status != 0
    assert stack.names() == {"a", "b"}


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


def test_a_named_resource_is_replaced(stack: Stack) -> None:
    stack.program("a = Thing('a')\nThing('b', value=a.made)\n")
    stack.up()
    run = stack.up("--replace", stack.resource("a")["urn"])
    assert run.called("create", "delete") == [("create", "a"), ("delete", "a")]


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


@pytest.mark.parametrize("refreshes", [False, True])
@pytest.mark.parametrize("value", ["1", "2"])
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
