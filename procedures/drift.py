"""How one host differs from what the stack asks of it. Pure: facts in, names and reasons out."""

import ipaddress

from hosts.errors import HostError
from opennebula import packages
from procedures import configuration, storage, upgrade
from procedures.observe import Facts
from procedures.packaging import differing_packages, features, platform, unsettled
from procedures.specs import InstallationSpec, Vip

_ONE_AUTH = "/var/lib/one/.one/one_auth"
_NO_SECRET = (".pub", "authorized_keys", "fireedge_key")
"""Of the keys those that others may read; FireEdge writes its own so, in a closed folder."""


def drift(seen: Facts, spec: InstallationSpec, db_password: str) -> tuple[str, ...]:
    """What differs on the host from the spec, by name."""
    found = [f"package {name}: {fault}" for name, fault in differing_packages(seen, spec).items()]
    found += unsettled(seen, spec)
    if not seen.package:
        return tuple(found)
    named = configuration.differences(seen.newest_conf, spec, db_password)
    found += [f"oned.conf: {name}" for name in named]
    if configuration.monitord_conf(seen.monitord_conf, spec) != seen.monitord_conf:
        found.append("monitord.conf")
    found += [
        f"/etc/hosts: {name} at {seen.resolves.get(name, 'no address')}"
        for name, address in sorted(spec.names.items())
        if seen.resolves.get(name) != address
    ]
    found += [f"{unit}.service: {fault}" for unit, fault in faulty_units(seen, spec).items()]
    found += [
        f"{path}: mode {seen.keys[path].mode:o}, owner {seen.keys[path].owner}"
        for path in open_keys(seen)
    ]
    if spec.database.is_mariadb and not seen.silent:
        found += [
            f"database account {spec.database.owner}: {fault}"
            for fault in configuration.account_faults(spec.database, seen.grants)
        ]
    if seen.has_content and _ONE_AUTH not in seen.keys:
        found.append(f"{_ONE_AUTH}: missing")
    if seen.staged and not seen.upgrading and not upgrade.rolls(seen, spec.version):
        found.append("packages that wait")
    found += storage.differences(seen.storage, spec)
    return tuple(found)


def check(seen: Facts, spec: InstallationSpec) -> None:
    """Raises HostError where this host cannot become the front-end that the spec asks for."""
    platform(seen, spec)
    other = configuration.other_database(seen.oned_conf, spec.database)
    if seen.active and other:
        raise HostError(
            seen.host.name,
            "see which database is in use",
            expected=f"{spec.database.name} as in opennebula-ha:db_name",
            seen=f"{other}, in which a running oned has its data",
            remedy=f"set opennebula-ha:db_name to {other}: a database in use keeps its name",
        )
    if spec.vip is not None:
        _check_interface(seen, spec.vip)


def _check_interface(seen: Facts, vip: Vip) -> None:
    own = [item for item in seen.addresses if item.interface == vip.interface]
    network = vip.network
    if any(
        ipaddress.ip_address(item.address) in network for item in own if item.address != vip.address
    ):
        return
    there = ", ".join(f"{item.interface} {item.address}/{item.prefix}" for item in seen.addresses)
    raise HostError(
        seen.host.name,
        "check the VIP's interface",
        expected=f"interface {vip.interface} with an address in {network}",
        seen=there or "no address at all",
        remedy=f"correct opennebula-ha:one_vip_if, or opennebula-ha:frontends"
        f" {seen.host.name} one_vip_if for this host alone",
    )


def faulty_units(seen: Facts, spec: InstallationSpec) -> dict[str, str]:
    """The units that would not start at boot, or do not run where they have to."""
    found: dict[str, str] = {}
    for name, has_to_run in managed_units(seen, spec).items():
        unit = seen.units.get(name)
        if unit is not None and not unit.starts_at_boot:
            found[name] = unit.enabled
        elif unit is not None and has_to_run and not unit.runs:
            found[name] = "stopped"
    return found


def managed_units(seen: Facts, spec: InstallationSpec) -> dict[str, bool]:
    """The units of this stack, and whether each has to run at this moment.

    Whether oned has to run is its zone's matter. All but the GUI run beside the leader alone: the
    Raft hook starts them when it has moved the VIP.
    """
    vip = spec.vip.address if spec.vip else ""
    leads = not vip or any(one.address == vip for one in seen.addresses)
    beside_leader = seen.active and leads and not seen.hook_runs
    found = {
        packages.FEATURES[feature]: seen.active if feature == "gui" else beside_leader
        for feature in features(seen, spec)
    }
    if spec.database.is_mariadb:
        found[platform(seen, spec).family.database_service] = True
    if seen.active:
        found["opennebula"] = True
    return found


def open_keys(seen: Facts) -> list[str]:
    """The files with secrets that are not oneadmin's, or that others can read."""
    return [
        path
        for path, key in sorted(seen.keys.items())
        if key.owner != "oneadmin:oneadmin" or (key.mode & 0o027 and not path.endswith(_NO_SECRET))
    ]


def writes_auth(seen: Facts) -> bool:
    """Beside a database one_auth is the zone's: it is written only where it is gone."""
    return not seen.has_content or _ONE_AUTH not in seen.keys
