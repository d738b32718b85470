"""XML and YAML that a host gives, only in forms that stay as small as they are written. Pure."""

import contextlib
import xml.etree.ElementTree as ET
from typing import Any, NoReturn
from xml.parsers import expat

import yaml

MOST = 1 << 20
"""Characters of a YAML file, and of what its aliases stand for. OpenNebula's have some thousand."""
_TOO_LARGE = f"expected at most {MOST >> 20} MiB of YAML, with its aliases"


def refuse_doctype(text: str | bytes) -> None:
    """Raise ValueError for XML with a document type: its entities may grow without bound.

    OpenNebula writes none. A text that is no XML is left to its reader.
    """
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse
    with contextlib.suppress(expat.ExpatError):
        parser.Parse(text)


def read_xml(text: str) -> ET.Element:
    """Return the root of an XML text. Raises ValueError or SyntaxError."""
    refuse_doctype(text)
    return ET.fromstring(text)  # noqa: S314 - without a document type it has no entities


def compose(text: str) -> yaml.Node | None:
    """Return the root of a YAML text. Raises YAMLError, also if it is too large."""
    if len(text) > MOST:
        raise yaml.YAMLError(_TOO_LARGE)
    try:
        root: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is not None:
            _weigh(root, {})
    except RecursionError:
        raise yaml.YAMLError(_TOO_LARGE) from None
    return root


def read_yaml(text: str) -> Any:
    """Return the content of a YAML text. Raises YAMLError, also if it is too large."""
    compose(text)
    return yaml.safe_load(text)


def _weigh(node: yaml.Node, known: dict[yaml.Node, int]) -> int:
    """Return how much a node stands for with all its aliases; one inside itself has no end."""
    if node not in known:
        known[node] = MOST + 1
        if isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
        else:
            parts = node.value if isinstance(node, yaml.SequenceNode) else []
        own = len(node.value) if isinstance(node, yaml.ScalarNode) else 1
        known[node] = own + sum(_weigh(part, known) for part in parts)
    if known[node] > MOST:
        raise yaml.YAMLError(_TOO_LARGE)
    return known[node]


def _refuse(*_: object) -> NoReturn:
    raise ValueError("XML with a document type")
