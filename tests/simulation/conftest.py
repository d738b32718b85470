"""Simulated runs are held to what is true, not to how fast a busy machine is."""

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "simulation",
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)
settings.load_profile("simulation")
