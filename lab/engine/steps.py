"""What is done with each resource, in which order, and what the state says of it."""

import threading
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from lab.engine.errors import EngineError
from lab.engine.graph import drop_dangling, layers
from lab.engine.provider import Diff, ProviderError, ProviderHost
from lab.engine.secrets import Crypter
from lab.engine.state import (
    PROVIDER_TYPE,
    STACK_TYPE,
    PendingOperation,
    Resource,
    Snapshot,
    Store,
    now,
)
from lab.engine.values import UNKNOWN, UNKNOWN_ON_WIRE, Properties, Secret, masked, plain


@dataclass
class Goal:
    """What the program asks for."""

    resource: Resource
    delete_before_replace: bool | None = None
    protect: bool | None = None
    retain_on_delete: bool | None = None


@dataclass(frozen=True)
class Operation:
    """Something done to a resource, or in a preview what would be."""

    op: str
    urn: str
    id: str = ""
    error: str = ""
    changes: tuple[str, ...] = ()

    @property
    def internal(self) -> bool:
        """Tell whether this is the engine's own business: the default provider."""
        return f"::{PROVIDER_TYPE}::" in self.urn


@dataclass(frozen=True)
class ProviderCall:
    """A call that the provider got."""

    method: str
    urn: str


class Cancelled(Exception):
    """The deployment has failed or was interrupted: nothing new begins."""


@dataclass
class Events:
    """Where a deployment tells what happens."""

    begin: Callable[[str, Resource], None] = lambda _op, _resource: None
    end: Callable[[Operation, Resource], None] = lambda _operation, _resource: None
    error: Callable[[str, str], None] = lambda _urn, _message: None
    cancelled: Callable[[], None] = lambda: None


@dataclass
class _Chain:
    """Steps that run one after the other."""

    steps: list[Callable[[], None]] = field(default_factory=list)


