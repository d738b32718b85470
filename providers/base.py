"""What all our dynamic providers share.

Each module here holds one kind of resource: its inputs and outputs, and its provider with
``do_create``, ``do_read``, ``do_update`` and ``do_delete``. Most runs only ask whether a resource
changed; so procedures, OpenNebula's rules and pydantic are imported inside those methods, which
then are loaded only when there is something to do (tests/unit/test_imports.py).

Instances keep no attributes and their classes live in importable modules, so that the state
refers to them by name. Never rename one without keeping the old name importable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from pulumi.dynamic import (
    CheckResult,
    ConfigureRequest,
    CreateResult,
    DiffResult,
    ReadResult,
    ResourceProvider,
    UpdateResult,
)
from pulumi.output import Unknown
from pulumi.runtime import rpc

from hosts.errors import HostError, printable
from providers import progress, runtime
from providers.runtime import (
    ATTEMPTED,
    CREATE,
    INCOMPLETE,
    PROVIDER_KEY,
    recorded,
    recorded_create,
)

if TYPE_CHECKING:
    from pydantic import BaseModel

    from hosts.models import Host
    from procedures.context import Access
    from providers.run_state import RunState

Outputs = dict[str, Any]
Props = Mapping[str, Any]

FORMER_NAMES = {"front_ends": "frontends"}
"""Inputs that states of earlier versions have by another name."""

_refreshed: set[str] = set()
"""The resources that this process has read."""


class Provider(ResourceProvider):
    """A resource whose inputs are one typed spec; its outputs are the inputs and what was seen."""

    serialize_as_secret_always = False
    spec_type: ClassVar[str]
    """Name of the class in procedures.specs whose fields are inputs of the resource."""
    labels: ClassVar[Mapping[str, str]] = {}
    """Fields that are inputs by another name: the one in the config, for who reads a preview."""
    spread: ClassVar[frozenset[str]] = frozenset()
    """Inputs of which each part is one by itself, such as ``oned.LOG.DEBUG_LEVEL``."""
    optional: ClassVar[frozenset[str]] = frozenset()
    """Other inputs of the spec that may be absent."""
    unaffected_by: ClassVar[frozenset[str]] = frozenset()
    """Inputs whose change alone does not touch the resource."""
    drift_means: ClassVar[str] = "will be changed"
    """What the next ``up`` does about a difference that was found."""
    changes_hosts: ClassVar[bool] = True
    """Its create and update may change something, so that a failed one is recorded."""
    fixed_id: ClassVar[str] = ""
    """The ID of a kind that a stack has once; of the others it is the name of the spec's host."""
    identity: ClassVar[tuple[str, ...]] = ()
    """Fields of the spec whose change replaces the resource, as dotted paths."""

    def configure(self, req: ConfigureRequest) -> None:
        """Take the stack's config."""
        runtime.answer_briefly()
        runtime.hold()
        runtime.when_interrupted(progress.say_what_runs_on)
        runtime.take(req.config)

    def check(self, olds: Mapping[str, Any], news: dict[str, Any]) -> CheckResult:
        """Inputs are made by the program from a validated config: nothing to add."""
        return CheckResult(news, [])

    def diff(self, _id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> DiffResult:
        """Whether the spec, a secret or what it waits for changed, or a refresh found drift."""
        changed = self.changed(olds, news)
        former = self._modern(olds)
        for about, text in self.forecast(former, news, changed) if changed else ():
            progress.note(about, text)
        replaces = [path for path in self.identity if _at(former, path) != _at(news, path)]
        drift = olds.get("drift") or []
        drift = drift if isinstance(drift, list | tuple) else [drift]
        observes = runtime.observes()
        urn = str(olds.get("urn", ""))
        # A refresh has just shown them.
        for difference in () if urn in _refreshed else drift:
            what = "not as the stack wants it" if observes else self.drift_means
            progress.note(urn, f"{what}: {difference}")
        return DiffResult(
            changes=bool(changed or replaces or ((olds.get(INCOMPLETE) or drift) and not observes)),
            replaces=sorted({path.partition(".")[0] for path in replaces}),
            delete_before_replace=True,
        )

    def changed(self, olds: Mapping[str, Any], news: Mapping[str, Any]) -> set[str]:
        """Return the inputs that differ, without those that do not touch the resource."""
        former = self._modern(olds)
        absent = {key for key in former if key.partition(".")[0] in self.spread | self.optional}
        keys = (news.keys() | absent) - {"urn", PROVIDER_KEY} - self.unaffected_by
        return {key for key in keys if _normal(former.get(key)) != _normal(news.get(key))}

    def forecast(
        self, olds: Mapping[str, Any], news: Mapping[str, Any], changed: set[str]
    ) -> Iterable[tuple[str, str]]:
        """Say what a change does to the zone: the URN of the row to show it on, and the words."""
        return ()

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Create the resource, or find that it exists."""
        access, run, spec = self._begin(props)
        identifier = self.identifier(spec)
        with (
            recorded_create(
                identifier,
                props,
                changed=lambda: self.changes_hosts and access.changes.is_set(),
            ),
            progress.operation(_urn(props), "create"),
        ):
            if self.is_adopted(run, spec) and self.changes_hosts:
                seen = self._observe(access, run, spec, props)
            else:
                seen = self.do_create(access, run, spec, props)
            return CreateResult(identifier, {**_inputs(props), **_printable(seen)})

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Read what exists now, and warn of each difference."""
        _refreshed.add(_urn(props))
        access, run, spec = self._begin(props, reads=True)
        with progress.operation(_urn(props), "read"):
            seen = self.do_read(access, run, spec, props)
        for difference in seen.get("drift", ()):
            progress.warn(_urn(props), f"drift: {difference}")
        return ReadResult(id_, {**props, **_printable(seen)})

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Bring what exists to the new spec."""
        incomplete = olds.get(INCOMPLETE)
        kept = {INCOMPLETE: incomplete} if incomplete and runtime.observes() else {}
        with recorded(_id, olds, news) if self.changes_hosts else nullcontext():
            access, run, spec = self._begin(news, olds)
            with progress.operation(_urn(news), "update"):
                seen = self._update(access, run, spec, olds, news)
            return UpdateResult({**_inputs(news), **_printable(seen), **kept})

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Remove it; where it is gone already, nothing happens."""
        access, run, spec = self._begin(props)
        with progress.operation(_urn(props), "delete"):
            if run.observes:
                return
            try:
                self.do_delete(access, run, spec, props)
            except HostError:
                progress.warn(_urn(props), "to keep it after all: pulumi refresh, then pulumi up")
                raise

    def identifier(self, spec: Any) -> str:
        """Return the ID of the resource."""
        return self.fixed_id or str(spec.host.name)

    def is_adopted(self, run: RunState, spec: Any) -> bool:
        """Return whether this is part of a zone that ran before the stack, and stays as it is."""
        return run.adopts

    def do_create(self, access: Access, run: RunState, spec: Any, props: Props) -> Outputs:
        """Create; return the outputs."""
        raise NotImplementedError

    def do_create_again(
        self, access: Access, run: RunState, spec: Any, olds: Props, news: Props
    ) -> Outputs:
        """Create what a create that failed, with ``olds``, may have left half made."""
        return self.do_update(access, run, spec, olds, news)

    def do_read(self, access: Access, run: RunState, spec: Any, props: Props) -> Outputs:
        """Return the outputs as they are now; ``drift`` lists what differs from the spec."""
        raise NotImplementedError

    def do_update(
        self, access: Access, run: RunState, spec: Any, olds: Props, news: Props
    ) -> Outputs:
        """Update; return the outputs."""
        raise NotImplementedError

    def do_delete(self, access: Access, run: RunState, spec: Any, props: Props) -> None:
        """Delete. By default there is nothing to remove."""

    def _update(
        self, access: Access, run: RunState, spec: Any, olds: Props, news: Props
    ) -> Outputs:
        is_new = olds.get(INCOMPLETE) == CREATE
        is_left = run.observes or (is_new and self.is_adopted(run, spec))
        if is_left and self.changes_hosts:
            return self._observe(access, run, spec, {**olds, **news})
        if is_new:
            return self.do_create_again(access, run, spec, olds, news)
        return self.do_update(access, run, spec, olds, news)

    def _observe(
        self, access: Access, run: RunState, spec: Any, props: Mapping[str, Any]
    ) -> Outputs:
        seen = self.do_read(access, run, spec, props)
        for difference in seen.get("drift", ()):
            progress.warn(_urn(props), f"not as the stack wants it: {difference}")
        return seen

    def _begin(
        self,
        props: Mapping[str, Any],
        olds: Mapping[str, Any] | None = None,
        *,
        reads: bool = False,
    ) -> tuple[Access, RunState, Any]:
        """Return what an operation on a resource works with: this is where most is imported."""
        from providers import run_state

        if not reads:
            run_state.forget_survey()
        run = run_state.current()
        for given in (olds or {}, props):
            run.note_former(_all_hosts_of(self._modern(given)))
        return run.access(progress.reporter(_urn(props))), run, self.spec_of(props)

    def former_specs(self, olds: Mapping[str, Any]) -> list[Any]:
        """Return what may be in place: the spec of before, and those of updates that failed since.

        A failed update may have been at work anywhere; a config put back must undo that, too.
        """
        with _reading_state(olds):
            return [self.spec_of(props) for props in (olds, *olds.get(ATTEMPTED, ()))]

    def spec_of(self, props: Mapping[str, Any]) -> Any:
        """Return the typed spec of a resource with these inputs or outputs.

        Raises HostError for a state that has none.
        """
        from procedures import specs

        kind = getattr(specs, self.spec_type)
        with _reading_state(props):
            if "spec" in props:
                # A state of an earlier version.
                return kind.model_validate(props["spec"])
            fields = {self.labels.get(field, field): field for field in kind.model_fields}
            given: dict[str, Any] = {}
            for key, value in props.items():
                label, *path = key.split(".")
                if label in fields and value is not None:
                    at, inner = given, [fields[label], *path]
                    for part in inner[:-1]:
                        at = at.setdefault(part, {})
                    at[inner[-1]] = value
            return kind.model_validate(given)

    @classmethod
    def inputs_of(cls, spec: BaseModel) -> dict[str, Any]:
        """Return the spec as inputs of the resource: one for each thing that a preview names."""
        return cls._flat(as_input(spec))

    @classmethod
    def _flat(cls, spec: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for field, value in spec.items():
            label = cls.labels.get(field, field)
            found.update(_parts(label, value) if label in cls.spread and value else {})
            found.update({label: value} if label not in cls.spread else {})
        return found

    def _modern(self, props: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the properties of a state of an earlier version as they are called now.

        What cannot be read is left out, and so differs from all that is wanted.
        """
        if "spec" not in props:
            return props
        rest = {FORMER_NAMES.get(key, key): value for key, value in props.items() if key != "spec"}
        spec = props["spec"]
        return {**rest, **(self._flat(spec) if isinstance(spec, Mapping) else {})}


def now() -> str:
    """Return the time of a change, for the resources that wait for it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def as_input(model: BaseModel) -> dict[str, Any]:
    """A model as an input of a resource."""
    return model.model_dump(mode="json", exclude_none=True)


def hosts_input(hosts: Mapping[str, Host]) -> dict[str, Any]:
    """Front-ends as an input of a resource; their order is nothing."""
    return {name: as_input(host) for name, host in sorted(hosts.items())}


def hosts_of(props: Mapping[str, Any]) -> dict[str, Host]:
    """Return the front-ends that a resource was given.

    Raises HostError for a state that has none.
    """
    from hosts.models import Host

    with _reading_state(props):
        given = props["front_ends"] if "front_ends" in props else props["frontends"]
        return {name: Host.model_validate(front_end) for name, front_end in given.items()}


def _parts(name: str, value: Any) -> dict[str, Any]:
    """Return each part of a value by its dotted name; one that has no such name stays whole."""
    if not isinstance(value, Mapping) or not value or not all(map(str.isidentifier, value)):
        return {name: value}
    parts = (_parts(f"{name}.{key}", item) for key, item in value.items())
    return {key: item for part in parts for key, item in part.items()}


@contextmanager
def _reading_state(props: Mapping[str, Any]) -> Iterator[None]:
    """Raise HostError if the state of a resource is damaged, or of another program."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError):
        from hosts.errors import HostError

        raise HostError(
            _urn(props).rpartition("::")[2] or "the stack",
            "read the stack's state",
            expected="what this program recorded for this resource",
            seen="something else",
            remedy="restore the state from a backup (pulumi stack import), or remove the resource"
            " from it (pulumi state delete URN): the next up adopts what exists on the hosts",
        ) from None


def _all_hosts_of(props: Mapping[str, Any]) -> dict[str, Host]:
    """Return every front-end that a resource knows of, in whatever input it has it."""
    from hosts.models import Host

    with _reading_state(props):
        known = [*(props.get("frontends") or {}).values(), *filter(None, [props.get("host")])]
        return {one["name"]: Host.model_validate(one) for one in known}


def _urn(props: Mapping[str, Any]) -> str:
    return str(props.get("urn", ""))


def _inputs(props: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in props.items() if key != PROVIDER_KEY}


def _normal(value: Any) -> Any:
    """Numbers arrive as floats and tuples as lists; an unknown equals nothing."""
    if isinstance(value, Unknown) or value == rpc.UNKNOWN:
        return object()
    if isinstance(value, Mapping):
        return {key: _normal(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_normal(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _printable(value: Any) -> Any:
    """Return outputs as the CLI may show them: it prints what a host said as it is."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {key: _printable(item) for key, item in value.items()}
    return [_printable(item) for item in value] if isinstance(value, list | tuple) else value


def _at(props: Mapping[str, Any], path: str) -> Any:
    value: Any = props
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return _normal(value)
