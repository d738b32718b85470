"""What ``check`` and ``diff`` note in this process, for other resources of the same run.

The engine calls them in previews, too, where an operation's imports would cost too much.
"""

addresses: dict[str, str] = {}
"""Front-end to address, as the program has them in this run: noted by every resource of several
front-ends, read by the run state if the config has no addresses."""

removed: set[str] = set()
"""Front-ends that were removed from the stack: written and read by Bootstrap, read by Zone."""

changed: dict[str, set[str]] = {}
"""Front-end to the inputs of its installation that change: noted by Installation, read by the
forecast of Rollout."""

refreshed: set[str] = set()
"""URNs of the resources that a refresh has read: their drift was shown then."""
