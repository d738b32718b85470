"""Settle creates and updates of our own resources that were interrupted.

The CLI keeps them in the state and warns of them at each run, since their results may need a check.
Ours need none. They are recorded like those that failed: the next `up` repeats them, and
continues from the state of the hosts; where the host has left the stack it removes what is there.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from providers.base import Provider
from providers.runtime import CREATE, INCOMPLETE, UPDATE

OURS = "pulumi-python:dynamic/opennebula:"
RECORDED = (
    "Bootstrap",
    "Installation",
    "LoginKeys",
    "Rollout",
    "VirtualIp",
    "WebServer",
    "Zone",
    "ZoneMember",
)
"""The kinds whose create changes something. Of Preflight there is nothing to record."""


def settled(
    exported: dict[str, Any],
    ours: str = OURS,
    identify: Callable[[dict[str, Any]], str | None] | None = None,
) -> dict[str, Any] | None:
    """Return the exported state without interrupted changes of ours; None if it has none."""
    deployment = exported["deployment"]
    pending = deployment.get("pending_operations") or []
    resources = deployment.get("resources") or []
    kept = [operation for operation in pending if not _is_ours(operation, ours)]
    if len(kept) == len(pending):
        return None
    # What waits for its deletion has the same URN, and stays.
    leaving = [item for item in resources if item.get("delete")]
    known = {item["urn"]: item for item in resources if not item.get("delete")}
    for operation in pending:
        resource = operation["resource"]
        identifier = (identify or _identifier)(resource) if _is_ours(operation, ours) else None
        if identifier is None:
            continue
        there = known.get(resource["urn"])
        if operation["type"] == "updating" and there is not None:
            known[resource["urn"]] = _half(there, there["outputs"].get(INCOMPLETE) or UPDATE)
        elif there is None:
            inputs = resource["inputs"].items()
            outputs = {key: value for key, value in inputs if value is not None}
            known[resource["urn"]] = _half(
                {**resource, "id": identifier, "outputs": outputs}, CREATE
            )
    settled = {**deployment, "resources": [*known.values(), *leaving], "pending_operations": kept}
    return {**exported, "deployment": settled}


def _is_ours(operation: dict[str, Any], ours: str) -> bool:
    kind, of = operation["type"], str(operation["resource"]["type"])
    return kind in ("creating", "updating") and of.startswith(ours)


def _identifier(resource: dict[str, Any]) -> str | None:
    kind = str(resource["type"]).removeprefix(OURS)
    if kind not in RECORDED:
        return None
    module = re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower()
    provider: Provider = getattr(import_module(f"providers.{module}"), f"{kind}Provider")()
    try:
        return provider.identifier(provider.spec_of(resource["inputs"]))
    except ValueError:
        # Of another release of this program.
        return None


def _half(resource: dict[str, Any], what: str) -> dict[str, Any]:
    """Return the record of a create or an update that is not complete."""
    return {
        **resource,
        "outputs": {**resource["outputs"], INCOMPLETE: what},
        "initErrors": [f"its {what} was interrupted"],
    }


def settle() -> None:
    """Do it to the stack that the CLI has selected; one that is locked is a CalledProcessError."""
    exported = subprocess.run(["pulumi", "stack", "export"], check=True, capture_output=True)
    rest = settled(json.loads(exported.stdout))
    if rest is not None:
        given = json.dumps(rest).encode()
        subprocess.run(["pulumi", "stack", "import"], input=given, check=True, capture_output=True)
        print("Interrupted creates are settled: the next up resumes them.", flush=True)


if __name__ == "__main__":
    try:
        settle()
    except subprocess.CalledProcessError as error:
        sys.exit(error.stderr.decode())
