"""How many examples a property gets: a fixed set in a test run, many random ones in a campaign."""

import os
from collections import Counter

CAMPAIGN = int(os.environ.get("SIMULATION_RUNS", "0"))
"""Number of random examples of each property; 0 for the usual fixed ones."""


def examples(usual: int) -> int:
    """Return the number of examples of a property."""
    return max(CAMPAIGN, usual) if CAMPAIGN else usual


TALLY: Counter[str] = Counter()
"""What the simulated sites went through in this process: runs, steps, faults, refusals."""


def summary(tally: Counter[str], losses: int) -> str:
    """Return the last line of a campaign."""
    counted = [f"{tally[name]:,} {name}" for name in ("runs", "steps", "faults", "refusals")]
    return f"campaign: {', '.join(counted)}, {losses} losses"
