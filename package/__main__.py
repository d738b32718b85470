"""The component package: the zone, for Pulumi programs in YAML, TypeScript and other languages."""

import os
import signal
from importlib.metadata import version

from pulumi.provider.experimental import component_provider_host

import opennebula_ha
from providers import runtime

if __name__ == "__main__":
    # The engine ends its plugins with this signal. The SDK would print tracebacks.
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    runtime.end_with_engine()
    component_provider_host(
        [opennebula_ha.HighAvailableZone], "opennebula-ha", version=version("opennebula-ha")
    )
