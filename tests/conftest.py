"""Properties are checked for correctness, not for speed on a busy machine.

A test run has the same examples each time: what fails in CI fails everywhere. A campaign looks for
new ones.
"""

from hypothesis import HealthCheck, Phase, settings

from tests.runs import CAMPAIGN

settings.register_profile(
    "properties",
    deadline=None,
    derandomize=not CAMPAIGN,
    suppress_health_check=list(HealthCheck),
    print_blob=bool(CAMPAIGN),
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)
settings.load_profile("properties")
