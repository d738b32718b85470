"""Runs of the program on a site, in the order of its graph, without Pulumi's engine.

The program's own components make the graph. Each resource is created, read, updated and deleted by
its own provider. The state is kept as the engine keeps it: a resource whose operation was killed is
unchanged; one whose update failed has the record of that update.
"""

import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pulumi
from pulumi.dynamic import Config as ProviderConfig
from pulumi.dynamic import Resource
from pulumi.runtime import rpc

from tests.runs import TALLY
from tests.simulation import product
from tests.simulation.faults import Fault, Faults, Killed
from tests.simulation.host import Dump
from tests.simulation.product import HighAvailableZone, HostError, Provider, parse
from tests.simulation.remote import Run, SerialExecutor, SimApi, SimPool, World
from tests.simulation.site import Site

PROJECT = "opennebula-ha"
VIP = "10.0.0.100"
_PARTIAL = "_opennebula_ha_partial"
Inputs = dict[str, Any]


@dataclass(frozen=True)
class Config:
    """The config that the operator sets."""

    front_ends: tuple[str, ...]
    more: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, *front_ends: str, **more: Any) -> "Config":
        return cls(tuple(sorted(front_ends)), tuple(sorted(more.items())))

    def but(self, **more: Any) -> "Config":
        """Return the config with other values."""
        given = {**dict(self.more), **more}
        names = given.pop("front_ends", self.front_ends)
        return Config.of(*names, **given)

    @property
    def highly_available(self) -> bool:
        return bool(dict(self.more).get("force_ha")) or len(self.front_ends) > 1

    def raw(self, site: Site) -> dict[str, str]:
        """Return the config in the form in which Pulumi passes it."""
        vip = {"one_vip": VIP, "one_vip_cidr": 24, "one_vip_if": "eth0"}
        values: dict[str, Any] = {
            "one_version": "7.2",
            "one_pass": "one",
            "db_password": "database",
            "ensure_hosts": not site.has_name_service,
            "features": {"gui": False, "flow": False, "form": False},
            **(vip if self.highly_available else {}),
            **{key: list(v) if isinstance(v, tuple) else v for key, v in self.more},
            "frontends": {name: {"address": site.hosts[name].address} for name in self.front_ends},
        }
        return {
            f"{PROJECT}:{key}": value if isinstance(value, str) else json.dumps(value)
            for key, value in values.items()
        }


@dataclass(frozen=True)
class Output:
    """An output of a resource that is an input of another one."""

    key: str
    name: str

    def apply(self, _function: Any) -> None:
        """Ignored: the stack's own outputs are not checked."""


@dataclass
class Node:
    """A resource of the graph."""

    key: str
    provider: Provider
    inputs: Inputs
    needs: list[str]
    deleted_with: str


@dataclass
class Kept:
    """A resource of the state."""

    provider: Provider
    id: str
    inputs: Inputs
    outputs: Inputs
    needs: list[str]
    deleted_with: str


def graph(settings: product.Settings) -> dict[str, Node]:
    """Return the program's graph for this config, in the order of creation."""
    nodes: dict[str, Node] = {}
    keys: dict[int, str] = {}

    def resource(
        self: Any, provider: Provider, name: str, props: Inputs, opts: pulumi.ResourceOptions
    ) -> None:
        key = f"{type(self).__name__} {name}"
        waits = opts.depends_on
        before = list(waits) if isinstance(waits, list | tuple) else [waits] if waits else []
        needs = [keys[id(one)] for one in before]
        needs += [one.key for one in _outputs(props)]
        with_ = keys.get(id(opts.deleted_with), "") if opts.deleted_with else ""
        nodes[key] = Node(key, provider, props, needs, with_)
        keys[id(self)] = key
        self.__dict__["_key"] = key

    def output(self: Any, name: str) -> Output:
        if name.startswith("_"):
            raise AttributeError(name)
        return Output(self.__dict__["_key"], name)

    class Secret:
        @staticmethod
        def secret(value: Any) -> Any:
            return value

        all = staticmethod(_nothing)

    with ExitStack() as patches:
        patches.enter_context(patch.object(Resource, "__init__", resource))
        patches.enter_context(patch.object(Resource, "__getattr__", output, create=True))
        patches.enter_context(patch.object(pulumi.ComponentResource, "__init__", _nothing))
        patches.enter_context(patch.object(pulumi.ComponentResource, "register_outputs", _nothing))
        patches.enter_context(patch.object(product.components.zone, "Output", Secret))
        patches.enter_context(patch.object(product.state, "urn", _urn))
        HighAvailableZone("zone", settings)
    return nodes


@lru_cache(maxsize=64)
def _graph_of(raw: tuple[tuple[str, str], ...]) -> dict[str, Node]:
    return graph(parse(dict(raw)))


