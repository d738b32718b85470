"""Settle creates of our own resources that were interrupted.

The CLI keeps them in the state and warns of them at each run, since their results may need a check.
Ours need none. They are recorded like a create that failed: the next `up` creates them again, and
continues from the state of the hosts; where the host has left the stack it removes what is there.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from providers.runtime import CREATE, INCOMPLETE

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
    """Return the exported state without interrupted creates of ours; None if it has none."""
    deployment = exported["deployment"]
    pending = deployment.get("pending_operations") or []
    resources = deployment.get("resources") or []
    kept = [one for one in pending if not _is_ours(one, ours)]
    if len(kept) == len(pending):
        return None
    known = {one["urn"] for one in resources}
    halves = []
    for one in pending:
        resource = one["resource"]
        if _is_ours(one, ours) and resource.get("urn") not in known:
            identifier = (identify or _identifier)(resource)
            if identifier is not None:
                halves.append(_half(resource, identifier))
    settled = {**deployment, "resources": [*resources, *halves], "pending_operations": kept}
    return {**exported, "deployment": settled}


def _is_ours(operation: dict[str, Any], ours: str) -> bool:
    return operation["type"] == "creating" and str(operation["resource"]["type"]).startswith(ours)


def _identifier(resource: dict[str, Any]) -> str | None:
    kind = str(resource["type"]).removeprefix(OURS)
    if kind not in RECORDED:
        return None
    module = re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower()
    work = import_module(f"providers.work.{module}").Work()
    try:
        return str(work.identifier_of(resource["inputs"]))
    except ValueError:
        # Of another release of this program.
        return None


def _half(resource: dict[str, Any], identifier: str) -> dict[str, Any]:
    """Return the record of a create that is not complete."""
    outputs = {key: value for key, value in resource["inputs"].items() if value is not None}
    return {
        **resource,
        "id": identifier,
        "outputs": {**outputs, INCOMPLETE: CREATE},
        "initErrors": ["its create was interrupted"],
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
