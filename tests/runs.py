"""How many examples a property gets: a fixed set in a test run, many random ones in a campaign."""

import os

CAMPAIGN = int(os.environ.get("SIMULATION_RUNS", "0"))
"""Number of random examples of each property; 0 for the usual fixed ones."""


def examples(usual: int) -> int:
    """Return the number of examples of a property."""
    return max(CAMPAIGN, usual) if CAMPAIGN else usual
