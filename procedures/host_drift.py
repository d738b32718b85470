"""Compare one host with the stack. Pure: from facts to names and reasons."""

from collections.abc import Collection
from dataclasses import replace

from hosts.errors import HostError
from opennebula import packages
from opennebula.zone import STANDALONE_ID, State
from procedures.context import Secrets
from procedures.facts import signs
from procedures.facts.facts import Facts
from procedures.facts.observe import full_name
from procedures.install import configuration, storage
from procedures.install.files import backup, collect, leader
from procedures.install.packaging import differing_packages, features, platform, source_differences
from procedures.specs import InstallationSpec
from procedures.upgrade.versions import rolls

_ONE_AUTH = "/var/lib/one/.one/one_auth"
_NO_SECRET = (".pub", "authorized_keys", "fireedge_key")
"""Key files that others may read. FireEdge creates its own like that, in a closed folder."""


def drift(
    seen: Facts, spec: InstallationSpec, secrets: Secrets, leaving: Collection[str] = ()
) -> tuple[str, ...]:
    """Return the differences between the host and the spec, in words.

    ``leaving``: servers that still have to leave the zone. Until then, their names stay in
    /etc/hosts.
    """
    found = [
        f"package {name}: {fault}"
        for name, fault in differing_packages(seen, spec.packages).items()
    ]
    found += source_differences(seen, spec)
    if not seen.package:
        return tuple(found)
    named = configuration.differences(seen.newest_conf, spec, secrets.db_password)
    if signs.moved(seen, spec.database):
        # Never revert this automatically: the data may be where it points to now.
        named = tuple(name for name in named if name.partition("/")[0] != "DB")
    found += [
        f"{sign.seen}: up fails until this is reverted"
        for sign in signs.signs(seen, spec.database, new=False)
    ]
    found += [f"oned.conf: {name}" for name in named]
    found += [name for change in collect.changes(seen, spec, secrets) for name in change.shown]
    if wanted_hostname(seen, spec):
        found.append(f"hostname: {seen.hostname}")
    if wanted_timezone(seen, spec):
        found.append(f"time zone: {seen.timezone}")
    found += cloud_init_differences(seen, spec)
    # Only the names of the stack's own front-ends were resolved.
    resolves = {**seen.own_names, **seen.resolves}
    found += [
        f"/etc/hosts: {name} at {resolves.get(name, 'no address')}"
        for name, address in sorted(spec.names.items())
        if resolves.get(name) != address
    ]
    if spec.names and not leaving:
        strange = seen.own_names.keys() - spec.names.keys()
        found += [f"/etc/hosts: {name}, which is not a front-end" for name in sorted(strange)]
    found += [f"{full_name(unit)}: {fault}" for unit, fault in faulty_units(seen, spec).items()]
    found += [
        f"{path}: mode {seen.keys[path].mode:o}, owner {seen.keys[path].owner}"
        for path in open_keys(seen)
    ]
    if spec.database.is_mariadb and not seen.silent:
        found += [
            f"database account {spec.database.owner}: {fault}"
            for fault in configuration.account_faults(spec.database, seen.grants)
        ]
        found += [
            f"database account {spec.database.owner}@{host}: {fault}"
            for host, fault in configuration.further_accounts(
                spec.database, seen.traces.accounts
            ).items()
        ]
    if seen.has_content and _ONE_AUTH not in seen.keys:
        found.append(f"{_ONE_AUTH}: missing")
    if seen.staged and not seen.upgrading and not rolls(seen, spec.version):
        found.append("staged packages")
    found += storage.differences(seen.storage, spec)
    return tuple(found)


def check(
    seen: Facts, spec: InstallationSpec, *, new: bool = False, converts: bool = False
) -> None:
    """Raise HostError if this host cannot become the front-end that the spec describes.

    ``new``: the host is new to the stack. ``converts``: data in SQLite may be moved to MariaDB.
    """
    platform(seen, spec.packages)
    if refused := signs.refusal(seen, spec.database, new=new, converts=converts):
        raise refused
    if spec.clock.pools or spec.clock.servers:
        require_time_service(seen)


def require_time_service(seen: Facts) -> None:
    """Raise HostError unless exactly one time service is enabled, which gets the servers."""
    if len(there := collect.time_services(seen)) != 1:
        raise HostError(
            seen.host.name,
            "check the time service",
            expected="one enabled time service: chrony or systemd-timesyncd",
            seen=" and ".join(there) or "none",
            remedy=f"{'disable' if there else 'install'} one of them there, or remove pool and"
            " server from opennebula-ha:ntp",
        )


