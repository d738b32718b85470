"""The report: an answer to every key, and the next commands."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from commands.convert.conversion import Answer, Conversion
from commands.convert.inventory import Inventory

WIDTH = 30
"""Width of the keys' column, unless all keys are shorter."""


@dataclass(frozen=True)
class Invocation:
    """The converter's command line, as far as other commands repeat it."""

    stack: str
    inventory: str
    options: tuple[str, ...] = ()
    """Such as --vault-password-file."""


def report(
    inventory: Inventory,
    made: Conversion,
    command: Invocation,
    path: str,
    faults: Sequence[str],
    *,
    seen: Sequence[Answer] | None = None,
) -> Iterator[str]:
    """Return the text after a conversion, line by line.

    ``seen``: how the running zone differs from the stack; None if they were not compared.
    """
    yield f"{command.inventory}, read {inventory.reader}"
    for note in inventory.notes:
        yield f"  not read: {note}"
    yield from _section("Converted", made.taken, "->")
    yield from _section("No meaning here", made.no_meaning, "-")
    yield from _section("Needs a decision", made.decisions, "?")
    yield from _section("Unknown keys", made.unknown, "?")
    if seen is not None:
        yield from _section("The running zone differs", seen, "!")
        if not seen:
            yield ""
            yield "The running zone does not differ."
    yield ""
    if faults:
        yield f"{path} is written. Correct these faults before the first preview:"
        yield from (f"  - {fault}" for fault in faults)
    else:
        yield f"{path} is written. It is valid once its secrets are set."
    stack = shlex.quote(command.stack)
    yield ""
    yield "Next, in this folder (no secret is shown):"
    yield "  make setup"
    yield f"  scripts/pulumi {stack} stack init {stack}"
    converter = [".venv/bin/python", "-m", "commands.convert", *command.options]
    for key, secret in made.secrets.items():
        printing = secret.remedy or shlex.join([*converter, "--secret", key, command.inventory])
        nested = ["--path"] if "." in key or "[" in key else []
        setting = ["scripts/pulumi", command.stack, "config", "set", "--secret", *nested, key]
        yield f"  {printing} | {shlex.join(setting)}"
    yield f"  make preview STACK={stack}"


def _section(title: str, answers: Sequence[Answer], arrow: str) -> Iterator[str]:
    if not answers:
        return
    yield ""
    yield f"{title}:"
    width = min(WIDTH, max(len(answer.key) for answer in answers))
    for answer in answers:
        yield f"  {answer.key:<{width}} {arrow} {answer.text}"
