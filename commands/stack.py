"""The stack of a command: `pulumi config --json --show-secrets` on standard input."""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TextIO

from hosts.errors import HostError, printable
from hosts.models import Host
from hosts.pool import Pool
from procedures.context import Access, Secrets
from procedures.specs import ZoneSpec
from procedures.troubleshooting import explained
from settings import Settings, SettingsError, parse
from settings.specs import zone

ADDRESSES = "OPENNEBULA_HA_ADDRESSES"
"""Environment variable: JSON of front-end to address, if a program and not the config has them."""
_INTERRUPTED = 128 + signal.SIGINT


@dataclass(frozen=True)
class Target:
    """The zone that the config describes, and the access to its front-ends."""

    zone: ZoneSpec
    hosts: Mapping[str, Host]
    access: Access
    settings: Settings


def run(command: Callable[[Target], int | None], *, failed: int = 1) -> int:
    """Run a command for the stack on standard input; return its exit status, or 0.

    Faults are printed in one message, and the status is then ``failed``.
    """
    try:
        status = command(_stack(_settings(sys.stdin))) or 0
        sys.stdout.flush()
        return status
    except HostError as error:
        print(f"error: {explained(error)}", file=sys.stderr)
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
    except BrokenPipeError:
        # The reader, such as head, has closed the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return failed


def name() -> str:
    """Return the stack's name, as scripts/pulumi passes it on."""
    return os.environ.get("PULUMI_STACK", "lab")


def quiet(target: Target) -> Target:
    """Return the target without reports of steps, for a command that prints one picture."""
    return replace(target, access=replace(target.access, report=lambda _: None))


def say(text: str) -> None:
    """Print a line for the operator."""
    print(printable(text), flush=True)


def note(text: str) -> None:
    """Print what takes long, for an operator who waits at a terminal."""
    if sys.stderr.isatty():
        print(text, file=sys.stderr, flush=True)


def end_at_once(leave: Callable[[], int] = lambda: _INTERRUPTED) -> None:
    """Let Ctrl-C end a command that only observes, also while it waits for hosts.

    ``leave`` returns the exit status.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def end() -> None:
        os.read(reader, 1)
        status = leave()
        # A normal exit would wait for threads that wait for hosts.
        os._exit(status)

    # A thread waits for the signal: a handler does not run if the main thread begins to wait for a
    # lock at that very moment.
    signal.set_wakeup_fd(writer)
    signal.signal(signal.SIGINT, lambda *_: None)
    threading.Thread(target=end, daemon=True).start()


def _settings(source: TextIO) -> Settings:
    try:
        values = json.load(source)
    except json.JSONDecodeError:
        # The CLI has printed the reason on standard error.
        raise SettingsError(["pulumi config returned nothing"]) from None
    return parse(
        {key: value["value"] for key, value in values.items()},
        is_secret=lambda key: bool(values.get(key, {}).get("secret")),
        addresses=_addresses(os.environ.get(ADDRESSES) or "{}"),
    )


def _addresses(text: str) -> dict[str, str]:
    with suppress(json.JSONDecodeError):
        if isinstance(addresses := json.loads(text), dict):
            return addresses
    raise SettingsError([f"{ADDRESSES}: expected JSON of front-ends to addresses, saw {text}"])


def _stack(settings: Settings) -> Target:
    secrets = Secrets(
        one_pass=settings.one_pass.get_secret_value(),
        db_password=settings.db_password.get_secret_value() if settings.db_password else "",
        one_token=settings.one_token.get_secret_value() if settings.one_token else None,
        ldap_passwords=settings.auth.ldap.passwords,
    )
    access = Access(Pool(settings.ssh), secrets, report=say, front_ends=settings.hosts)
    return Target(zone(settings), settings.hosts, access, settings)
