"""OneGate, OneFlow, OneForm and FireEdge: their addresses, and how they find each other."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import yaml

from opennebula import ports, yaml_file
from opennebula.markup import read_yaml
from opennebula.packages import FEATURES, HOOK_MANAGER
from opennebula.zone import in_url
from procedures.install.files.managed import ManagedFile, own_file
from procedures.specs import InstallationSpec

GATE = "/etc/one/onegate-server.conf"
FLOW = "/etc/one/oneflow-server.conf"
FORM = "/etc/one/oneform-server.conf"
FIREEDGE = "/etc/one/fireedge-server.conf"
SUNSTONE = "/etc/one/fireedge/sunstone/sunstone-server.conf"
LIMITS = {
    feature: f"/etc/systemd/system/{unit}.service.d/opennebula-ha.conf"
    for feature, unit in FEATURES.items()
    if feature != "gui"
}
"""Drop-ins for the start limits of the units that the Raft hook starts."""
HEM = f"/etc/systemd/system/{HOOK_MANAGER}.service.d/opennebula-ha.conf"
"""The same for what runs users' hooks, which is no feature."""
ONED = "/etc/systemd/system/opennebula.service.d/opennebula-ha.conf"
"""Drop-in for how systemd stops oned."""
PATHS = (GATE, FLOW, FORM, FIREEDGE, SUNSTONE, *LIMITS.values(), HEM, ONED)

# Their limit of 3 starts in 60 s would keep them stopped after frequent changes of the leader.
_NO_LIMIT = "[Unit]\nStartLimitIntervalSec=0\n"
# oned stops its drivers itself. If systemd stops one at the same time, oned may start it again, and
# then wait for it forever.
_STOPS_DRIVERS = "[Service]\nKillMode=mixed\n"

ONED_STOPS = own_file(ONED, _STOPS_DRIVERS, "644")
HEM_STARTS = own_file(HEM, _NO_LIMIT, "644")

_FLOW_URL = f"http://localhost:{ports.FEATURES['flow']}"
_FORM_URL = f"http://localhost:{ports.FEATURES['form']}/api/v1"
# As in one-deploy: clients use the VIP.
_ANY = ("0.0.0.0", "::")  # noqa: S104


def files(spec: InstallationSpec, one_token: str | None) -> Iterator[ManagedFile]:
    """Yield the files of oned's unit, and of the features that are on."""
    edits: dict[str, tuple[str, Callable[[str], str]]] = {
        "gate": (GATE, partial(_gate, spec=spec)),
        "flow": (FLOW, partial(_listening, address=spec.bind.get("flow", _ANY[0]))),
        "form": (FORM, partial(_listening, address=spec.bind.get("form", _ANY[0]))),
        "gui": (FIREEDGE, partial(_fireedge, spec=spec)),
    }
    for feature in spec.features:
        path, edit = edits[feature]
        unit = FEATURES[feature]
        yield ManagedFile(path, edit, yaml_file.differences, package=unit, restarts=unit)
    for feature, path in LIMITS.items():
        is_led = feature in spec.features and spec.hooks is not None
        yield own_file(path, _NO_LIMIT if is_led else "", "644")
    yield HEM_STARTS if spec.hooks is not None else own_file(HEM, "", "644")
    yield ONED_STOPS
    if "gui" in spec.features:
        token: dict[yaml_file.KeyPath, Any] = {}
        if one_token:
            token[("token_remote_support",)] = one_token
        yield ManagedFile(
            SUNSTONE,
            lambda text: yaml_file.apply(text, token),
            yaml_file.differences,
            package=FEATURES["gui"],
            restarts=FEATURES["gui"],
            owner="root:oneadmin" if one_token else "",
            mode="640" if one_token else "",
            is_secret=True,
        )


def _gate(text: str, spec: InstallationSpec) -> str:
    address = spec.bind.get("gate", _ANY[0])
    wanted: dict[yaml_file.KeyPath, Any] = {(":server", ":bind"): address}
    # Before 7.3.80 the address was :host. An old file stays after an upgrade, but newer versions
    # only read :server, and without it listen where no client looks for them.
    if _read(text, ":host") is not None:
        wanted[(":host",)] = address
        wanted[(":server", ":port")] = _read(text, ":port") or ports.FEATURES["gate"]
    if "flow" in spec.features:
        wanted[(":oneflow_server",)] = _at(text, ":oneflow_server", _FLOW_URL, spec, "flow")
    return yaml_file.apply(text, wanted)


def _listening(text: str, address: str) -> str:
    return yaml_file.apply(text, {(":host",): address})


def _fireedge(text: str, spec: InstallationSpec) -> str:
    wanted: dict[yaml_file.KeyPath, Any] = {}
    if any(vip.is_ipv6 for vip in spec.vips):
        wanted[("host",)] = "::"
    if "flow" in spec.features:
        wanted[("oneflow_server",)] = _at(text, "oneflow_server", _FLOW_URL, spec, "flow")
    if "form" in spec.features:
        wanted[("oneform_server",)] = _at(text, "oneform_server", _FORM_URL, spec, "form")
    return yaml_file.apply(text, wanted)


def _at(text: str, key: str, shipped: str, spec: InstallationSpec, feature: str) -> str:
    """Return the URL of a feature in the file, or its default, with the host where it runs.

    The feature runs only on the leader, while FireEdge runs everywhere.
    """
    address = spec.bind.get(feature, _ANY[0])
    if address in _ANY:
        address = spec.entrance or "localhost"
    scheme, _, rest = str(_read(text, key) or shipped).partition("://")
    authority, slash, path = rest.partition("/")
    port = authority.rpartition(":")[2]
    return f"{scheme}://{in_url(address)}:{port}{slash}{path}"


def _read(text: str, key: str) -> Any:
    try:
        content = read_yaml(text)
    except yaml.YAMLError:
        # The module that edits it reports the fault.
        return None
    return content.get(key) if isinstance(content, dict) else None
