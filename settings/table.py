"""Write the documents of the config's keys from the model: `make docs`.

These are the table in docs/config.md and the declarations in Pulumi.yaml.
"""

import ast
import inspect
import json
import re
import textwrap
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from settings.model import Settings, base, declared_default, is_model, kind

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "config.md"
PROJECT_FILE = ROOT / "Pulumi.yaml"

ONE_DEPLOY = {
    "frontends": "frontend.hosts",
    "frontends.NAME.address": "ansible_host",
    "frontends.NAME.ssh.user": "ansible_user",
    "frontends.NAME.ssh.port": "ansible_port",
    "ssh.user": "ansible_user",
    "ssh.port": "ansible_port",
    "ssh.private_key_file": "ansible_ssh_private_key_file",
    "repository.url": "opennebula_repo_url",
    "repository.key_url": "opennebula_repo_key_url",
}
"""one-deploy's names, if they differ."""

_OURS = (
    "frontends.NAME.one_vip_if",
    "frontends.NAME.zone_server",
    "one_vips",
    "zone_endpoint",
    "register_grpc",
    "leader_check",
    "frontends.NAME.ssh",
    "ssh",
    "repository",
    "oned",
    "lost",
    "commands",
    "allow_degraded",
    "allow_even",
    "skip_checks",
    "restore_from",
    "upgrade_database",
    "keep_dumps",
    "backup",
    "purge",
    "convert_database",
)
"""Keys without a counterpart in one-deploy, with all keys below them."""

SEE_ALSO = re.compile(r"\s*See \[[^]]*\]\([^)]*\)\.")
"""A sentence with a link, which has no place in Pulumi.yaml."""


@dataclass(frozen=True)
class Row:
    """One key of the config."""

    key: str
    kind: str
    default: str
    meaning: str
    one_deploy: str
    """The name of the same setting there; empty if it has no such setting."""


def rows(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[Row]:
    """Yield all keys in the model's order, those of an object after the object's own."""
    texts = meanings(model)
    for name, field in model.model_fields.items():
        key, part = f"{prefix}{name}", _model_in(field.annotation)
        if part is None or not prefix:
            yield Row(key, kind(field.annotation), _default(field), texts[name], _theirs(key))
        if part is not None:
            of_each = "NAME." if typing.get_origin(base(field.annotation)) is dict else ""
            yield from rows(part, f"{key}.{of_each}")


def page(text: str) -> str:
    """Return the page with the current table."""
    lines = [
        "| key | type | default | meaning | one-deploy |",
        "|---|---|---|---|---|",
        *(
            f"| `{row.key}` | {row.kind} | {_code(row.default)} | {row.meaning.replace('|', '/')} |"
            f" {_code(row.one_deploy)} |".replace("  |", " |")
            for row in rows()
        ),
    ]
    return re.sub(r"\| key \|.*?\n\n", "\n".join(lines) + "\n\n", text, count=1, flags=re.S)


def declarations() -> dict[str, dict[str, Any]]:
    """Return the declaration of each key for Pulumi.yaml."""
    return {row.key: _declared(row) for row in rows() if row.key in Settings.model_fields}


def project_file(text: str) -> str:
    """Return Pulumi.yaml with the current declarations, which are its last part."""
    config = yaml.safe_dump(
        {"config": declarations()}, sort_keys=False, width=1000, allow_unicode=True
    )
    return text[: text.index("config:\n")] + config


def main() -> None:
    """Write both files."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    PROJECT_FILE.write_text(
        project_file(PROJECT_FILE.read_text(encoding="utf-8")), encoding="utf-8"
    )


def _declared(row: Row) -> dict[str, Any]:
    field = Settings.model_fields[row.key]
    names = {"number": "integer", "boolean": "boolean", "list": "array", "object": "object"}
    meaning = SEE_ALSO.sub("", row.meaning).replace("`", "")
    declared: dict[str, Any] = {"type": names.get(row.kind, "string")}
    if row.kind == "list":
        of_each = typing.get_args(base(field.annotation))[0]
        declared["items"] = {"type": names.get(kind(of_each), "string")}
    # Pulumi takes no default for a key that it knows to be secret: that those are secret that may
    # be left out, the settings see to.
    if row.kind == "secret" and field.is_required():
        declared["secret"] = True
    if (part := _model_in(field.annotation)) is not None:
        meaning += f" Keys: {', '.join(part.model_fields)}."
    declared["description"] = f"Secret: {meaning}" if row.kind == "secret" else meaning
    if not field.is_required():
        declared["default"] = declared_default(field)
    return declared


def _theirs(key: str) -> str:
    if key in ONE_DEPLOY:
        return ONE_DEPLOY[key]
    ours = any(key == prefix or key.startswith(f"{prefix}.") for prefix in _OURS)
    return "" if ours else key


def _code(text: str) -> str:
    return text if text in ("", "none", "required") else f"`{text}`"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return "{}"
    if value is None:
        return "none"
    return str(value) if isinstance(value, str | Path) else json.dumps(value)


def meanings(model: type[BaseModel]) -> dict[str, str]:
    """Return the docstring of each field: what the key means."""
    defined = typing.cast(
        ast.ClassDef, ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    )
    found: dict[str, str] = {}
    for field, text in zip(defined.body, defined.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            name = field.target.id
            if not isinstance(text, ast.Expr) or not isinstance(text.value, ast.Constant):
                raise TypeError(f"{model.__name__}.{name} has no docstring, which is its meaning")
            found[name] = " ".join(str(text.value.value).split())
    return found


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model that the values of this type are, or are made of."""
    found = base(annotation)
    if is_model(found):
        return found
    parts = (_model_in(argument) for argument in typing.get_args(found))
    return next((model for model in parts if model), None)


if __name__ == "__main__":
    main()
