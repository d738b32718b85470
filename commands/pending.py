"""`make cancel`: forget creates of our own resources that were interrupted.

The CLI keeps them in the state and warns of them at each run, since their results may need a check.
Ours need none: the next `up` creates them again, and continues from the state of the hosts.
"""

import json
import sys
from typing import Any

OURS = "pulumi-python:dynamic/opennebula:"


def without_ours(exported: dict[str, Any]) -> dict[str, Any] | None:
    """Return the exported state without interrupted creates of ours; None if it has none."""
    deployment = exported["deployment"]
    pending = deployment.get("pending_operations") or []
    kept = [one for one in pending if not _is_ours(one)]
    if len(kept) == len(pending):
        return None
    return {**exported, "deployment": {**deployment, "pending_operations": kept}}


def _is_ours(operation: dict[str, Any]) -> bool:
    return operation["type"] == "creating" and str(operation["resource"]["type"]).startswith(OURS)


if __name__ == "__main__":
    rest = without_ours(json.load(sys.stdin))
    if rest is not None:
        json.dump(rest, sys.stdout)
