"""A stand-in for your provider's virtual machine: it creates nothing, and has an address."""

import ipaddress
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider


class MachineProvider(ResourceProvider):
    """Assigns an address, as a DHCP server does."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Return the address that the machine got."""
        network = ipaddress.ip_network(props["network"])
        return CreateResult(props["name"], {**props, "address": str(network[int(props["number"])])})

    def diff(self, id_: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Replace the machine when its network changes."""
        changed = [key for key in ("network", "number") if olds[key] != news[key]]
        return DiffResult(changes=bool(changed), replaces=changed, delete_before_replace=True)


class Machine(Resource, module="example", name="Machine"):
    """A machine, whose address is not known before it exists."""

    address: pulumi.Output[str]

    def __init__(
        self, name: str, network: str, number: int, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        props = {"name": name, "network": network, "number": number, "address": None}
        super().__init__(MachineProvider(), name, props, opts)
