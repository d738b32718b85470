"""A program of your own: a zone, and what you build around it."""

import pulumi

import opennebula_ha

with opennebula_ha.program():
    zone = opennebula_ha.HighAvailableZone("zone", {})

    # Resources that need the zone: pulumi.ResourceOptions(depends_on=[zone]).
    pulumi.export("zone_endpoint", zone.endpoint)
    pulumi.export("zone_servers", zone.servers)
    pulumi.export("dns_name", pulumi.Config().require("dns_name"))
