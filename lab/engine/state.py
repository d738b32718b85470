"""The state of a stack, in the layout of the CLI's file backend."""

import contextlib
import copy
import getpass
import hashlib
import json
import os
import socket
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from lab.engine.errors import EngineError, refuse
from lab.engine.secrets import Crypter, crypter_for
from lab.engine.values import Properties, from_state, to_state

ENGINE_VERSION = "v3.260.0"
PROVIDER_TYPE = "pulumi:providers:pulumi-python"
STACK_TYPE = "pulumi:pulumi:Stack"


def now() -> str:
    """Return the time as the CLI writes it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


@dataclass(eq=False)
class Resource:
    """One resource, as the state records it. Compared by identity, as old and new are two."""

    urn: str
    type: str
    custom: bool
    id: str = ""
    inputs: Properties = field(default_factory=dict)
    outputs: Properties = field(default_factory=dict)
    parent: str = ""
    provider: str = ""
    dependencies: list[str] = field(default_factory=list)
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    additional_secret_outputs: list[str] = field(default_factory=list)
    ignore_changes: list[str] = field(default_factory=list)
    replace_on_changes: list[str] = field(default_factory=list)
    deleted_with: str = ""
    protect: bool = False
    retain_on_delete: bool = False
    delete: bool = False
    pending_replacement: bool = False
    created: str = ""
    modified: str = ""
    # Attributes that the stand-in does not use but keeps for the CLI.
    other: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return the last part of the URN."""
        return self.urn.rsplit("::", 1)[1]

    @property
    def is_provider(self) -> bool:
        """Tell whether this is the dynamic provider itself."""
        return self.type == PROVIDER_TYPE

    @property
    def provider_urn(self) -> str:
        """Return the URN part of the provider's reference."""
        return self.provider.rsplit("::", 1)[0] if self.provider else ""

    def depends_on(self) -> set[str]:
        """Return the URNs of everything that must be there first, but for the parent."""
        urns = set(self.dependencies)
        urns.update(urn for urns_ in self.property_dependencies.values() for urn in urns_)
        urns.update(urn for urn in (self.deleted_with, self.provider_urn) if urn)
        return urns

    def copy(self) -> "Resource":
        """Return a copy that can be changed without changing this one."""
        return copy.deepcopy(self)


# The state's attribute for each field; those of value False, "" or empty are left out.
_PLAIN_FIELDS = {
    "urn": "urn",
    "custom": "custom",
    "delete": "delete",
    "id": "id",
    "type": "type",
    "parent": "parent",
    "protect": "protect",
    "dependencies": "dependencies",
    "provider": "provider",
    "property_dependencies": "propertyDependencies",
    "pending_replacement": "pendingReplacement",
    "additional_secret_outputs": "additionalSecretOutputs",
    "retain_on_delete": "retainOnDelete",
    "deleted_with": "deletedWith",
    "created": "created",
    "modified": "modified",
    "ignore_changes": "ignoreChanges",
    "replace_on_changes": "replaceOnChanges",
}
_KEPT_FIELDS = {"sourcePosition", "stackTrace", "customTimeouts", "aliases", "hideDiff"}


def resource_to_json(resource: Resource, crypter: Crypter) -> dict[str, Any]:
    """Return the resource's entry in the state file."""
    entry = {
        name: getattr(resource, attribute)
        for attribute, name in _PLAIN_FIELDS.items()
        if getattr(resource, attribute) or attribute == "custom"
    }
    for name, properties in (("inputs", resource.inputs), ("outputs", resource.outputs)):
        if properties:
            entry[name] = to_state(properties, crypter)
    return {**entry, **resource.other}


def resource_from_json(entry: dict[str, Any], crypter: Crypter) -> Resource:
    """Return the resource of an entry in the state file."""
    names = {name: attribute for attribute, name in _PLAIN_FIELDS.items()}
    unknown = set(entry) - set(names) - _KEPT_FIELDS - {"inputs", "outputs"}
    if unknown:
        raise refuse(f"{sorted(unknown)} in the state of {entry.get('urn')}")
    resource = Resource(urn=entry["urn"], type=entry["type"], custom=entry["custom"])
    for name, attribute in names.items():
        if name in entry:
            setattr(resource, attribute, entry[name])
    resource.inputs = from_state(entry.get("inputs", {}), crypter)
    resource.outputs = from_state(entry.get("outputs", {}), crypter)
    resource.other = {name: entry[name] for name in _KEPT_FIELDS if name in entry}
    return resource


