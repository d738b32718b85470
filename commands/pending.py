"""Settle creates and updates of our own resources that were interrupted.

The CLI keeps them in the state and warns of them at each run, since their results may need a check.
Ours need none. They are recorded like those that failed: the next `up` repeats them, and
continues from the state of the hosts; where the host has left the stack it removes what is there.
"""

import json
import re
import subprocess
from collections.abc import Callable
from importlib import import_module
from typing import Any

from providers.base import Provider
from providers.runtime import CREATE, INCOMPLETE, UPDATE, incomplete

OURS = "pulumi-python:dynamic/opennebula:"
REPEATED = ("creating", "updating")


def settled(
    exported: dict[str, Any],
    ours: str = OURS,
    identify: Callable[[dict[str, Any]], str | None] | None = None,
) -> dict[str, Any] | None:
    """Return the exported state without interrupted changes of ours; None if it has none."""
    deployment = exported["deployment"]
    pending = deployment.get("pending_operations") or []
    resources = deployment.get("resources") or []
    of_ours = [item for item in pending if str(item["resource"]["type"]).startswith(ours)]
    # An interrupted delete is the CLI's to forget.
    kept = [item for item in pending if item not in of_ours or item["type"] not in REPEATED]
    # What waits for its deletion has the same URN, and stays.
    leaving = [item for item in resources if item.get("delete")]
    known = {item["urn"]: item for item in resources if not item.get("delete")}
    before = {**known}
    for item in of_ours:
        resource = item["resource"]
        there = before.get(resource["urn"])
        if item["type"] == "deleting" and there is not None:
            # Where the config has it again, it is made again.
            what = there["outputs"].get(INCOMPLETE) or UPDATE
            known[resource["urn"]] = _half(there, what, of="delete")
        if item["type"] not in REPEATED or (id_ := (identify or _identifier)(resource)) is None:
            continue
        if item["type"] == "updating" and there is not None:
            outputs = incomplete(there["outputs"], resource["inputs"])
            known[resource["urn"]] = _half({**there, "outputs": outputs}, outputs[INCOMPLETE])
        elif there is None:
            inputs = resource["inputs"].items()
            outputs = {key: value for key, value in inputs if value is not None}
            known[resource["urn"]] = _half({**resource, "id": id_, "outputs": outputs}, CREATE)
    settled = {**deployment, "resources": [*known.values(), *leaving], "pending_operations": kept}
    if settled["resources"] == resources and kept == pending:
        return None
    return {**exported, "deployment": settled}


def _identifier(resource: dict[str, Any]) -> str | None:
    kind = str(resource["type"]).removeprefix(OURS)
    module = re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower()
    try:
        provider: Provider = getattr(import_module(f"providers.{module}"), f"{kind}Provider")()
        if not provider.changes_hosts:
            return None
        return provider.identifier(provider.spec_of(resource["inputs"]))
    except (ImportError, ValueError):
        # Of another release of this program.
        return None


def _half(resource: dict[str, Any], what: str, of: str = "") -> dict[str, Any]:
    """Return the record of a create or an update that is not complete, by what ``of`` it ended."""
    return {
        **resource,
        "outputs": {**resource["outputs"], INCOMPLETE: what},
        "initErrors": [f"its {of or what} was interrupted"],
    }


def settle() -> None:
    """Do it to the stack that the CLI has selected; one that is locked is a CalledProcessError."""
    exported = subprocess.run(["pulumi", "stack", "export"], check=True, capture_output=True)
    rest = settled(json.loads(exported.stdout))
    if rest is not None:
        text = json.dumps(rest).encode()
        subprocess.run(["pulumi", "stack", "import"], input=text, check=True, capture_output=True)
        print("Interrupted creates are settled: the next up resumes them.", flush=True)
