"""A fact of a host in one place: the shell that reports it, and the parser of the report.

A dataclass of facts declares each of its fields with ``fact``. The line ``#: facts MODULE`` of a
script is replaced by the shell of all fields, so that one execution reports all facts.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, field, fields
from typing import Any, TypeVar

T = TypeVar("T")

IN_SCRIPT = ""
"""Instead of shell: the script itself reports this fact."""


def fact(
    shell: str, parse: Callable[[str], T], *, default: T | None = None, hidden: bool = False
) -> T:
    """Declare a field that is a fact.

    ``shell``: commands that print the report; they must not fail. ``parse``: converts the report to
    the value. ``default``: the value without a report; that of an empty report if it is not given.
    ``hidden``: the value may be a secret.
    """
    declared: T = field(
        default_factory=lambda: parse("") if default is None else default,
        repr=not hidden,
        metadata={"shell": shell, "parse": parse},
    )
    return declared


def shell(facts: type[Any]) -> str:
    """Return the shell that reports the facts of a dataclass, each under the name of its field."""
    return "".join(
        f'tell {declared.name} "$({declared.metadata["shell"]})"\n'
        for declared in _declared(facts)
        if declared.metadata["shell"] != IN_SCRIPT
    )


def values(facts: type[Any], reports: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of the fields, as far as the script reported them."""
    return {
        declared.name: declared.metadata["parse"](reports[declared.name])
        for declared in _declared(facts)
        if declared.name in reports
    }


def pairs(text: str, separator: str = " ") -> dict[str, str]:
    """Return by the first word of each line the rest of the line."""
    return dict(line.partition(separator)[::2] for line in text.splitlines())


def columns(text: str, count: int) -> Iterator[list[str]]:
    """Yield that number of words of each line, the last of them with the rest of the line."""
    return (line.split(" ", count - 1) for line in text.splitlines())


def finite(text: str) -> float:
    """Return the number. Raises ValueError for nan and infinity."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("expected a finite number")
    return number


def _declared(facts: type[Any]) -> list[Field[Any]]:
    return [declared for declared in fields(facts) if "shell" in declared.metadata]
