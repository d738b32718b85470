"""The comment above a setting that this program has changed: it keeps the original value."""

import json
import re
from collections.abc import Mapping
from typing import Any

COMMENT = re.compile(
    r"^[ \t]*(?P<line># opennebula-ha (?P<verb>added|changed|removed): (?P<content>\{.*\})\n)",
    re.MULTILINE,
)


def comment(verb: str, content: Mapping[str, Any], column: int = 0) -> str:
    """Return such a comment as a line. ``verb``: added, changed or removed."""
    return f"{' ' * column}# opennebula-ha {verb}: {json.dumps(content, ensure_ascii=False)}\n"
