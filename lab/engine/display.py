"""What the user sees of a run: live lines, then diagnostics, outputs and a summary."""

import json
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TextIO

from lab.engine.monitor import LogMessage
from lab.engine.state import Resource
from lab.engine.steps import Operation
from lab.engine.values import Properties, masked

NOTICE = (
    "This is the lab's stand-in for the Pulumi CLI, for the lab only; use pulumi for real stacks."
)
SIGNS = {
    "create": "+",
    "update": "~",
    "delete": "-",
    "replace": "+-",
    "create-replacement": "++",
    "delete-replaced": "--",
    "refresh": "~",
    "remove-pending-replace": "~",
}
DOING = {
    "create": ("creating", "created", "create"),
    "update": ("updating", "updated", "update"),
    "delete": ("deleting", "deleted", "delete"),
    "replace": ("replacing", "replaced", "replace"),
    "create-replacement": ("creating replacement", "created replacement", "create replacement"),
    "delete-replaced": ("deleting original", "deleted original", "delete original"),
    "refresh": ("refreshing", "refreshed", "refresh"),
    "remove-pending-replace": ("forgetting", "forgotten", "forget"),
}
# The operations that the summary counts; the parts of a replacement count once.
COUNTED = ("create", "update", "replace", "delete")


@dataclass(frozen=True)
class Diagnostic:
    """A warning or an error, and whose it is."""

    severity: str
    message: str
    urn: str = ""


@dataclass
class Display:
    """Collects and shows what happens. Nothing secret passes it."""

    stack: str
    dry_run: bool
    stream: TextIO | None = None
    secrets: tuple[str, ...] = ()
    show_changes: bool = False
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._begun: dict[tuple[str, str], float] = {}
        self._start = time.monotonic()

    def clean(self, text: str) -> str:
        """Take the config's secrets out of a text."""
        for secret in self.secrets:
            text = text.replace(secret, "[secret]")
        return text

    def line(self, text: str) -> None:
        """Show one line."""
        if self.stream is not None:
            with self._lock:
                print(self.clean(text), file=self.stream, flush=True)

    def begin(self, op: str, resource: Resource) -> None:
        """Show that an operation begins."""
        self._begun[op, resource.urn] = time.monotonic()
        if not self.dry_run and op not in ("same", "refresh", "replace"):
            self.line(f" {SIGNS[op]:2} {resource.type} {resource.name} {DOING[op][0]}")

    def end(self, operation: Operation, resource: Resource) -> None:
        """Show how an operation ended."""
        op = operation.op
        if op == "same" or (resource.is_provider and not operation.error):
            return
        took = time.monotonic() - self._begun.get((op, operation.urn), self._start)
        what = f"{DOING[op][0]} failed" if operation.error else DOING[op][2 if self.dry_run else 1]
        seconds = "" if self.dry_run or op == "replace" else f" ({took:.2f}s)"
        self.line(f" {SIGNS[op]:2} {resource.type} {resource.name} {what}{seconds}")
        if self.show_changes:
            for change in operation.changes:
                self.line(f"      {change}")

    def error(self, urn: str, message: str) -> None:
        """Keep an error for the end."""
        self.diagnostics.append(Diagnostic("error", self.clean(message), urn))

    def log(self, message: LogMessage) -> None:
        """Show a message live; keep it for the end if it warns of something."""
        if message.severity == "debug":
            return
        name = message.urn.rsplit("::", 1)[-1] or self.stack
        if message.severity in ("warning", "error"):
            self.diagnostics.append(
                Diagnostic(message.severity, self.clean(message.message), message.urn)
            )
        else:
            for line in message.message.splitlines():
                self.line(f"  {name}: {line}")

    def output_of(self, line: str, is_error: bool) -> None:
        """Show a line that a provider or a program printed."""
        if line:
            self.line(f"  {self.stack}: {line}")

    def finish(self, operations: Iterable[Operation], outputs: Properties | None) -> None:
        """Show diagnostics, outputs and the summary."""
        self._finish_diagnostics()
        if outputs:
            self.line("\nOutputs:")
            for key, value in sorted(outputs.items()):
                self.line(f"    {key}: {json.dumps(masked(value))}")
        self.line("\nResources:")
        for text in summary(count(operations), dry_run=self.dry_run):
            self.line(f"    {text}")
        if not self.dry_run:
            self.line(f"\nDuration: {time.monotonic() - self._start:.0f}s")

    def _finish_diagnostics(self) -> None:
        if not self.diagnostics:
            return
        self.line("\nDiagnostics:")
        by_urn: dict[str, list[Diagnostic]] = {}
        for diagnostic in self.diagnostics:
            by_urn.setdefault(diagnostic.urn, []).append(diagnostic)
        for urn, found in by_urn.items():
            kind, name = (
                (urn.split("::")[2].split("$")[-1], urn.rsplit("::", 1)[1])
                if urn
                else (
                    "pulumi:pulumi:Stack",
                    self.stack,
                )
            )
            self.line(f"  {kind} ({name}):")
            for diagnostic in found:
                text = diagnostic.message.strip().replace("\n", "\n      ")
                self.line(f"    {diagnostic.severity}: {text}")


def count(operations: Iterable[Operation]) -> dict[str, int]:
    """Count what happened to how many resources, as the CLI does."""
    counts = dict.fromkeys((*COUNTED, "same"), 0)
    for operation in operations:
        if operation.op in counts and not operation.error and not operation.internal:
            counts[operation.op] += 1
    return {op: number for op, number in counts.items() if number}


def summary(counts: Mapping[str, int], *, dry_run: bool) -> list[str]:
    """Return the lines of the summary."""
    lines = [
        f"{SIGNS[op]} {counts[op]} {'to ' if dry_run else ''}{DOING[op][2 if dry_run else 1]}"
        for op in COUNTED
        if op in counts
    ]
    if "same" in counts:
        lines.append(f"{counts['same']} unchanged")
    return lines


def notice() -> None:
    """Say on standard error what this is."""
    print(NOTICE, file=sys.stderr, flush=True)