class Deployment:
    """One preview, up, refresh or destroy of a stack.

    Steps are worked out one resource at a time, as the CLI does, and carried out side by
    side. The state is written when a step begins and when it ends.
    """

    def __init__(
        self,
        store: Store,
        crypter: Crypter,
        configure_provider: Callable[[Properties], None],
        *,
        dry_run: bool,
        parallel: int,
        replace: Iterable[str] = (),
        events: Events | None = None,
    ) -> None:
        self._store = store
        self._crypter = crypter
        self._configure_provider = configure_provider
        self.provider: ProviderHost | None = None
        self.dry_run = dry_run
        self._targeted_replaces = set(replace)
        self._events = events or Events()
        self.base = store.load(crypter)
        self._index()
        self.operations: list[Operation] = []
        self.calls: list[ProviderCall] = []
        self.failed = False
        self._cancel = threading.Event()
        self._pool = ThreadPoolExecutor(max_workers=parallel, thread_name_prefix="step")
        # Held while the steps of a resource are worked out.
        self._generating = threading.Lock()
        # Guards everything below.
        self._state_lock = threading.RLock()
        self._news: list[Resource] = []
        self._done: set[Resource] = set()
        self._pending: list[PendingOperation] = []
        self._current: dict[str, Resource] = {}
        self._goals: dict[str, Goal] = {}
        self._seen: set[str] = set()
        self._deleted_urns: set[str] = set()
        self._deleted: set[Resource] = set()
        self._replaced: set[str] = set()
        self._provider_reference = ""
        self.stack_outputs: Properties | None = None

    def _index(self) -> None:
        self._olds = {r.urn: r for r in self.base.resources if not r.delete}

    @property
    def _host(self) -> ProviderHost:
        if self.provider is None:
            raise EngineError("the state has dynamic resources but no dynamic provider")
        return self.provider

    # ---- the state ----

    def snapshot(self) -> Snapshot:
        """Return what the state file should say now."""
        with self._state_lock:
            resources = [r for r in self._news if r not in self._done]
            resources += [r for r in self.base.resources if r not in self._done]
            # The CLI keeps interrupted creates until it is told to forget them.
            kept = [p for p in self.base.pending if p.type == "creating"]
            return Snapshot(resources, [*self._pending, *kept])

    def _save(self) -> None:
        if not self.dry_run:
            with self._state_lock:
                self._store.save(self.snapshot(), self._crypter)

    # ---- running steps ----

    def cancel(self) -> None:
        """Let what runs finish and begin nothing new."""
        if not self._cancel.is_set():
            self._cancel.set()
            self._events.cancelled()

    @property
    def is_cancelled(self) -> bool:
        """Tell whether nothing new may begin."""
        return self._cancel.is_set()

    def fail(self, urn: str, message: str) -> None:
        """Report an error and end the deployment."""
        self.failed = True
        self._events.error(urn, message)
        self.cancel()

    def _run(self, chain: _Chain) -> None:
        for step in chain.steps:
            if self._cancel.is_set():
                raise Cancelled
            step()

    def _submit(self, chain: _Chain) -> "Future[None]":
        try:
            return self._pool.submit(self._run, chain)
        except RuntimeError:
            # The run has ended, as after a failure: this resource comes too late for it.
            raise Cancelled from None

    def _step(
        self,
        op: str,
        resource: Resource,
        apply: Callable[[], None],
        commit: Callable[[], None],
        *,
        pending: str = "",
        old: Resource | None = None,
    ) -> Callable[[], None]:
        def run() -> None:
            self._events.begin(op, resource)
            entry = PendingOperation(resource, pending)
            if pending and not self.dry_run:
                with self._state_lock:
                    self._pending.append(entry)
                self._save()
            error = ""
            try:
                apply()
            except (ProviderError, EngineError) as problem:
                error = str(problem)
            with self._state_lock:
                if entry in self._pending:
                    self._pending.remove(entry)
                if not error:
                    commit()
                changes = _changes(old.inputs, resource.inputs) if old is not None else ()
                operation = Operation(op, resource.urn, resource.id, error, changes)
                self.operations.append(operation)
            if op != "same":
                self._save()
            self._events.end(operation, resource)
            if error:
                self.fail(resource.urn, error)
                raise Cancelled

        return run

    def _record(self, new: Resource, old: Resource | None = None) -> Callable[[], None]:
        def commit() -> None:
            _mark_secrets(new)
            self._news.append(new)
            self._current[new.urn] = new
            if old is not None:
                self._done.add(old)

        return commit

    def _called(self, method: str, urn: str) -> None:
        with self._state_lock:
            self.calls.append(ProviderCall(method, urn))

    def _same(self, old: Resource, new: Resource) -> Callable[[], None]:
        def apply() -> None:
            new.id, new.outputs = old.id, old.outputs
            if new.is_provider:
                self._configure_provider(old.inputs)

        return self._step("same", new, apply, self._record(new, old))

    def _create(
        self, new: Resource, *, replaced: Resource | None = None, keep_replaced: bool = False
    ) -> Callable[[], None]:
        def apply() -> None:
            if new.is_provider:
                new.id = UNKNOWN_ON_WIRE if self.dry_run else str(uuid.uuid4())
                self._configure_provider(new.inputs)
                new.outputs = dict(new.inputs)
            elif new.custom and self.dry_run:
                new.outputs = dict(new.inputs)
            elif new.custom:
                self._called("create", new.urn)
                new.id, new.outputs = self._host.create(new.urn, new.inputs)
            new.created = new.modified = now()

        record = self._record(new)

        def commit() -> None:
            record()
            if replaced is not None and keep_replaced:
                replaced.delete = True
            elif replaced is not None and replaced.pending_replacement:
                self._done.add(replaced)

        op = "create" if replaced is None else "create-replacement"
        return self._step(op, new, apply, commit, pending="creating")

    def _update(self, old: Resource, new: Resource) -> Callable[[], None]:
        def apply() -> None:
            new.id, new.created, new.modified = old.id, old.created, old.modified
            if not new.custom:
                return
            if new.is_provider:
                self._configure_provider(new.inputs)
                new.outputs = dict(new.inputs)
            elif self.dry_run:
                new.outputs = dict(new.inputs)
            else:
                self._called("update", new.urn)
                new.outputs = self._host.update(old, new.inputs)
            new.modified = now()

        return self._step("update", new, apply, self._record(new, old), pending="updating", old=old)

    def _replace(self, old: Resource, new: Resource) -> Callable[[], None]:
        return self._step("replace", new, lambda: None, lambda: None, old=old)

    def _delete(
        self, old: Resource, *, replacing: bool = False, pending_replacement: bool = False
    ) -> Callable[[], None]:
        def apply() -> None:
            if old.protect and not replacing:
                raise EngineError(
                    f'resource "{old.urn}" cannot be deleted\nbecause it is protected. '
                    "To unprotect the resource, remove the `protect` flag from the resource "
                    "in your Pulumi program and run `pulumi up`"
                )
            skipped = (
                self.dry_run
                or old.retain_on_delete
                or not old.custom
                or old.is_provider
                or old.deleted_with in self._deleted_urns
            )
            if not skipped:
                self._called("delete", old.urn)
                self._host.delete(old)

        def commit() -> None:
            if pending_replacement:
                old.pending_replacement = True
            else:
                self._done.add(old)

        op = "delete-replaced" if replacing else "delete"
        return self._step(op, old, apply, commit, pending="deleting")

    # ---- the program's registrations ----

    def register(self, goal: Goal) -> Resource:
        """Bring a resource to what the program asks for; return it as it then is."""
        with self._generating:
            if self._cancel.is_set():
                raise Cancelled
            try:
                chain = self._generate(goal)
            except (ProviderError, EngineError) as error:
                self.fail(goal.resource.urn, str(error))
                raise Cancelled from None
            future = self._submit(chain)
        future.result()
        return goal.resource

    def register_provider(self, stack: str, project: str, config: Properties) -> str:
        """Register the default dynamic provider once; return the reference to it."""
        urn = f"urn:pulumi:{stack}::{project}::{PROVIDER_TYPE}::default"
        with self._generating:
            if not self._provider_reference:
                if self._cancel.is_set():
                    raise Cancelled
                resource = Resource(urn=urn, type=PROVIDER_TYPE, custom=True, inputs=config)
                self._seen.add(urn)
                old = self._olds.get(urn)
                if old is None:
                    step = self._create(resource)
                elif old.outputs == config:
                    step = self._same(old, resource)
                else:
                    step = self._update(old, resource)
                self._submit(_Chain([step])).result()
                self._provider_reference = f"{urn}::{resource.id}"
        return self._provider_reference

    def inherit(self, goal: Goal) -> None:
        """Fill in the options that a child takes over from its parent."""
        parent = self._goals.get(goal.resource.parent)
        if parent is None:
            return
        goal.resource.deleted_with = goal.resource.deleted_with or parent.resource.deleted_with
        if goal.protect is None:
            goal.protect = parent.protect
        if goal.retain_on_delete is None:
            goal.retain_on_delete = parent.retain_on_delete

    def _generate(self, goal: Goal) -> _Chain:
        new, urn = goal.resource, goal.resource.urn
        if urn in self._seen:
            raise EngineError(f"Duplicate resource URN '{urn}'; try giving it a unique name")
        self._seen.add(urn)
        self._goals[urn] = goal
        new.protect = bool(goal.protect)
        new.retain_on_delete = bool(goal.retain_on_delete)
        asked = new.inputs
        old = self._olds.get(urn)
        recreating = urn in self._deleted_urns
        if old is not None:
            new.created, new.modified = old.created, old.modified
            new.inputs = _ignoring(new.ignore_changes, new.inputs, old.inputs)
        fresh = old is None or recreating or urn in self._targeted_replaces
        if new.custom:
            self._check(new, {} if fresh or old is None else old.inputs, asked if fresh else None)
        if old is not None and recreating:
            self._deleted_urns.discard(urn)
            self._replaced.add(urn)
            return _Chain([self._replace(old, new), self._create(new, replaced=old)])
        if old is None:
            return _Chain([self._create(new)])
        diff = self._diff(old, new)
        if old.pending_replacement or (diff.changes and diff.replaces):
            return self._generate_replace(goal, old, diff, asked)
        if diff.changes:
            return _Chain([self._update(old, new)])
        return _Chain([self._same(old, new)])

    def _check(self, new: Resource, olds: Properties, news: Properties | None) -> None:
        self._called("check", new.urn)
        new.inputs, failures = self._host.check(new.urn, olds, new.inputs if news is None else news)
        if failures:
            lines = [f"{new.type} resource '{new.name}' has a problem:"]
            lines += [f"{prop}: {reason}" if prop else reason for prop, reason in failures]
            raise EngineError("\n".join(lines))

    def _diff(self, old: Resource, new: Resource) -> Diff:
        if new.urn in self._targeted_replaces:
            return Diff(True, ("id",))
        if new.deleted_with and new.deleted_with in self._replaced:
            return Diff(True, ("deletedWith",))
        if not new.custom:
            return Diff(old.inputs != new.inputs)
        self._called("diff", new.urn)
        diff = self._host.diff(old, new.inputs, ignore_changes=new.ignore_changes)
        return _with_replace_on_changes(diff, old, new)

    def _generate_replace(self, goal: Goal, old: Resource, diff: Diff, asked: Properties) -> _Chain:
        new = goal.resource
        if new.protect and old.protect:
            raise EngineError(
                f'unable to replace resource "{new.urn}"\nas it is currently marked for '
                "protection. To unprotect the resource, remove the `protect` flag from the "
                "resource in your Pulumi program and run `pulumi up`"
            )
        self._replaced.add(new.urn)
        if new.custom and new.urn not in self._targeted_replaces:
            # What was carried over from the old resource no longer counts.
            self._check(new, {}, asked)
        delete_first = diff.delete_before_replace
        if goal.delete_before_replace is not None:
            delete_first = goal.delete_before_replace
        if not delete_first:
            create = self._create(new, replaced=old, keep_replaced=True)
            return _Chain([create, self._replace(old, new)])
        steps: list[Callable[[], None]] = []
        for dependent in reversed(self._dependents_to_replace(old)):
            if dependent in self._deleted:
                continue
            if dependent.protect:
                raise EngineError(
                    f'unable to replace resource "{dependent.urn}" as part of replacing '
                    f'"{new.urn}" as it is currently marked for protection'
                )
            steps.append(self._delete(dependent, replacing=True, pending_replacement=True))
            self._deleted_urns.add(dependent.urn)
            self._deleted.add(dependent)
        if not old.pending_replacement:
            self._deleted_urns.add(old.urn)
            steps.append(self._delete(old, replacing=True, pending_replacement=True))
        return _Chain([*steps, self._replace(old, new), self._create(new, replaced=old)])

    def _dependents_to_replace(self, root: Resource) -> list[Resource]:
        """Return, in order, what a delete-before-replace of a resource takes with it."""
        replaced = {root.urn}
        dependents = {root.urn}
        found: list[Resource] = []
        # What is registered already cannot depend on what is only now being replaced.
        operated = self._seen | self._deleted_urns
        position = self.base.resources.index(root)
        for candidate in self.base.resources[position + 1 :]:
            if candidate.urn in operated or not candidate.depends_on() & dependents:
                continue
            dependents.add(candidate.urn)
            if candidate.custom and self._must_go_too(candidate, replaced):
                replaced.add(candidate.urn)
                found.append(candidate)
        return found

    def _must_go_too(self, candidate: Resource, replaced: set[str]) -> bool:
        if candidate.deleted_with in replaced:
            return True
        touched = {
            key
            for key, urns in candidate.property_dependencies.items()
            if key in candidate.inputs and replaced.intersection(urns)
        }
        if not touched:
            return False
        probe = {k: UNKNOWN if k in touched else v for k, v in candidate.inputs.items()}
        self._called("diff", candidate.urn)
        diff = self._host.diff(candidate, probe, ignore_changes=candidate.ignore_changes)
        return bool(_with_replace_on_changes(diff, candidate, candidate, probe).replaces)

    def register_outputs(self, urn: str, outputs: Properties) -> None:
        """Take the outputs of a component; those of the stack wait for the end."""
        if urn.split("::")[2] == STACK_TYPE:
            self.stack_outputs = outputs
            return
        with self._state_lock:
            resource = self._current.get(urn)
            if resource is None:
                raise EngineError(f"outputs for '{urn}', which was not registered")
            known, resource.outputs = resource.outputs, outputs
        if outputs != known:
            self._save()

    # ---- the end ----

    def delete_leftovers(self) -> None:
        """Delete what left the program, dependents first, unlinked ones side by side."""
        condemned: dict[Resource, Callable[[], None]] = {}
        for resource in self.base.resources:
            if resource.delete:
                if resource not in self._deleted:
                    self._deleted_urns.add(resource.urn)
                    condemned[resource] = self._delete(resource, replacing=True)
            elif resource.urn not in self._seen:
                self._deleted_urns.add(resource.urn)
                if resource.pending_replacement:
                    condemned[resource] = self._forget(resource)
                else:
                    condemned[resource] = self._delete(resource)
        for layer in layers(self.base.resources, list(condemned)):
            futures = [self._submit(_Chain([condemned[resource]])) for resource in layer]
            for future in futures:
                _settle(future)
            if self._cancel.is_set():
                return

    def _forget(self, old: Resource) -> Callable[[], None]:
        return self._step("remove-pending-replace", old, lambda: None, lambda: self._done.add(old))

    def refresh(self) -> None:
        """Read every resource of the state and make what was read the state."""
        results: dict[Resource, Resource | None] = {}
        futures = [
            self._submit(_Chain([self._read(resource, results)]))
            for resource in self.base.resources
        ]
        for future in futures:
            _settle(future)
        refreshed = [results.get(resource, resource) for resource in self.base.resources]
        self.base.resources = [resource for resource in refreshed if resource is not None]
        drop_dangling(self.base.resources)
        self._index()
        self._save()

    def _read(self, old: Resource, results: dict[Resource, Resource | None]) -> Callable[[], None]:
        untouched = not old.custom or old.is_provider or old.pending_replacement

        def run() -> None:
            self._events.begin("refresh", old)
            op, error, identity = "same", "", old.id
            try:
                if not untouched:
                    op, results[old] = self._read_one(old)
            except ProviderError as problem:
                error = str(problem)
            new = results.get(old)
            changes = _changes(old.outputs, new.outputs) if new is not None else ()
            operation = Operation("refresh" if error else op, old.urn, identity, error, changes)
            with self._state_lock:
                self.operations.append(operation)
            self._events.end(operation, old)
            if error:
                self.fail(old.urn, error)

        return run

    def _read_one(self, old: Resource) -> tuple[str, Resource | None]:
        self._called("read", old.urn)
        identity, inputs, outputs = self._host.read(old)
        if not identity:
            return "delete", None
        new = old.copy()
        new.id, new.outputs = identity, outputs
        if inputs is not None:
            new.inputs = inputs
        _mark_secrets(new)
        if new.inputs != old.inputs or new.outputs != old.outputs:
            new.modified = now()
        self._called("diff", old.urn)
        # As the next `up` of an unchanged program would ask.
        changed = self._host.diff(new, old.inputs, ignore_changes=old.ignore_changes).changes
        return ("update" if changed else "same"), new

    def close(self) -> None:
        """Settle the stack's outputs, wait for what runs, write the state."""
        self._pool.shutdown(wait=True)
        with self._state_lock:
            stack = next((r for r in self._news if r.type == STACK_TYPE), None)
            if stack is not None and self.stack_outputs is not None:
                old = self._olds.get(stack.urn)
                # After a failure a missing output does not mean that it is gone.
                kept = dict(old.outputs) if old is not None and self.failed else {}
                stack.outputs = {**kept, **self.stack_outputs}
        self._save()


