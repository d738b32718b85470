"""How many examples a property gets: a fixed set in a test run, many random ones in a campaign."""

import os
from collections import Counter

CAMPAIGN = int(os.environ.get("SIMULATION_RUNS", "0"))
"""Number of random examples of each property; 0 for the usual fixed ones."""


def examples(usual: int) -> int:
    """Return the number of examples of a property."""
    return max(CAMPAIGN, usual) if CAMPAIGN else usual


SEQUENCES = int(os.environ.get("LAB_SEQUENCES", "0"))
"""Number of random sequences on lab hosts; 0 for the usual fixed one."""


TALLY: Counter[str] = Counter()
"""What the sites went through in this process: runs, steps, faults, refusals and others."""


def summary(tally: Counter[str], losses: int) -> str:
    """Return the last line of a campaign."""
    counted = [f"{number:,} {name}" for name, number in tally.items()]
    return f"campaign: {', '.join(counted)}, {losses} losses"
