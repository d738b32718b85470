"""The report: an answer to every key, and the next commands."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from commands.convert.conversion import Answer, Conversion, Secret
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

    def printing(self, key: str) -> str:
        """Return the command that prints a secret of the stack."""
        words = (".venv/bin/python", "-m", "commands.convert", *self.options)
        return shlex.join([*words, "--secret", key, self.inventory])

    def setting(self, secret: Secret) -> str:
        """Return the command that sets a secret of the stack from standard input."""
        path = ["--path"] if secret.is_nested else []
        return shlex.join(
            ["scripts/pulumi", self.stack, "config", "set", "--secret", *path, secret.key]
        )


@dataclass(frozen=True)
class ConversionReport:
    """The text after a conversion."""

    inventory: Inventory
    made: Conversion
    command: Invocation
    path: str
    faults: Sequence[str] = ()
    seen: Sequence[Answer] | None = None
    """How the running zone differs from the stack; None if they were not compared."""
    login: str = field(default="")

    def lines(self) -> Iterator[str]:
        """Return the text, line by line."""
        yield f"{self.command.inventory}, read {self.inventory.reader}"
        for note in self.inventory.notes:
            yield f"  not read: {note}"
        yield from _section("Converted", self.made.taken, "->")
        yield from _section("No meaning here", self.made.no_meaning, "-")
        yield from _section("Needs a decision", self.made.decisions, "?")
        yield from _section("Unknown keys", self.made.unknown, "?")
        if self.seen is not None:
            yield from _section("The running zone differs", self.seen, "!")
            if not self.seen:
                yield ""
                yield "The running zone does not differ."
        yield ""
        if self.faults:
            yield f"{self.path} is written. Correct these faults before the first preview:"
            yield from (f"  - {fault}" for fault in self.faults)
        else:
            yield f"{self.path} is written. It is valid once its secrets are set."
        yield from self._next()

    def _next(self) -> Iterator[str]:
        stack = self.command.stack
        yield ""
        yield "Next, in this folder (no secret is shown):"
        yield "  make setup"
        yield f"  scripts/pulumi {shlex.quote(stack)} stack init {shlex.quote(stack)}"
        for secret in self.made.secrets.values():
            yield f"  {self._source(secret)} | {self.command.setting(secret)}"
        yield f"  make preview STACK={shlex.quote(stack)}"

    def _source(self, secret: Secret) -> str:
        if secret.remedy == "random":
            return "openssl rand -hex 24"
        if secret.remedy == "one_auth":
            return (
                f"ssh {self.login or 'FRONT-END'}"
                " sudo cat /var/lib/one/.one/one_auth | cut -d: -f2-"
            )
        return self.command.printing(secret.key)


def _section(title: str, answers: Sequence[Answer], arrow: str) -> Iterator[str]:
    if not answers:
        return
    yield ""
    yield f"{title}:"
    width = min(WIDTH, max(len(answer.key) for answer in answers))
    for answer in answers:
        yield f"  {answer.key:<{width}} {arrow} {answer.text}"


def login_of(made: Conversion) -> str:
    """Return ssh's arguments for the first front-end."""
    entries = made.config.get("frontends", {})
    ssh = made.config.get("ssh", {})
    for entry in entries.values():
        if address := entry.get("address"):
            own = entry.get("ssh", {})
            words = []
            if bastion := ssh.get("bastion"):
                words += ["-J", bastion]
            if (port := own.get("port") or ssh.get("port", 22)) != 22:
                words += ["-p", str(port)]
            home = ""
            if key := ssh.get("private_key_file"):
                # A shell does not expand ~ in quotes.
                home, key = ("~/", key[2:]) if key.startswith("~/") else ("", key)
            identity = f"-i {home}{shlex.quote(key)} " if key else ""
            user = own.get("user") or ssh.get("user", "root")
            return identity + shlex.join([*words, f"{user}@{address}"])
    return ""
