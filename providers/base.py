"""The base of all dynamic providers, and of their resources.

Each module here holds one kind of resource: its inputs and outputs, and its provider with
``do_create``, ``do_read``, ``do_update`` and ``do_delete``. Most runs only compare inputs.
Therefore these methods import the procedures, OpenNebula's rules and pydantic, which are loaded
only if there is something to do (tests/unit/test_imports.py).

The state refers to a provider by its module and class, and providers have no instance attributes.
Never rename a provider class without keeping the old name importable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from pulumi import dynamic

from hosts.errors import HostError, printable
from providers import notes, progress, runtime, state

if TYPE_CHECKING:
    from pulumi import ResourceOptions
    from pydantic import BaseModel

    from providers.run_state import Operation

UNWANTED = "not as the stack wants it"
"""What drift is called while the stack only observes."""
DRIFT_PAGE = "docs/drift.md"
"""Its sections are called as the kinds of resources."""

Outputs = dict[str, Any]
Props = Mapping[str, Any]
Forecast = Iterable[tuple[str, str]]
"""Effects of a change on the zone, in words, each with the URN of its row."""


class Provider(state.Inputs, dynamic.ResourceProvider):
    """A dynamic provider. The inputs are those of one typed spec; the outputs add observations."""

    serialize_as_secret_always = False
    unaffected_by: ClassVar[frozenset[str]] = frozenset()
    """Inputs whose change alone does not update the resource."""
    drift_means: ClassVar[str] = "will be changed"
    """What the next ``up`` does with drift, in words."""
    repeats_create: ClassVar[bool] = True
    """An incomplete create is created again; otherwise it is updated."""
    changes_hosts: ClassVar[bool] = True
    """Create and update may change a host or OpenNebula, so that a failed one is recorded."""
    fixed_id: ClassVar[str] = ""
    """The ID, if a stack has one resource of this kind. Otherwise it is the host's name."""

    def configure(self, req: dynamic.ConfigureRequest) -> None:
        """Set up the provider host, and store the stack's config."""
        runtime.hide_tracebacks()
        runtime.end_with_engine()
        runtime.on_interrupt(progress.warn_of_running_steps)
        runtime.store(req.config)

    def check(self, olds: Props, news: dict[str, Any]) -> dynamic.CheckResult:
        """Accept the inputs, which the program made from a validated config."""
        notes.addresses.update(state.addresses_in(news))
        return dynamic.CheckResult(news, [])

    def diff(self, _id: str, olds: Props, news: Props) -> dynamic.DiffResult:
        """Report a change of an input, an incomplete create or update, or drift.

        A resource of one host is replaced if the name of that host differs.
        """
        changed = self.changed(olds, news)
        former = self.modern(olds)
        # If the machine of a front-end is replaced, the engine first asks what an unknown input
        # means: no replacement, since the front-end keeps its name.
        is_probe = any(state.is_unknown(value) for value in news.values())
        for about, text in self.forecast(former, news, changed) if changed and not is_probe else ():
            progress.note(about, text)
        before, after = (state.value_at(props, "host.name") for props in (former, news))
        is_another = before != after and not is_probe
        drift = olds.get("drift") or []
        drift = drift if isinstance(drift, list | tuple) else [drift]
        observes = runtime.observes()
        urn = state.urn_of(olds)
        # A refresh in this process has shown them.
        for difference in () if urn in notes.refreshed else drift:
            what = UNWANTED if observes else self.drift_means
            progress.note(urn, f"{what}: {difference}")
        return dynamic.DiffResult(
            changes=bool(
                changed or is_another or ((olds.get(runtime.INCOMPLETE) or drift) and not observes)
            ),
            replaces=["host"] if is_another else [],
            delete_before_replace=True,
        )

    def changed(self, olds: Props, news: Props) -> set[str]:
        """Return the inputs that differ and affect the resource."""
        former = self.modern(olds)
        absent = {key for key in former if key.partition(".")[0] in self.spread | self.optional}
        keys = (news.keys() | absent) - {"urn", runtime.PROVIDER_KEY} - self.unaffected_by
        return {key for key in keys if state.normal(former.get(key)) != state.normal(news.get(key))}

    def forecast(self, olds: Props, news: Props, changed: set[str]) -> Forecast:
        """Describe the effects of a change on the zone."""
        return ()

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Create the resource, or adopt what exists."""
        with self._operation("create", props) as op:
            identifier = self.identifier(op.spec)
            partial = {**props, runtime.INCOMPLETE: runtime.CREATE}
            changed = op.access.changes
            # If it has changed nothing, there is nothing to delete.
            with runtime.recorded(
                identifier, lambda: self.changes_hosts and changed.is_set() and partial
            ):
                is_left = self.is_adopted(op) and self.changes_hosts
                seen = self._observe(op) if is_left else self.do_create(op)
                return dynamic.CreateResult(identifier, {**_inputs(props), **_printable(seen)})

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        """Read the present outputs, and warn of each difference."""
        notes.refreshed.add(state.urn_of(props))
        with self._operation("read", props) as op:
            seen = self.do_read(op)
        self._warn(props, "drift", seen)
        return dynamic.ReadResult(id_, {**props, **_printable(seen)})

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        """Change the resource to match the new spec."""
        incomplete = olds.get(runtime.INCOMPLETE)
        kept = {runtime.INCOMPLETE: incomplete} if incomplete and runtime.observes() else {}
        key = runtime.PROVIDER_KEY
        with (
            runtime.recorded(
                _id,
                lambda: self.changes_hosts and {**runtime.incomplete(olds, news), key: news[key]},
            ),
            self._operation("update", news, olds) as op,
        ):
            seen = self._update(op)
            return dynamic.UpdateResult({**_inputs(news), **_printable(seen), **kept})

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Delete the resource, unless it no longer exists."""
        with self._operation("delete", props) as op:
            if op.run.observes:
                return
            try:
                self.do_delete(op)
            except HostError:
                progress.warn(
                    state.urn_of(props), "to keep it after all: pulumi refresh, then pulumi up"
                )
                raise

    def identifier(self, spec: Any) -> str:
        """Return the ID of the resource."""
        return self.fixed_id or str(spec.host.name)

    def is_adopted(self, op: Operation[Any]) -> bool:
        """Return whether the resource belongs to a zone that the stack adopts unchanged."""
        if "host" not in type(op.spec).model_fields:
            return op.run.adopts
        return op.run.observes or op.spec.host.name in op.run.adopted

    def do_create(self, op: Operation[Any]) -> Outputs:
        """Create; return the outputs. ``olds`` are the properties of a failed create, if any."""
        raise NotImplementedError

    def do_read(self, op: Operation[Any]) -> Outputs:
        """Return the present outputs; ``drift`` lists what differs from the spec."""
        raise NotImplementedError

    def do_update(self, op: Operation[Any]) -> Outputs:
        """Update; return the outputs."""
        raise NotImplementedError

    def do_delete(self, op: Operation[Any]) -> None:
        """Delete. By default there is nothing to remove."""

    def _update(self, op: Operation[Any]) -> Outputs:
        is_new = op.olds.get(runtime.INCOMPLETE) == runtime.CREATE
        is_left = op.run.observes or (is_new and self.is_adopted(op))
        if is_left and self.changes_hosts:
            return self._observe(replace(op, props={**op.olds, **op.props}))
        return self.do_create(op) if is_new and self.repeats_create else self.do_update(op)

    def _observe(self, op: Operation[Any]) -> Outputs:
        seen = self.do_read(op)
        self._warn(op.props, UNWANTED, seen)
        return seen

    def _warn(self, props: Props, what: str, seen: Outputs) -> None:
        """Warn of each difference from the stack. The last one says where to read on."""
        differences = seen.get("drift", ())
        for left, difference in zip(reversed(range(len(differences))), differences, strict=True):
            kind = type(self).__name__.removesuffix("Provider").lower()
            further = "" if left else f"\n  see {DRIFT_PAGE}#{kind}"
            progress.warn(state.urn_of(props), f"{what}: {difference}{further}")

    @contextmanager
    def _operation(
        self, what: str, props: Props, olds: Props | None = None
    ) -> Iterator[Operation[Any]]:
        """Begin an operation on the resource, and note its end. This imports most modules."""
        from providers import run_state

        if what != "read":
            run_state.forget_survey()
        run = run_state.current()
        for properties in (olds or {}, props):
            run.note_recorded(state.all_hosts_of(self.modern(properties)))
        urn = state.urn_of(props)
        access = run.access(progress.reporter(urn))
        op = run_state.Operation(access, run, self.spec_of(props), props, olds or {})
        with progress.operation(urn, what):
            yield op

    def former_specs(self, olds: Props) -> list[Any]:
        """Return all specs that may be applied: the last one, and those of failed updates since.

        A failed update may have changed any host: an update back to the last spec reverts that.
        """
        with state.reading(olds):
            return [self.spec_of(props) for props in (olds, *olds.get(runtime.ATTEMPTED, ()))]


