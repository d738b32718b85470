"""What a run that changes nothing needs not load."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("library", ["paramiko", "pyone", "requests", "cryptography"])
def test_the_program_and_its_providers_start_without_what_only_a_connection_needs(
    library: str,
) -> None:
    code = f"import sys, components.zone, providers.stack; sys.exit({library!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
