"""Simulated runs are checked for correctness, not for speed on a busy machine."""

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "simulation",
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)
settings.load_profile("simulation")