def _settle(future: "Future[None]") -> None:
    try:
        future.result()
    except Cancelled:
        return


def _changes(old: Properties, new: Properties) -> tuple[str, ...]:
    """Say which properties differ and how, secrets masked."""
    keys = sorted({*old, *new} - {"__provider"})
    return tuple(
        f"{key}: {masked(old.get(key))!r} => {masked(new.get(key))!r}"
        for key in keys
        if old.get(key) != new.get(key)
    )


def _mark_secrets(new: Resource) -> None:
    for key, value in new.outputs.items():
        leaked = isinstance(new.inputs.get(key), Secret)
        if not isinstance(value, Secret) and (key in new.additional_secret_outputs or leaked):
            new.outputs[key] = Secret(value)


def _ignoring(paths: list[str], inputs: Properties, old_inputs: Properties) -> Properties:
    merged = dict(inputs)
    for path in paths:
        if any(character in path for character in ".[*"):
            raise EngineError(f"ignore_changes: {path}: the stand-in knows top-level keys only")
        if path in old_inputs:
            merged[path] = old_inputs[path]
        else:
            merged.pop(path, None)
    return merged


def _with_replace_on_changes(
    diff: Diff, old: Resource, new: Resource, probe: Properties | None = None
) -> Diff:
    inputs = new.inputs if probe is None else probe
    if not diff.changes or not new.replace_on_changes:
        return diff
    changed = {
        key
        for key in {*old.inputs, *inputs} - {"__provider"}
        if plain(old.inputs.get(key)) != plain(inputs.get(key))
    }
    if "*" not in new.replace_on_changes:
        changed &= set(new.replace_on_changes)
    replaces = (*diff.replaces, *sorted(changed))
    return Diff(diff.changes, replaces, diff.delete_before_replace)
