"""How long the program takes to load."""

import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median

from bench.figures import Figure

REPEATS = 9


def figures() -> Iterator[Figure]:
    """Yield the line of the table: the program, and the SDK alone, in turn."""
    pairs = [(seconds("components.zone"), seconds("pulumi.dynamic")) for _ in range(REPEATS)]
    yield Figure(
        "import of the program",
        median(pair[0] for pair in pairs),
        2 * median(pair[1] for pair in pairs),
        "2 times that of Pulumi's SDK alone",
    )


def seconds(module: str) -> float:
    """Return the seconds of a Python that imports a module and ends."""
    begun = time.monotonic()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    return time.monotonic() - begun
