"""A dynamic provider that records every call and stores its things as files.

Files in the project's directory control it: ``fail-METHOD-NAME`` makes a call fail,
and ``touched-NAME`` says that a create has already changed something.
"""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import (
    ConfigureRequest,
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    UpdateResult,
)

from hosts.errors import HostError
from providers import progress
from providers.base import Provider
from providers.runtime import CREATE, INCOMPLETE, incomplete, recorded

URN = "urn:pulumi:dev::trial::pulumi-python:dynamic/test:Thing::"
CALLS = Path("calls.jsonl")
WORLD = Path("world")
DEADLINE_SECONDS = 20.0
# Keys whose change replaces the thing, in order of comparison.
REPLACING = ("kind",)


def _shown(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shown(item) for key, item in value.items() if key != "__provider"}
    if isinstance(value, list):
        return [_shown(item) for item in value]
    return value


def _record(method: str, name: str, **arguments: Any) -> None:
    entry = {"method": method, "name": name, "arguments": _shown(arguments)}
    with CALLS.open("a") as file:
        file.write(json.dumps(entry, sort_keys=True) + "\n")


def _wait_for(condition: Any, what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {DEADLINE_SECONDS} s for {what}")
        time.sleep(0.01)


def _act(method: str, name: str) -> None:
    """Do what every changing call does: hang or fail as its flags say."""
    if Path(f"hang-{method}-{name}").exists():
        Path("provider.pid").write_text(str(os.getpid()))
        _wait_for(lambda: not Path(f"hang-{method}-{name}").exists(), "the end of hanging")
    if Path(f"fail-{method}-{name}").exists():
        raise HostError(
            name, method, expected="success", seen="failure", remedy="do not ask for it"
        )


def _make(name: str, properties: dict[str, Any]) -> dict[str, Any]:
    WORLD.mkdir(exist_ok=True)
    outputs = {key: value for key, value in properties.items() if key != "__provider"}
    outputs["made"] = f"{name}={properties.get('value')}"
    outputs["token"] = f"token-of-{name}"
    (WORLD / f"{name}.json").write_text(json.dumps(outputs))
    return outputs


class Recorder(Provider):
    """One of our own providers, but for its actions."""

    def configure(self, req: ConfigureRequest) -> None:
        """Record the whole config."""
        super().configure(req)
        _record("configure", "", config=dict(req.config._props))

    def diff(self, _id: str, _olds: Mapping[str, Any], _news: Mapping[str, Any]) -> DiffResult:
        """Compare the inputs; replace for a new kind or an unknown one."""
        keys = {*_news, INCOMPLETE} - {"__provider"}
        changed = [key for key in keys if _olds.get(key) != _news.get(key)]
        replaces = [key for key in REPLACING if key in changed]
        return DiffResult(
            changes=bool(changed),
            replaces=replaces,
            delete_before_replace=bool(_news.get("delete_first")),
        )

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Create the thing."""
        name = props["name"]
        _record("create", name, props=props)
        with (
            recorded(
                f"id-{name}",
                lambda: Path(f"touched-{name}").exists() and {**props, INCOMPLETE: CREATE},
            ),
            progress.operation(f"{URN}{name}", f"making {name}"),
        ):
            _act("create", name)
        outputs = _make(name, props)
        _record("created", name)
        return CreateResult(f"id-{name}", outputs)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Update the thing in place."""
        name = _news["name"]
        _record("update", name, id=_id, olds=_olds, news=_news)
        key = "__provider"
        with recorded(_id, lambda: {**incomplete(_olds, _news), key: _news[key]}):
            _act("update", name)
        outputs = _make(name, _news)
        _record("updated", name)
        return UpdateResult(outputs)

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Read the thing; an empty id says that it is gone."""
        name = props["name"]
        _record("read", name, id=id_, props=props)
        if Path(f"fail-read-{name}").exists():
            raise RuntimeError(f"read of {name} fails as its flag says")
        path = WORLD / f"{name}.json"
        if props.get(INCOMPLETE):
            return ReadResult(id_, props)
        if not path.exists():
            return ReadResult("", {})
        found = json.loads(path.read_text())
        inputs = {key: value for key, value in found.items() if key in ("name", "value")}
        return ReadResult(id_, found, inputs if Path(f"inputs-{name}").exists() else None)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Delete the thing."""
        name = _props["name"]
        _record("delete", name, id=_id, props=_props)
        _act("delete", name)
        (WORLD / f"{name}.json").unlink(missing_ok=True)
        _record("deleted", name)


class Thing(Resource, module="test", name="Thing"):
    """A thing that the recorder creates."""

    made: pulumi.Output[str]
    token: pulumi.Output[str]

    def __init__(
        self, name: str, opts: pulumi.ResourceOptions | None = None, **properties: Any
    ) -> None:
        inputs = {"name": name, "made": None, "token": None, **properties}
        super().__init__(Recorder(), name, inputs, opts)
