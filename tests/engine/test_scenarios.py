"""What the program counts on in the engine: orders, secrets, records, what follows a failure."""

import json

import pytest

from tests.engine.playground import Stack, crypter

CANARY = "canary-7f3a"


def test_creates_a_chain_in_order_and_then_changes_nothing(stack: Stack) -> None:
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


def test_creates_and_deletes_side_by_side(stack: Stack) -> None:
    stack.program("""
for name in "abcd":
    Thing(name, meet=4)
""")
    assert stack.up().status == 0
    stack.program("Thing('e')\n")
    run = stack.up()
    assert run.status == 0
    # What left the program goes last, and what is not linked goes together.
    assert run.called("created", "delete")[0] == ("created", "e")
    assert {name for _, name in run.called("delete")} == set("abcd")
    assert stack.names() == {"e"}


def test_deletes_what_left_in_reverse_order_of_the_last_record(stack: Stack) -> None:
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


def test_forgets_the_link_between_two_that_left(stack: Stack) -> None:
    """A middle that stays is recorded again; the two around it no longer wait for each other."""
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


def test_replaces_deleting_first_as_the_program_says(stack: Stack) -> None:
    stack.config({"trial:kind": "x"})
    stack.program("""
Thing("a", ResourceOptions(delete_before_replace=True), kind=config.require("kind"))
""")
    stack.up()
    stack.config({"trial:kind": "y"})
    run = stack.up()
    assert run.called("create", "delete") == [("delete", "a"), ("create", "a")]


def test_resumes_a_replacement_whose_create_failed(stack: Stack) -> None:
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


def test_keeps_components_and_their_outputs(stack: Stack) -> None:
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


def test_keeps_secrets_secret(stack: Stack) -> None:
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


def test_a_failed_create_leaves_siblings_and_spares_dependents(stack: Stack) -> None:
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


def test_a_failed_delete_keeps_the_record_and_what_it_depends_on(stack: Stack) -> None:
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


def test_a_failed_delete_comes_after_everything_else_and_is_tried_again(stack: Stack) -> None:
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


def test_a_failed_check_stops_before_anything_changes(stack: Stack) -> None:
    stack.program("Thing('a', value='wrong')\n")
    preview = stack.preview()
    assert preview.status != 0
    assert "is wrong" in preview.text
    assert stack.up().status != 0
    assert not stack.names()


def test_a_program_that_fails_keeps_what_it_made(stack: Stack) -> None:
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


def test_deletes_with_another_on_destroy_but_not_alone(stack: Stack) -> None:
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


def test_what_is_deleted_with_another_goes_with_it_in_an_up_too(stack: Stack) -> None:
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


def test_what_is_deleted_with_another_is_recreated_with_it(stack: Stack) -> None:
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


def test_refresh_takes_in_what_drifted_and_vanished(stack: Stack) -> None:
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


def test_refreshes_first_with_the_config_of_the_last_up(stack: Stack) -> None:
    """One provider process where the config is the same: what it keeps in mind is kept."""
    stack.program("Thing('a')\n")
    stack.config({"trial:host": "old"})
    stack.up()
    for host, used in (("old", ["old"]), ("new", ["old", "new"])):
        stack.config({"trial:host": host})
        run = stack.up("--refresh")
        assert run.status == 0
        configs = [c.arguments["config"] for c in run.calls if c.method == "configure"]
        assert configs == [{"trial:host": name} for name in used]


def test_deletes_with_the_config_of_the_last_up(stack: Stack) -> None:
    stack.program("Thing('a')\nThing('b')\n")
    stack.config({"trial:host": "old", "trial:pass": {"secure": crypter().encrypt(CANARY)}})
    stack.up()
    assert CANARY not in stack.raw_state()
    stack.config({"trial:host": "new"})
    for run in (stack.refresh(), stack.destroy()):
        config = next(c for c in run.calls if c.method == "configure").arguments["config"]
        assert config == {"trial:host": "old", "trial:pass": CANARY}


def test_deletes_in_an_up_with_the_config_of_now(stack: Stack) -> None:
    stack.program("Thing('a')\nThing('b')\n")
    stack.config({"trial:host": "old"})
    stack.up()
    stack.config({"trial:host": "new"})
    stack.program("Thing('a')\n")
    run = stack.up()
    assert run.called("delete") == [("delete", "b")]
    configs = [c.arguments["config"] for c in run.calls if c.method == "configure"]
    assert configs == [{"trial:host": "new"}]


def test_replaces_a_resource_that_is_named(stack: Stack) -> None:
    stack.program("a = Thing('a')\nThing('b', value=a.made)\n")
    stack.up()
    run = stack.up("--replace", stack.resource("a")["urn"])
    assert run.called("create", "delete") == [("create", "a"), ("delete", "a")]


def test_shows_the_config_whole(stack: Stack) -> None:
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


def test_updates_again_what_failed_also_where_its_config_is_put_back(stack: Stack) -> None:
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
    # The next one starts from what the thing was before.
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
    """Have the create of a fail after it has changed something."""
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
def test_tries_a_create_again_that_was_cut_off_in_the_middle(
    stack: Stack, value: str, refreshes: bool
) -> None:
    half_created(stack)
    stack.flag("fail-update-a")
    stack.config({"trial:value": value})
    if refreshes:
        assert not stack.refresh().status
    assert not stack.preview().status
    again = stack.up()
    assert again.status != 0
    # Still a create, from what the first one was asked for.
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
def test_deletes_what_a_create_left_that_was_cut_off_in_the_middle(stack: Stack, way: str) -> None:
    half_created(stack)
    if way == "up":
        stack.program("")
    run = stack.up() if way == "up" else stack.destroy()
    assert run.status == 0
    assert run.called("delete", "create", "update") == [("delete", "a")]
    (delete,) = [call for call in run.calls if call.method == "delete"]
    assert delete.arguments["props"]["incomplete"] == "create"
    assert not stack.names()


def test_resumes_a_replacement_whose_create_was_cut_off_in_the_middle(stack: Stack) -> None:
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