@dataclass(eq=False)
class PendingOperation:
    """An operation that had begun when the state was written."""

    resource: Resource
    type: str


@dataclass
class Snapshot:
    """Everything that one state file says."""

    resources: list[Resource] = field(default_factory=list)
    pending: list[PendingOperation] = field(default_factory=list)


class Store:
    """One stack in a file backend."""

    def __init__(self, url: str, project: str, stack: str) -> None:
        parsed = urlparse(url)
        if parsed.scheme != "file":
            raise refuse(f"the backend {url}", "use file:///DIRECTORY")
        root = Path(unquote(parsed.netloc + parsed.path)).expanduser().resolve()
        self._book = root / ".pulumi"
        self.path = self._book / "stacks" / project / f"{stack}.json"
        self._locks = self._book / "locks" / "organization" / project / stack
        self._stack = f"organization/{project}/{stack}"

    def _latest(self) -> dict[str, Any]:
        try:
            document = json.loads(self.path.read_text())
        except FileNotFoundError:
            return {}
        if document.get("version") != 3:
            raise refuse(f"version {document.get('version')} of the state file {self.path}")
        latest: dict[str, Any] = document["checkpoint"].get("latest") or {}
        return latest

    def exists(self) -> bool:
        """Tell whether the stack has a state."""
        return self.path.exists()

    def export(self) -> dict[str, Any]:
        """Return the deployment as `pulumi stack export` prints it."""
        return {"version": 3, "deployment": self._latest()}

    def crypter(self, passphrase: str | None, salt: str | None) -> Crypter:
        """Return the crypter of the state: by its own salt, or a new stack's by the config's."""
        provider = self._latest().get("secrets_providers") or {}
        if provider and provider.get("type") != "passphrase":
            raise refuse(f"the secrets provider {provider.get('type')}")
        own = (provider.get("state") or {}).get("salt")
        return crypter_for(passphrase, own or salt)

    def load(self, crypter: Crypter) -> Snapshot:
        """Read the state, or return an empty one."""
        latest = self._latest()
        return Snapshot(
            [resource_from_json(entry, crypter) for entry in latest.get("resources") or []],
            [
                PendingOperation(resource_from_json(entry["resource"], crypter), entry["type"])
                for entry in latest.get("pending_operations") or []
            ],
        )

    def save(self, snapshot: Snapshot, crypter: Crypter) -> None:
        """Write the state so that a crash leaves either the old one or the new one."""
        magic = hashlib.sha256(ENGINE_VERSION.encode()).hexdigest()
        latest: dict[str, Any] = {
            "manifest": {"time": now(), "magic": magic, "version": ENGINE_VERSION},
        }
        if crypter.state:
            latest["secrets_providers"] = {
                "type": "passphrase",
                "state": {"salt": crypter.state},
            }
        if snapshot.resources:
            latest["resources"] = [resource_to_json(r, crypter) for r in snapshot.resources]
        if snapshot.pending:
            latest["pending_operations"] = [
                {"resource": resource_to_json(p.resource, crypter), "type": p.type}
                for p in snapshot.pending
            ]
        latest["metadata"] = {}
        document = {"version": 3, "checkpoint": {"stack": self._stack, "latest": latest}}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        meta = self._book / "meta.yaml"
        if not meta.exists():
            meta.write_text("version: 1\n")
        temporary = self.path.with_suffix(".json.new")
        with temporary.open("w") as file:
            json.dump(document, file, indent=4)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the stack's lock, in the CLI's form so that each engine sees the other's."""
        self._locks.mkdir(parents=True, exist_ok=True)
        own = self._locks / f"{uuid.uuid4()}.json"
        content = {
            "pid": os.getpid(),
            "username": getpass.getuser(),
            "hostname": socket.gethostname(),
            "timestamp": now(),
        }
        own.write_text(json.dumps(content))
        try:
            self._check_for_others(own)
            yield
        finally:
            own.unlink(missing_ok=True)

    def _check_for_others(self, own: Path) -> None:
        for other in self._locks.glob("*.json"):
            if other == own:
                continue
            holder = json.loads(other.read_text())
            here = holder.get("hostname") == socket.gethostname()
            if here and not Path(f"/proc/{holder.get('pid')}").exists():
                # The CLI wants `pulumi cancel` for this; here the holder is known to be dead.
                other.unlink(missing_ok=True)
                continue
            raise EngineError(
                f"the stack is currently locked by process {holder.get('pid')} of "
                f"{holder.get('username')} on {holder.get('hostname')} since "
                f"{holder.get('timestamp')}: wait for it, or remove {other}"
            )
