"""Stacks for scenarios."""

from pathlib import Path

import pytest

from tests.engine.playground import Stack


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    """Make an empty stack with its own backend."""
    return Stack(tmp_path / "project", tmp_path / "backend")