class ZoneSpecProvider(Provider):
    """A resource of the zone as a whole."""

    spec_type = "ZoneSpec"
    labels: ClassVar = {"name": "zone_name", "vips": "one_vip"}
    optional = frozenset({"register_grpc"})


class ManagedResource(dynamic.Resource):
    """A resource of the stack, with the fields of a spec as its inputs."""

    provider_type: ClassVar[type[Provider]]
    outputs: ClassVar[tuple[str, ...]] = ("drift",)
    """Names of the outputs in addition to the inputs."""
    parents: ClassVar[tuple[str, ...]] = (state.ZONE,)
    """Types of the components that it is below."""

    def __init__(self, name: str, spec: BaseModel, *, opts: ResourceOptions, **inputs: Any) -> None:
        """``inputs``: further inputs by their names."""
        super().__init__(
            self.provider_type(),
            name,
            {
                **self.provider_type.inputs_of(spec),
                **inputs,
                "urn": state.urn(self.parents, type(self).__name__, name),
                **dict.fromkeys(self.outputs),
            },
            opts,
        )


def now() -> str:
    """Return the present time in UTC, which marks a change for the resources that wait for it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _printable(value: Any) -> Any:
    """Return outputs without control characters: the CLI prints what a host said unchanged."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {key: _printable(item) for key, item in value.items()}
    return [_printable(item) for item in value] if isinstance(value, list | tuple) else value


def _inputs(props: Props) -> dict[str, Any]:
    return {key: value for key, value in props.items() if key != runtime.PROVIDER_KEY}
