"""Pulumi.yaml and Pulumi.STACK.yaml, read and written as the CLI does."""

import json
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lab.engine.errors import EngineError, refuse
from lab.engine.secrets import Crypter


class _Loader(yaml.CSafeLoader):
    """YAML as the CLI reads it: yes, no, on, off, dates and 12:30 are strings."""


_KEPT = {"tag:yaml.org,2002:null", "tag:yaml.org,2002:merge"}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag in _KEPT]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
for _tag, _regexp, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|0[0-7_]+)$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_regexp), list(_first))


def _load_yaml(path: Path) -> dict[str, Any]:
    try:
        document = yaml.load(path.read_text(), Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except FileNotFoundError as error:
        raise EngineError(f"{path}: no such file; expected a Pulumi project there") from error
    except yaml.YAMLError as error:
        raise EngineError(f"{path}: not valid YAML: {error}") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise EngineError(f"{path}: expected a mapping at the top, found {type(document).__name__}")
    return document


@dataclass(frozen=True)
class ConfigValue:
    """One value of a stack's config: its text as a program gets it, decrypted."""

    text: str
    secret: bool = False
    structured: bool = False


@dataclass(frozen=True)
class Declaration:
    """What Pulumi.yaml says about one key."""

    type: str | None
    items: Mapping[str, Any] | None
    default: Any
    secret: bool


@dataclass(frozen=True)
class Project:
    """A project directory, as Pulumi.yaml describes it."""

    root: Path
    name: str
    virtualenv: str | None
    main: Path
    config_dir: Path
    declarations: Mapping[str, Declaration] = field(default_factory=dict)

    @classmethod
    def load(cls, root: Path) -> "Project":
        """Read Pulumi.yaml in a directory."""
        path = root / "Pulumi.yaml"
        document = _load_yaml(path)
        name = document.get("name")
        if not isinstance(name, str):
            raise EngineError(f"{path}: name: expected a string, found {name!r}")
        runtime = document.get("runtime")
        options: dict[str, Any] = {}
        if isinstance(runtime, dict):
            options = runtime.get("options") or {}
            runtime = runtime.get("name")
        if runtime != "python":
            raise refuse(f"the runtime {runtime!r}", "only python programs run on it")
        unknown = set(options) - {"virtualenv", "toolchain"}
        if unknown or options.get("toolchain", "pip") != "pip":
            raise refuse(f"these runtime options: {options}")
        declarations = {
            key if ":" in key else f"{name}:{key}": _declaration(path, key, value)
            for key, value in (document.get("config") or {}).items()
        }
        return cls(
            root=root,
            name=name,
            virtualenv=options.get("virtualenv"),
            main=(root / document.get("main", ".")).resolve(),
            config_dir=root / document.get("stackConfigDir", "."),
            declarations=declarations,
        )

    def stack_file(self, stack: str) -> Path:
        """Return where a stack's config is kept."""
        return self.config_dir / f"Pulumi.{stack}.yaml"


def _declaration(path: Path, key: str, value: Any) -> Declaration:
    if not isinstance(value, dict):
        return Declaration(None, None, value, False)
    unknown = set(value) - {"type", "items", "default", "value", "secret", "description"}
    if unknown:
        raise EngineError(f"{path}: config: {key}: unknown attributes {sorted(unknown)}")
    return Declaration(
        type=value.get("type"),
        items=value.get("items"),
        default=value.get("default", value.get("value")),
        secret=bool(value.get("secret")),
    )


class StackConfig:
    """Pulumi.STACK.yaml. Edits keep every comment outside of the value that changes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._document = _load_yaml(path) if path.exists() else {}
        unknown = set(self._document) - {"config", "encryptionsalt"}
        if unknown:
            raise refuse(f"{sorted(unknown)} in {path}")
        self.encryption_salt: str | None = self._document.get("encryptionsalt")
        self._raw: dict[str, Any] = self._document.get("config") or {}

    def values(self, crypter: Crypter) -> dict[str, ConfigValue]:
        """Return every value, decrypted."""
        return {_full_key(self.path, key): _value(raw, crypter) for key, raw in self._raw.items()}

    def set(self, key: str, raw: Any, *, steps: list[str | int] | None = None) -> None:
        """Store a value under a key, or at a path of steps inside the key's value."""
        if steps:
            raw = _placed(self._raw.get(key), steps, raw, key)
        self._raw[key] = raw
        self._write("config", {key: raw})

    def remove(self, key: str) -> None:
        """Take a key out, with the comment beside its value; without it, nothing changes."""
        if self._raw.pop(key, None) is None:
            return
        lines = self.path.read_text().splitlines(keepends=True)
        section = _find(yaml.compose("".join(lines), Loader=_Loader), "config")
        found = _find(section[1], key) if section else None
        if section is None or found is None or getattr(section[1], "flow_style", False):
            self._document["config"] = self._raw
            self._write(None, {"config": self._raw})
            return
        start, end = found[0].start_mark.line, found[1].end_mark
        last = end.line
        if last < len(lines) and lines[last][: end.column].strip():
            last += 1
        # The end of a block is the start of what follows: comments between are not ours.
        while last - 1 > start and lines[last - 1].lstrip()[:1] in ("", "#"):
            last -= 1
        self.path.write_text("".join(lines[:start] + lines[last:]))

    def set_encryption_salt(self, salt: str) -> None:
        """Store the salt that belongs to the secrets of this file."""
        self.encryption_salt = salt
        self._write(None, {"encryptionsalt": salt})

    def _write(self, section: str | None, entry: dict[str, Any]) -> None:
        """Put an entry at the top of the file or of one section, in place of one of its key."""
        text = self.path.read_text() if self.path.exists() else ""
        if text and not text.endswith("\n"):
            text += "\n"
        key = next(iter(entry))
        mapping = yaml.compose(text, Loader=_Loader) if text else None
        if section is None:
            found, indent, top = _find(mapping, key), 0, 0
        else:
            at = _find(mapping, section)
            if at is None or not isinstance(at[1], yaml.MappingNode) or at[1].flow_style:
                # Nothing there yet, or all of it in one line: write the section as a whole.
                self._document[section] = {**(self._document.get(section) or {}), **entry}
                self._write(None, {section: self._document[section]})
                return
            found, indent = _find(at[1], key), at[1].start_mark.column
            top = text.rindex("\n", 0, at[1].start_mark.index) + 1
        block = textwrap.indent(_dump(entry), " " * indent)
        if found is None:
            text = text[:top] + block + text[top:]
        else:
            start = found[0].start_mark.index - indent
            end = found[1].end_mark.index
            # The end of a block is the start of what follows: comments between are not ours.
            tail = re.search(r"(?:\n[ \t]*(?:#[^\n]*)?)*\Z", text[start:end])
            end -= len(tail.group()) if tail else 0
            text = text[:start] + block.rstrip("\n") + text[end:]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(text)


def _dump(entry: dict[str, Any]) -> str:
    return yaml.safe_dump(entry, default_flow_style=False, allow_unicode=True, width=10_000)


def _find(node: yaml.Node | None, key: str) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == key:
                return name, value
    return None


def _placed(container: Any, steps: list[str | int], raw: Any, where: str) -> Any:
    if not steps:
        return raw
    step, rest = steps[0], steps[1:]
    if isinstance(step, int):
        items = list(container) if isinstance(container, list) else []
        if step > len(items):
            raise EngineError(f"{where}[{step}]: the list has only {len(items)} elements")
        old = items[step] if step < len(items) else None
        return [*items[:step], _placed(old, rest, raw, f"{where}[{step}]"), *items[step + 1 :]]
    mapping = dict(container) if isinstance(container, dict) else {}
    mapping[step] = _placed(mapping.get(step), rest, raw, f"{where}.{step}")
    return mapping


def parse_path(text: str) -> list[str | int]:
    """Split a property path such as ``ns:frontends.n1a1["a b"][0]`` into steps."""
    pattern = re.compile(r'\.?([^.\[\]"]+)|\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]')
    steps: list[str | int] = []
    position = 0
    while position < len(text):
        match = pattern.match(text, position)
        if match is None:
            raise EngineError(f"{text}: not a property path at character {position + 1}")
        name, quoted, index = match.groups()
        steps.append(int(index) if index is not None else name if name is not None else quoted)
        position = match.end()
    return steps


def _full_key(path: Path, key: str) -> str:
    namespace, separator, name = key.partition(":")
    if not separator:
        raise EngineError(f"{path}: config: {key}: expected the form PROJECT:{key}")
    return f"{namespace}:{name.removeprefix('config:')}"


def _value(raw: Any, crypter: Crypter) -> ConfigValue:
    if _is_secure(raw):
        return ConfigValue(crypter.decrypt(raw["secure"]), secret=True)
    if isinstance(raw, dict | list):
        found: list[bool] = []
        text = go_json(_decrypted(raw, crypter, found))
        return ConfigValue(text, secret=bool(found), structured=True)
    return ConfigValue(_scalar(raw))


def _is_secure(raw: Any) -> bool:
    return isinstance(raw, dict) and set(raw) == {"secure"} and isinstance(raw["secure"], str)


def _decrypted(raw: Any, crypter: Crypter, found: list[bool]) -> Any:
    if _is_secure(raw):
        found.append(True)
        return crypter.decrypt(raw["secure"])
    if isinstance(raw, dict):
        return {str(key): _decrypted(value, crypter, found) for key, value in raw.items()}
    if isinstance(raw, list):
        return [_decrypted(item, crypter, found) for item in raw]
    return raw


def _scalar(raw: Any) -> str:
    if isinstance(raw, str):
        return raw
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, int | float):
        return json.dumps(raw)
    raise refuse(f"a config value of type {type(raw).__name__}")


