"""Addresses of front-ends that the program makes: a preview may not know them yet."""

from collections.abc import Mapping
from typing import Any

from pulumi import Input, Output, ResourceTransformationArgs, ResourceTransformationResult, log
from pulumi.output import UNKNOWN, Unknown

import settings as config
from providers.state import hosts_input
from settings import Settings
from settings.forms import LATER
from settings.model import later


class Addresses:
    """Addresses that the program passes for front-ends of the stack's config.

    The specs of the zone have a placeholder for each address; the inputs of its resources have the
    output.
    """

    def __init__(self, given: Mapping[str, Input[str]]) -> None:
        """``given``: front-end to its address. Raises RunError for faults of the config."""
        self.settings: Settings = config.load(dict.fromkeys(given, LATER))
        # With a mark in the place of each address that is not known yet.
        marked = {
            name: Output.from_input(value).apply(lambda address: address, True)
            for name, value in given.items()
        }
        checked = Output.all(**marked).apply(_checked, True)
        self._outputs: dict[str, Output[str]] = {name: checked[name] for name in given}

    def of(self, name: str) -> "Output[str] | None":
        """Return the address of a front-end, if the program and not the config has it."""
        return self._outputs.get(name)

    def fill_in(self, args: ResourceTransformationArgs) -> ResourceTransformationResult | None:
        """Replace the placeholders in the inputs of a resource of the zone.

        Each resource gets all front-ends as an input: the config that the engine passes to its
        provider lacks their addresses.
        """
        if not args.type_.startswith("pulumi-python:dynamic/opennebula:"):
            return None
        props = {"frontends": hosts_input(self.settings.hosts), **args.props}
        outputs = {later(name): output for name, output in self._outputs.items()}
        return ResourceTransformationResult(_filled(props, outputs), args.opts)


def _checked(addresses: Mapping[str, Any]) -> dict[str, Any]:
    """Return the addresses once the stack is valid with those that are known."""
    pending = {name for name, address in addresses.items() if isinstance(address, Unknown)}
    config.load({**addresses, **dict.fromkeys(pending, LATER)})
    if pending:
        log.info(
            f"the addresses of {', '.join(sorted(pending))} are not known until these hosts exist:"
            " up checks them before it changes anything on a front-end"
        )
    return {name: UNKNOWN if name in pending else text for name, text in addresses.items()}


def _filled(value: Any, outputs: Mapping[str, Output[str]]) -> Any:
    if isinstance(value, str):
        return outputs.get(value, value)
    if isinstance(value, Mapping):
        return {key: _filled(item, outputs) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(item, outputs) for item in value]
    return value
