"""Properties are checked for correctness, not for speed on a busy machine.

A test run has the same examples each time: what fails in CI fails everywhere. A campaign looks for
new ones.
"""

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.runs import CAMPAIGN, SEQUENCES, TALLY, summary

settings.register_profile(
    "properties",
    deadline=None,
    derandomize=not CAMPAIGN,
    suppress_health_check=list(HealthCheck),
    print_blob=bool(CAMPAIGN),
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)
settings.load_profile("properties")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Give the counts of a worker to its controller."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["tally"] = dict(TALLY)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add the counts of a worker."""
    TALLY.update(Counter(getattr(node, "workeroutput", {}).get("tally", {})))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what a campaign went through: a failure is a loss."""
    if (CAMPAIGN or SEQUENCES) and TALLY:
        failed = [
            *terminalreporter.stats.get("failed", ()),
            *terminalreporter.stats.get("error", ()),
        ]
        terminalreporter.write_line(summary(TALLY, len(failed)))
