"""A zone on machines that the same program creates."""

import pulumi
from machine import Machine

import opennebula_ha

config = pulumi.Config()
names = sorted(pulumi.Config("opennebula-ha").require_object("frontends"))

with opennebula_ha.program():
    machines = {
        # Protected: Pulumi must never replace the machine of a front-end on its own.
        name: Machine(
            name, config.require("network"), 10 + number, pulumi.ResourceOptions(protect=True)
        )
        for number, name in enumerate(names)
    }
    addresses = {name: machine.address for name, machine in machines.items()}
    zone = opennebula_ha.HighAvailableZone("zone", {"addresses": addresses})

    pulumi.export("addresses", addresses)
    pulumi.export("zone_endpoint", zone.endpoint)
