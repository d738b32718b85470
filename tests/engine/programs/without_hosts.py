"""The sitecustomize of a provider host that has no hosts: its operations succeed, and are recorded.

Everything up to the procedures is the program's own: which front-ends a provider knows, too.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CALLS = Path("calls.jsonl")
OUTPUTS: dict[str, dict[str, Any]] = {
    "Installation": {"revision": "1", "machine_id": "m", "host_key": "k", "drift": []},
    "ZoneMember": {"revision": "1", "server_id": 0, "endpoint": "e", "drift": []},
    "Rollout": {"verified_at": "1", "leader": "n1a1", "servers": {}, "pool": [], "backups": {}},
}


def _replace() -> None:
    from pulumi.dynamic import CreateResult, ReadResult, UpdateResult  # noqa: PLC0415

    from providers import base  # noqa: PLC0415

    def record(provider: base.Provider, method: str, props: Mapping[str, Any]) -> dict[str, Any]:
        kind = type(provider).__name__.removesuffix("Provider")
        with provider._operation(method, props) as op:
            known = {name: host.address for name, host in op.run.front_ends.items()}
        with CALLS.open("a", encoding="utf-8") as file:
            file.write(json.dumps([method, kind, known]) + "\n")
        return {**base._inputs(props), **OUTPUTS.get(kind, {})}

    def create(self: base.Provider, props: dict[str, Any]) -> CreateResult:
        return CreateResult(self.fixed_id or "id", record(self, "create", props))

    def read(self: base.Provider, id_: str, props: dict[str, Any]) -> ReadResult:
        return ReadResult(id_, record(self, "read", props))

    def update(
        self: base.Provider, _id: str, _olds: dict[str, Any], news: dict[str, Any]
    ) -> UpdateResult:
        return UpdateResult(record(self, "update", news))

    def delete(self: base.Provider, _id: str, props: dict[str, Any]) -> None:
        record(self, "delete", props)

    for method in (create, read, update, delete):
        setattr(base.Provider, method.__name__, method)


if "pulumi.dynamic" in sys.orig_argv:
    _replace()