def go_json(value: Any) -> str:
    """Return JSON in the very letters that the CLI would write."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def effective(
    project: Project, stack: str, values: Mapping[str, ConfigValue]
) -> dict[str, ConfigValue]:
    """Return the stack's config with the project's defaults, checked against its types."""
    merged = dict(values)
    missing = []
    for key, declaration in sorted(project.declarations.items()):
        short = key.removeprefix(f"{project.name}:")
        if key in merged:
            continue
        if declaration.default is not None:
            default = declaration.default
            if isinstance(default, dict | list):
                merged[key] = ConfigValue(go_json(default), structured=True)
            else:
                merged[key] = ConfigValue(_scalar(default))
        elif key.startswith(f"{project.name}:"):
            missing.append(short)
    if missing:
        names = ", ".join(f"'{name}'" for name in missing)
        raise EngineError(
            f"Stack '{stack}' is missing configuration value(s) {names}: "
            "a key that Pulumi.yaml declares needs a default there or a value in the stack"
        )
    for key, declaration in project.declarations.items():
        if declaration.type is None or key not in merged:
            continue
        short, value = key.removeprefix(f"{project.name}:"), merged[key]
        if declaration.secret and not value.secret:
            raise EngineError(
                f"Stack '{stack}' with configuration key '{short}' must be encrypted as it's secret"
            )
        content = json.loads(value.text) if value.structured else value.text
        if not _fits(content, declaration.type, declaration.items):
            raise EngineError(
                f"Stack '{stack}' with configuration key '{short}' "
                f"must be of type '{declaration.type}'"
            )
    return merged


def _fits(content: Any, kind: str, items: Mapping[str, Any] | None) -> bool:
    match kind:
        case "string":
            return isinstance(content, str)
        case "integer":
            if isinstance(content, str):
                return re.fullmatch(r"[-+]?\d+", content) is not None
            return isinstance(content, int) and not isinstance(content, bool)
        case "boolean":
            return isinstance(content, bool) or content in ("true", "false")
        case "object":
            return isinstance(content, dict)
        case "array":
            return isinstance(content, list) and (
                items is None
                or all(_fits(item, str(items["type"]), items.get("items")) for item in content)
            )
    raise EngineError(f"Pulumi.yaml: config: unknown type {kind!r}")
