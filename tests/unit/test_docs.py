"""The documents say what the code says."""

import json
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from settings import Settings

ROOT = Path(__file__).resolve().parents[2]
TYPES = {
    "string": "text",
    "integer": "number",
    "boolean": "boolean",
    "array": "list",
    "object": "object",
}


def test_every_config_key_is_documented_with_its_default() -> None:
    documented = {key: default for key, _, default in rows()}
    assert documented == dict(expected(Settings))


def test_types_are_those_that_pulumi_knows() -> None:
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))["config"]
    documented = {key: kind for key, kind, _ in rows() if "." not in key}
    assert documented.keys() == declared.keys()
    for key, kind in documented.items():
        if "SecretStr" in str(Settings.model_fields[key].annotation):
            assert kind == "secret", key
        else:
            assert kind == TYPES[declared[key]["type"]], key


def test_files_that_are_named_are_there() -> None:
    for page in (ROOT / "README.md", *ROOT.glob("docs/*.md")):
        for path in re.findall(
            r"`((?!stacks/)(?:[a-z_]+/)+[\w.]*)`", page.read_text(encoding="utf-8")
        ):
            assert (ROOT / path).exists(), f"{page.name}: {path}"


def test_links_between_documents_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("lab/*/README.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def rows() -> Iterator[tuple[str, str, str]]:
    """Key, type and default of each row of the table."""
    for line in (ROOT / "docs" / "config.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `"):
            yield cells[0].strip("`"), cells[1], cells[2].strip("`")


def expected(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Keys and defaults as the settings have them, those of objects after the object's own."""
    for name, field in model.model_fields.items():
        key, part = f"{prefix}{name}", model_in(field.annotation)
        if part is None or prefix == "":
            yield key, default(field)
        if part is not None:
            of_each = "NAME." if typing.get_origin(bare(field.annotation)) is dict else ""
            yield from expected(part, f"{key}.{of_each}")


def default(field: FieldInfo) -> str:
    """As the table shows it."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return "{}"
    if value is None:
        return "none"
    return str(value) if isinstance(value, str | Path) else json.dumps(value)


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that the values of this type are, or are made of."""
    kind = bare(annotation)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    found = (model_in(argument) for argument in typing.get_args(kind))
    return next((model for model in found if model), None)


def bare(annotation: Any) -> Any:
    """The type without what is annotated."""
    return typing.get_args(annotation)[0] if hasattr(annotation, "__metadata__") else annotation