@lru_cache(maxsize=64)
def _timed(loaded: int) -> list[ModuleType]:
    """Return the program's modules that ask for the time; ``loaded``: the number of modules."""
    return [
        module
        for name, module in sorted(sys.modules.items())
        if name.startswith(("procedures.", "providers.")) and getattr(module, "time", None) is time
    ]


def _remembered(function: Callable[..., Any]) -> Callable[..., Any]:
    """Cache a pure function: millions of runs call it with the same arguments."""
    known: dict[object, Any] = {}

    def answer(*args: Any) -> Any:
        key = tuple(one if isinstance(one, str) else repr(one) for one in args)
        if key not in known:
            if len(known) > 20000:
                known.clear()
            known[key] = function(*args)
        found = known[key]
        return dict(found) if isinstance(found, dict) else found

    return answer


_PURE = [
    (module, name, _remembered(getattr(module, name)))
    for module, names in (
        (product.conf, ("read", "write", "remove")),
        (product.managed_settings, ("apply", "differences")),
        (product.yaml_file, ("apply", "differences")),
        (product.service_files, ("_read",)),
    )
    for name in names
]


@contextmanager
def _set(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _urn(_parents: Any, kind: str, name: str) -> str:
    return f"{kind} {name}"


def _outputs(value: Any) -> Iterator[Output]:
    if isinstance(value, Output):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _outputs(item)


class Failed(Exception):
    """An ``up`` failed with this message."""


@dataclass
class Operator:
    """An operator with a stack: its state, and the site that it manages."""

    site: Site
    state: dict[str, Kept] = field(default_factory=dict)
    order: random.Random = field(default_factory=lambda: random.Random(0))
    vault: dict[str, Dump] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    """The messages of the last run."""
    asked_to_refresh: bool = False
    """A delete failed: the resource that still exists must be refreshed."""
    settles: bool = False
    """After a killed run the state has the pending operations: see commands/pending.py."""
    _refreshed: set[str] = field(default_factory=set)

    @contextmanager
    def _program(self, raw: Mapping[str, str], fault: Fault | None) -> Iterator[None]:
        """The processes of one run, with all their memory."""
        self.faults = Faults(fault)
        World.run = Run(self.site, self.faults, self.order, self.vault)
        clock = self.site.clock
        with ExitStack() as patches:
            for module in _timed(len(sys.modules)):
                patches.enter_context(_set(module, "time", clock))
            config = ProviderConfig(dict(raw), PROJECT)
            for owner, attribute, value in (
                (product.parallel, "ThreadPoolExecutor", SerialExecutor),
                (product.context, "Api", SimApi),
                (product.run_state, "Pool", SimPool),
                (product.run_state, "HEAD_START", 0.0),
                (product.run_state, "_current", None),
                (product.runtime, "_config", config),
                (product.base, "datetime", clock.datetime()),
                (product.runtime, "widen", _nothing),
                *_PURE,
            ):
                patches.enter_context(_set(owner, attribute, value))
            try:
                yield
            except Failed:
                TALLY["refusals"] += 1
                raise
            finally:
                seen = self.faults.seen
                TALLY["runs"] += 1
                TALLY["steps"] += len(seen) + sum(steps for _, steps, _ in seen)
                TALLY["faults"] += fault is not None and fault.execution < len(seen)

    def up(self, config: Config, fault: Fault | None = None) -> bool:
        """Run ``up``; return False if it was killed. Raise Failed with the message if it fails."""
        raw = config.raw(self.site)
        with self._program(raw, fault):
            try:
                nodes = _graph_of(tuple(sorted(raw.items())))
                self._apply(nodes)
                self._delete([key for key in reversed(list(self.state)) if key not in nodes])
            except Killed:
                return False
            except HostError as error:
                raise Failed(str(error)) from error
            finally:
                self._refreshed.clear()
        return True

    def preview(self, config: Config) -> list[str]:
        """Return the actions that a ``preview`` reports for the next ``up``, by resource."""
        raw = config.raw(self.site)
        with self._program(raw, None):
            nodes = _graph_of(tuple(sorted(raw.items())))
            found = [f"delete {key}" for key in self.state if key not in nodes]
            for key, node in nodes.items():
                if (kept := self.state.get(key)) is None:
                    found.append(f"create {key}")
                    continue
                inputs = _plain(self._resolved(node.inputs))
                inputs = node.provider.check(kept.outputs, inputs).inputs
                if node.provider.diff(kept.id, dict(kept.outputs), inputs).changes:
                    found.append(f"update {key}")
        return found

    def refresh(self, config: Config) -> list[str]:
        """Run ``refresh``; return the differences that it found."""
        found: list[str] = []
        with self._program(config.raw(self.site), None):
            try:
                for kept in self.state.values():
                    result = kept.provider.read(kept.id, dict(kept.outputs))
                    kept.outputs = _plain(result.outs or {})
                    found += kept.outputs.get("drift") or []
            except HostError as error:
                raise Failed(str(error)) from error
        return found

    def destroy(self, config: Config) -> None:
        """Run ``destroy``."""
        self.site.stops = True
        try:
            with self._program(config.raw(self.site), None):
                self._delete(list(reversed(self.state)))
        finally:
            self.site.stops = False

    def _apply(self, nodes: dict[str, Node]) -> None:
        failure: HostError | None = None
        failed: set[str] = set()
        for node in self._in_order(nodes):
            if failed & {*node.needs}:
                failed.add(node.key)
                continue
            try:
                self._settle(node)
            except HostError as error:
                # Resources that do not depend on it are changed all the same.
                failure, failed = failure or error, failed | {node.key}
        if failure is not None:
            raise failure

    def _in_order(self, nodes: dict[str, Node]) -> list[Node]:
        """Choose a possible order of the engine: one of the resources that wait for nothing, at
        random.
        """
        todo, done, found = dict(nodes), set[str](), list[Node]()
        while todo:
            ready = [key for key, node in todo.items() if {*node.needs} <= done]
            # The first server of a blank zone goes first: see ``turn`` of the stack.
            first = ready[0]
            key = (
                first
                if first.startswith("Installation")
                and not any(one.startswith("Installation") for one in done)
                else self.order.choice(ready)
            )
            done.add(key)
            found.append(todo.pop(key))
        return found

    def _settle(self, node: Node) -> None:
        provider, kept = node.provider, self.state.get(node.key)
        inputs = _plain(self._resolved(node.inputs))
        inputs = provider.check(dict(kept.inputs) if kept else {}, inputs).inputs
        if kept is not None:
            changed = provider.diff(kept.id, dict(kept.outputs), inputs)
            kept.needs, kept.deleted_with = node.needs, node.deleted_with
            if not changed.changes:
                # The outputs stay as the last update left them.
                kept.inputs = inputs
                return
            if not changed.replaces:
                self._update(node, kept, inputs)
                return
            provider.delete(kept.id, dict(kept.outputs))
            del self.state[node.key]
        try:
            created = provider.create({**inputs, "__provider": "code"})
        except Killed:
            if self.settles and provider.changes_hosts:
                outputs = {**inputs, product.runtime.INCOMPLETE: product.runtime.CREATE}
                id_ = provider.identifier(provider.spec_of(inputs))
                self.state[node.key] = Kept(
                    provider, id_, inputs, _plain(outputs), node.needs, node.deleted_with
                )
            raise
        except HostError as error:
            if record := getattr(error, _PARTIAL, None):
                self.state[node.key] = Kept(
                    provider,
                    record[0],
                    inputs,
                    _plain(record[1]),
                    node.needs,
                    node.deleted_with,
                )
            raise
        outputs = _plain(created.outs or {})
        self.state[node.key] = Kept(
            provider, str(created.id), inputs, outputs, node.needs, node.deleted_with
        )

    def _update(self, node: Node, kept: Kept, inputs: Inputs) -> None:
        try:
            done = node.provider.update(
                kept.id, dict(kept.outputs), {**inputs, "__provider": "code"}
            )
        except Killed:
            if self.settles:
                kept.outputs = _plain(product.runtime.incomplete(kept.outputs, inputs))
            raise
        except HostError as error:
            if record := getattr(error, _PARTIAL, None):
                kept.inputs, kept.outputs = inputs, _plain(record[1])
            raise
        kept.inputs, kept.outputs = inputs, _plain(done.outs or {})

    def _delete(self, keys: list[str]) -> None:
        gone = set(keys)
        for key in keys:
            kept = self.state[key]
            if kept.deleted_with not in gone:
                try:
                    kept.provider.delete(kept.id, dict(kept.outputs))
                except Killed:
                    if self.settles:
                        kept.outputs[product.runtime.INCOMPLETE] = product.runtime.UPDATE
                    raise
                except HostError:
                    self.asked_to_refresh = True
                    raise
            del self.state[key]

    def _resolved(self, value: Any) -> Any:
        if isinstance(value, Output):
            kept = self.state.get(value.key)
            return kept.outputs.get(value.name) if kept else rpc.UNKNOWN
        if isinstance(value, Mapping):
            return {key: self._resolved(item) for key, item in value.items()}
        return value


def _plain(value: Inputs) -> Inputs:
    """Convert as the engine does: all numbers are floats, and there is no null."""
    text = json.dumps({key: item for key, item in value.items() if item is not None})
    plain: Inputs = json.loads(text, parse_int=float)
    plain.pop("__provider", None)
    return plain