def cloud_init_differences(seen: Facts, spec: InstallationSpec) -> list[str]:
    """Return what cloud-init would undo at the next boot."""
    template, *lines = seen.hosts_template.splitlines() or [""]
    found = [
        f"{template}: without {name}, which the next boot would remove from /etc/hosts"
        for name, address in sorted(spec.names.items())
        if template and f"{address} {name}" not in lines
    ]
    if spec.ensure_hostname and seen.keeps_hostname is False:
        found.append("cloud-init: may set another hostname at a boot")
    return found


def wanted_hostname(seen: Facts, spec: InstallationSpec) -> str:
    """Return the hostname to set; empty if the host has it."""
    name = spec.host.name
    return name if spec.ensure_hostname and seen.hostname != f"{name} {name}" else ""


def wanted_timezone(seen: Facts, spec: InstallationSpec) -> str:
    """Return the time zone to set; empty if the host has it."""
    return spec.clock.timezone if spec.clock.timezone != seen.timezone else ""


def faulty_units(seen: Facts, spec: InstallationSpec) -> dict[str, str]:
    """Return the units with a fault: not enabled, stopped, or running where they must not."""
    found: dict[str, str] = {}
    for name, has_to_run in managed_units(seen, spec).items():
        unit = seen.units.get(name)
        if unit is not None and not unit.starts_at_boot:
            found[name] = unit.enabled
        elif unit is not None and has_to_run and not unit.runs:
            found[name] = "stopped"
    unit = seen.hook_manager
    if unit and unit.starts_at_boot and not unit.runs and _runs_led_units(seen, spec):
        found[packages.HOOK_MANAGER] = "stopped"
    strays = (name for name in stray_units(seen, spec) if name not in found)
    return found | dict.fromkeys(strays, "runs on a follower")


def stray_units(seen: Facts, spec: InstallationSpec) -> tuple[str, ...]:
    """Return the units that run on a follower but belong to the leader, unless a hook runs."""
    if spec.hooks is None or seen.hook_runs or seen.leads is not False:
        return ()
    owned = {
        packages.HOOK_MANAGER,
        *(packages.FEATURES[name] for name in features(seen, spec.packages)),
    }
    led = sorted(owned & packages.LED_UNITS)
    return tuple(name for name in led if name in seen.units and seen.units[name].runs)


def managed_units(seen: Facts, spec: InstallationSpec) -> dict[str, bool]:
    """Return the stack's units, and whether each must run at present.

    The zone decides whether oned must run. Except for the GUI, the services run only on the leader:
    the Raft hook starts them after it has moved the VIPs.
    """
    beside_leader = _runs_led_units(seen, spec)
    found = {
        packages.FEATURES[feature]: seen.active if feature == "gui" else beside_leader
        for feature in features(seen, spec.packages)
    }
    if spec.database.is_mariadb:
        found[platform(seen, spec.packages).family.database_service] = True
    if seen.active:
        found["opennebula"] = True
    return found | dict.fromkeys(own_units(spec), True)


def _runs_led_units(seen: Facts, spec: InstallationSpec) -> bool:
    leads = spec.hooks is None or bool(seen.leads)
    return seen.active and leads and not seen.hook_runs


def own_units(spec: InstallationSpec) -> list[str]:
    """Return the units of this program that run on every front-end."""
    check = [leader.SOCKET_UNIT] if leader.has_check(spec) else []
    return check + ([backup.TIMER_UNIT] if spec.backup is not None else [])


def with_lead(seen: Facts, spec: InstallationSpec, state: State | None) -> Facts:
    """Return the facts with ``leads`` set from the server's Raft state, if the stack has hooks.

    It stays unknown for a server outside any zone, and for one that is neither leader nor follower.
    The VIP does not show it, since an address may be left over.
    """
    if spec.hooks is None:
        return seen
    if not seen.active:
        return replace(seen, leads=None if seen.server_id == STANDALONE_ID else False)
    leads = {State.LEADER: True, State.FOLLOWER: False}.get(state) if state is not None else None
    return replace(seen, leads=leads)


def open_keys(seen: Facts) -> list[str]:
    """Return the files with secrets that oneadmin does not own, or that others can read."""
    return [
        path
        for path, key in sorted(seen.keys.items())
        if key.owner != "oneadmin:oneadmin" or (key.mode & 0o027 and not path.endswith(_NO_SECRET))
    ]


def writes_auth(seen: Facts) -> bool:
    """Return whether to write one_auth: only without a database, or if the file is missing."""
    return not seen.has_content or _ONE_AUTH not in seen.keys
