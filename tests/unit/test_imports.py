"""Modules that a run without changes does not load."""

import subprocess
import sys
from pathlib import Path

import pytest

import providers


@pytest.mark.parametrize("library", ["paramiko", "pyone", "requests", "cryptography"])
def test_providers_start_without_modules_for_connections(
    library: str,
) -> None:
    assert not loads("components.zone, providers.run_state", library)


def test_a_provider_that_only_compares_loads_no_procedure() -> None:
    kinds = ", ".join(
        f"providers.{path.stem}"
        for path in Path(providers.__file__).parent.glob("*.py")
        if path.stem not in ("run_state", "__init__")
    )
    for module in ("pydantic", "procedures", "opennebula", "providers.run_state"):
        assert not loads(kinds, module), module


def loads(modules: str, other: str) -> bool:
    """Tell whether importing these modules loads it."""
    code = f"import sys, {modules}; sys.exit({other!r} in sys.modules)"
    return subprocess.run([sys.executable, "-c", code], check=False).returncode != 0
