"""A program of your own: a zone, and what you build around it."""

import pulumi

import settings
from components.zone import HighAvailableZone
from providers import runtime

runtime.exit_with_engine()
with runtime.reported_once():
    zone = HighAvailableZone("zone", settings.load())

# Resources that need the zone: pulumi.ResourceOptions(depends_on=[zone]).
outputs = zone.outputs()
pulumi.export("zone_endpoint", outputs["endpoint"])
pulumi.export("zone_servers", outputs["servers"])
pulumi.export("dns_name", pulumi.Config().require("dns_name"))
