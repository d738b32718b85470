"""A web server with TLS in front of FireEdge, on every front-end, since the VIP may move to any.

With ``generate_cert`` one front-end creates a certificate authority and a certificate, which all
front-ends get: clients trust one authority. The keys are copied through the operator's machine,
encrypted with a secret that only the front-ends of this zone have.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

from hosts.models import Host
from hosts.script import Output
from procedures.context import Access, Hosts
from procedures.parallel import on_each
from procedures.script_text import LOCK_PATIENCE
from procedures.specs import WebSpec
from procedures.web_server.sites import site

SETTLE = 600.0 + LOCK_PATIENCE
"""Seconds to install a web server, and to start it."""


@dataclass(frozen=True)
class WebServerFacts:
    """The web server of one front-end."""

    fault: str
    """Why its certificate cannot be used; empty if it can."""
    bundle: str
    """A digest of keys and certificates; empty without any."""
    site: str
    linked: str
    """``yes`` or empty: whether the web server reads the site."""
    enabled: str
    active: str

    def differs(self, text: str) -> str:
        """Describe how it differs from the spec; empty if it matches."""
        if self.fault:
            return self.fault
        if self.site.rstrip("\n") != text.rstrip("\n") or not self.linked:
            return "another site"
        if self.enabled != "enabled":
            return self.enabled or "not installed"
        return "" if self.active in ("active", "reloading") else "stopped"


def ensure(access: Access, spec: WebSpec) -> None:
    """Set up the web server on all those front-ends. Raises HostError."""
    seen = _observe(access, spec)
    changed = _spread(access, spec, seen) if spec.generate else set()
    due = {
        name: host
        for name, host in spec.hosts.items()
        if name in changed or seen[name].differs(site(spec))
    }
    on_each(due, lambda host: _run(access, spec, host, "serve"))


def inspect(access: Access, spec: WebSpec) -> tuple[str, ...]:
    """Return how the front-ends differ from the spec. Raises HostError."""
    seen = _observe(access, spec)
    source = _source(seen)
    found = {name: shown.differs(site(spec)) for name, shown in seen.items()}
    if spec.generate:
        for name, shown in seen.items():
            if not found[name] and shown.bundle != seen[source].bundle:
                found[name] = f"another certificate than on {source}"
    return tuple(f"{name}: {fault}" for name, fault in sorted(found.items()) if fault)


def obsolete(before: WebSpec, spec: WebSpec) -> Iterator[tuple[WebSpec, Hosts]]:
    """Yield the web servers to remove: on front-ends off the list, and of another kind."""
    another = before.server != spec.server
    yield before, {n: host for n, host in before.hosts.items() if another or n not in spec.hosts}


def withdraw(access: Access, spec: WebSpec, hosts: Hosts) -> None:
    """Remove the site from those hosts. Keys and certificates stay. Raises HostError."""
    on_each(hosts, lambda host: _run(access, spec, host, "withdraw"))


def _spread(access: Access, spec: WebSpec, seen: Mapping[str, WebServerFacts]) -> set[str]:
    """Copy one certificate to all front-ends; return those whose certificate changed."""
    source = _source(seen)
    stale = {name for name, shown in seen.items() if shown.bundle != seen[source].bundle}
    if seen[source].fault:
        stale = set(seen)
    if not stale:
        return set()
    made = _run(access, spec, spec.hosts[source], "make")
    others = {name: spec.hosts[name] for name in stale - {source}}
    sealed = made.values["sealed"]
    on_each(others, lambda host: _run(access, spec, host, "receive", sealed=sealed))
    return stale


def _source(seen: Mapping[str, WebServerFacts]) -> str:
    """Return the front-end whose certificate all get: a valid one that most have, if possible."""
    number = Counter(shown.bundle for shown in seen.values())

    def rank(name: str) -> tuple[bool, bool, int]:
        shown = seen[name]
        return bool(shown.bundle), not shown.fault, number[shown.bundle]

    return max(sorted(seen), key=rank)


def _observe(access: Access, spec: WebSpec) -> dict[str, WebServerFacts]:
    def ask(host: Host) -> WebServerFacts:
        values = _run(access, spec, host, "look").values
        return WebServerFacts(**{part.name: values[part.name] for part in fields(WebServerFacts)})

    return on_each(spec.hosts, ask)


def _run(access: Access, spec: WebSpec, host: Host, action: str, *, sealed: str = "") -> Output:
    return access.run(
        host,
        "web_server",
        variables={
            "server": spec.server,
            "key": spec.key,
            "certchain": spec.certchain,
            "names": spec.alternative_names,
            "generate": "yes" if spec.generate else "no",
            "text": site(spec).rstrip("\n"),
            "action": action,
        },
        secrets={"sealed": sealed},
        exclusive=action != "look",
        timeout=SETTLE,
    )
