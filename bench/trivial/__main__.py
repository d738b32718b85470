"""So many resources with nothing in them."""

import pulumi
from nothing import Nothing  # type: ignore[import-not-found]

for number in range(pulumi.Config().require_int("resources")):
    Nothing(f"nothing-{number}")
