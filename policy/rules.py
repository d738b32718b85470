"""The rules: pure functions from what a stack wants to what is wrong with it."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PRODUCTION = re.compile(r"prod(uction)?([-_.].*)?")
"""Names of stacks that are production."""
MIN_DUMPS = 5


@dataclass(frozen=True)
class Wanted:
    """What a stack wants, as the inputs of its resources say it."""

    stack: str
    checked: Mapping[str, Any]
    """The inputs of Preflight: all front-ends and the zone."""
    installed: tuple[Mapping[str, Any], ...]
    """Those of each Installation."""


@dataclass(frozen=True)
class Rule:
    """One of the team's rules."""

    name: str
    description: str
    check: Callable[[Wanted], Iterator[str]]
    """Yields each violation."""


def wanted(resources: Iterable[tuple[str, str, Mapping[str, Any]]]) -> Wanted | None:
    """Return what these resources are about, given as URN, type and inputs; None: not a zone."""
    checked: Mapping[str, Any] | None = None
    stack, installed = "", []
    for urn, kind, props in resources:
        if kind.endswith(":Preflight"):
            stack, checked = urn.split(":")[2], props
        if kind.endswith(":Installation"):
            installed.append(props)
    return None if checked is None else Wanted(stack, checked, tuple(installed))


def _odd(zone: Wanted) -> Iterator[str]:
    count = len(zone.checked["frontends"])
    if count % 2 == 0:
        yield f"frontends: {count} tolerate no more failures than {count - 1}; list an odd number"


def _protected(zone: Wanted) -> Iterator[str]:
    if PRODUCTION.fullmatch(zone.stack):
        if zone.checked.get("allow_degraded"):
            yield f"allow_degraded: not in {zone.stack}; remove it from the config"
        if any(inputs.get("purge") for inputs in zone.installed):
            yield f"purge: a destroy would drop the data of {zone.stack}; remove it from the config"


def _verified(zone: Wanted) -> Iterator[str]:
    if zone.checked.get("accept_new_host_keys"):
        yield "ssh.accept_new_host_keys: add the keys to ssh.host_keys or to known_hosts"


def _pinned(zone: Wanted) -> Iterator[str]:
    version = str(zone.checked["one_version"])
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        yield f'one_version: {version} follows a series; name a release, such as "7.2.1"'


def _kept(zone: Wanted) -> Iterator[str]:
    dumps = int(zone.checked["zone"]["keep_dumps"])
    if dumps < MIN_DUMPS:
        yield f"keep_dumps: {dumps}; keep {MIN_DUMPS} or more"


def _complete(zone: Wanted) -> Iterator[str]:
    if skipped := zone.checked.get("skip_checks"):
        yield f"skip_checks: {', '.join(skipped)}; fix what these checks find"


RULES = (
    Rule("odd-number", "The number of front-ends is odd.", _odd),
    Rule("production-protected", "Production has no purge and no allow_degraded.", _protected),
    Rule("host-keys-verified", "No host key is trusted at first sight.", _verified),
    Rule("versions-pinned", "one_version names a release.", _pinned),
    Rule("dumps-kept", f"keep_dumps is at least {MIN_DUMPS}.", _kept),
    Rule("no-skipped-checks", "Preflight runs all its checks.", _complete),
)
