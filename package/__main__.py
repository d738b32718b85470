"""The component package: the zone, for Pulumi programs in YAML, TypeScript and other languages."""

import json
import os
import signal
import sys
from importlib.metadata import version

from pulumi import InputPropertiesError, ResourceOptions, RunError
from pulumi.output import Inputs
from pulumi.provider import ConstructResult, main
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.server import ComponentInitError

import opennebula_ha
from providers import runtime
from settings.schema import with_config

NAME = "opennebula-ha"


class Package(ComponentProvider):
    """The zone's component, and the types of all keys of the stack's config."""

    def __init__(self) -> None:
        super().__init__([opennebula_ha.HighAvailableZone], NAME, version=version(NAME))
        self.schema = json.dumps(with_config(json.loads(self.schema or "{}")))

    def construct(
        self,
        name: str,
        resource_type: str,
        inputs: Inputs,
        options: ResourceOptions | None = None,
    ) -> ConstructResult:
        """Make the resources of the zone. A fault of the config is reported as one message."""
        try:
            return super().construct(name, resource_type, inputs, options)
        except ComponentInitError as error:
            # The SDK would add a traceback.
            if isinstance(error.inner, RunError):
                raise InputPropertiesError(str(error.inner), []) from None
            raise


if __name__ == "__main__":
    # The engine ends its plugins with this signal. The SDK would print tracebacks.
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    runtime.end_with_engine()
    main(Package(), sys.argv[1:])
