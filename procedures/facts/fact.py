"""A fact of a host in one place: how it is reported, and the parser of the report.

A dataclass of facts declares its fields with ``fact`` or ``reported``. The line ``#: facts MODULE``
of a script is replaced by the shell of all fields, so that one execution reports all facts.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, fields
from typing import Any, TypeVar

T = TypeVar("T")


def reported(
    parse: Callable[[str], T],
    of: str = "",
    *,
    default: T | None = None,
    needed: bool = False,
    hidden: bool = False,
    shell: str = "",
) -> T:
    """Declare a field that is a fact which a script reports.

    ``parse``: converts the report to the value. ``of``: the name of the report, if it is not the
    field's. ``default``: the value without a report; that of an empty report if it is not given.
    ``needed``: each host has to report it. ``hidden``: the value may be a secret. ``shell``:
    commands that print the report, if the script does not; they must not fail.
    """
    declared: T = field(
        default_factory=lambda: parse("") if default is None else default,
        repr=not hidden,
        metadata={"parse": parse, "of": of, "needed": needed, "shell": shell},
    )
    return declared


def fact(
    shell: str, parse: Callable[[str], T], *, default: T | None = None, hidden: bool = False
) -> T:
    """Declare a field that is a fact with its shell, as ``reported`` does."""
    return reported(parse, default=default, hidden=hidden, shell=shell)


def shell(facts: type[Any]) -> str:
    """Return the shell that reports the facts of a dataclass, each under the name of its field."""
    return "".join(
        f'tell {declared.name} "$({declared.metadata["shell"]})"\n'
        for declared in fields(facts)
        if declared.metadata.get("shell")
    )


def parsed(facts: type[Any], reports: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of the fields, as far as the script reported them.

    Raises what ``reports`` raises for a needed report that it lacks, and what the parsers raise.
    """
    named = {each: each.metadata["of"] or each.name for each in fields(facts) if each.metadata}
    return {
        each.name: each.metadata["parse"](reports[name])
        for each, name in named.items()
        if name in reports or each.metadata["needed"]
    }


def pairs(text: str, separator: str = " ") -> dict[str, str]:
    """Return by the first word of each line the rest of the line."""
    return dict(line.partition(separator)[::2] for line in text.splitlines())


def columns(text: str, count: int) -> Iterator[list[str]]:
    """Yield that number of words of each line, the last of them with the rest of the line."""
    return (line.split(" ", count - 1) for line in text.splitlines())


def lines(text: str) -> tuple[str, ...]:
    """Return the lines."""
    return tuple(text.splitlines())


def finite(text: str) -> float:
    """Return the number. Raises ValueError for nan and infinity."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("expected a finite number")
    return number
