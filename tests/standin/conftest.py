"""Servers for a test, ended after it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.standin.servers import Server, ended, sqlite_servers


@pytest.fixture
def three(tmp_path: Path) -> Iterator[list[Server]]:
    with ended(sqlite_servers(tmp_path, ["a", "b", "c"])) as servers:
        yield servers
