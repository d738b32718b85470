"""How one host differs from what the stack asks of it. Pure: facts in, names and reasons out."""

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
from procedures.install.files import backup, clock, collect, leader
from procedures.install.packaging import differing_packages, features, platform, unsettled
from procedures.specs import InstallationSpec
from procedures.upgrade import upgrade

_ONE_AUTH = "/var/lib/one/.one/one_auth"
_NO_SECRET = (".pub", "authorized_keys", "fireedge_key")
"""Of the keys those that others may read; FireEdge writes its own so, in a closed folder."""


def drift(
    seen: Facts, spec: InstallationSpec, secrets: Secrets, leaving: Collection[str] = ()
) -> tuple[str, ...]:
    """What differs on the host from the spec, by name.

    ``leaving``: servers that are yet to leave the zone: until then the names stay that others had.
    """
    found = [f"package {name}: {fault}" for name, fault in differing_packages(seen, spec).items()]
    found += unsettled(seen, spec)
    if not seen.package:
        return tuple(found)
    named = configuration.differences(seen.newest_conf, spec, secrets.db_password)
    refused = [
        f"{sign.seen}: up refuses until it is as before"
        for sign in signs.signs(seen, spec.database, new=False)
    ]
    if signs.moved(seen, spec.database):
        # Never to be put back by itself: the data may be where it points to now.
        named = tuple(name for name in named if name.partition("/")[0] != "DB")
    found += refused
    found += [f"oned.conf: {name}" for name in named]
    found += [name for change in collect.changes(seen, spec, secrets) for name in change.shown]
    if wanted_hostname(seen, spec):
        found.append(f"hostname: {seen.hostname}")
    if wanted_timezone(seen, spec):
        found.append(f"time zone: {seen.timezone}")
    found += cloud_init_differences(seen, spec)
    # Those that the config has no more were not asked for.
    resolves = {**seen.own_names, **seen.resolves}
    found += [
        f"/etc/hosts: {name} at {resolves.get(name, 'no address')}"
        for name, address in sorted(spec.names.items())
        if resolves.get(name) != address
    ]
    if spec.names and not leaving:
        strange = seen.own_names.keys() - spec.names.keys()
        found += [f"/etc/hosts: {name}, which is no front-end" for name in sorted(strange)]
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
    if seen.staged and not seen.upgrading and not upgrade.rolls(seen, spec.version):
        found.append("packages that wait")
    found += storage.differences(seen.storage, spec)
    return tuple(found)


def check(
    seen: Facts, spec: InstallationSpec, *, new: bool = False, converts: bool = False
) -> None:
    """Raises HostError where this host cannot become the front-end that the spec asks for.

    ``new``: the stack did not have it. ``converts``: data in SQLite may be moved to MariaDB.
    """
    platform(seen, spec)
    if refused := signs.refusal(seen, spec.database, new=new, converts=converts):
        raise refused
    if (spec.clock.pools or spec.clock.servers) and not collect.time_service(seen):
        there = [name for name in clock.UNITS if name in seen.units and seen.units[name].enabled]
        raise HostError(
            seen.host.name,
            "see what keeps the time",
            expected="one service that does, enabled: chrony or systemd-timesyncd",
            seen=" and ".join(there) or "none",
            remedy="install one of them there, or take pool and server out of opennebula-ha:ntp",
        )


def cloud_init_differences(seen: Facts, spec: InstallationSpec) -> list[str]:
    """Describe what cloud-init would undo at the next boot."""
    template, *lines = seen.hosts_template.splitlines() or [""]
    found = [
        f"{template}: without {name}, which the next boot would take out of /etc/hosts"
        for name, address in sorted(spec.names.items())
        if template and f"{address} {name}" not in lines
    ]
    if spec.ensure_hostname and seen.keeps_hostname is False:
        found.append("cloud-init: may set another hostname at a boot")
    return found


def wanted_hostname(seen: Facts, spec: InstallationSpec) -> str:
    """The name that the host is to call itself by, where it does not."""
    name = spec.host.name
    return name if spec.ensure_hostname and seen.hostname != f"{name} {name}" else ""


def wanted_timezone(seen: Facts, spec: InstallationSpec) -> str:
    """Its time zone, where it has another one."""
    return spec.clock.timezone if spec.clock.timezone != seen.timezone else ""


def faulty_units(seen: Facts, spec: InstallationSpec) -> dict[str, str]:
    """The units that would not start at boot, do not run where they have to, or run where not."""
    found: dict[str, str] = {}
    strays = stray_units(seen, spec)
    for name, has_to_run in managed_units(seen, spec).items():
        unit = seen.units.get(name)
        if unit is not None and not unit.starts_at_boot:
            found[name] = unit.enabled
        elif unit is not None and has_to_run and not unit.runs:
            found[name] = "stopped"
        elif name in strays:
            found[name] = "runs on a follower"
    return found


def stray_units(seen: Facts, spec: InstallationSpec) -> tuple[str, ...]:
    """Those that run here but may run on the leader alone, while no hook moves them."""
    if spec.hooks is None or seen.hook_runs or _leads(seen, spec) is not False:
        return ()
    names = (packages.FEATURES[name] for name in features(seen, spec) if name in packages.LED)
    return tuple(name for name in names if name in seen.units and seen.units[name].runs)


def managed_units(seen: Facts, spec: InstallationSpec) -> dict[str, bool]:
    """The units of this stack, and whether each has to run at this moment.

    Whether oned has to run is its zone's matter. All but the GUI run on the leader alone: the
    Raft hook starts them when it has moved the VIPs.
    """
    beside_leader = seen.active and bool(_leads(seen, spec)) and not seen.hook_runs
    found = {
        packages.FEATURES[feature]: seen.active if feature == "gui" else beside_leader
        for feature in features(seen, spec)
    }
    if spec.database.is_mariadb:
        found[platform(seen, spec).family.database_service] = True
    if seen.active:
        found["opennebula"] = True
    return found | dict.fromkeys(own_units(spec), True)


def own_units(spec: InstallationSpec) -> list[str]:
    """The units that this program itself brings, and that run on every front-end."""
    check = [leader.SOCKET_UNIT] if leader.has_check(spec) else []
    return check + ([backup.TIMER_UNIT] if spec.backup is not None else [])


def _leads(seen: Facts, spec: InstallationSpec) -> bool | None:
    """Who leads is Raft's to say: a VIP may be a leftover. None where it did not."""
    return True if spec.hooks is None else seen.leads


def has_led(spec: InstallationSpec) -> bool:
    """Whether it has services that run next to the leader alone."""
    return spec.hooks is not None and not set(packages.LED).isdisjoint(spec.features)


def with_lead(seen: Facts, spec: InstallationSpec, state: State | None) -> Facts:
    """The same with whether its oned leads, by what that says, where something depends on it.

    Unknown of one that no zone has yet, or that is neither leader nor follower.
    """
    if not has_led(spec):
        return seen
    if not seen.active:
        return replace(seen, leads=None if seen.server_id == STANDALONE_ID else False)
    leads = {State.LEADER: True, State.FOLLOWER: False}.get(state) if state is not None else None
    return replace(seen, leads=leads)


def open_keys(seen: Facts) -> list[str]:
    """The files with secrets that are not oneadmin's, or that others can read."""
    return [
        path
        for path, key in sorted(seen.keys.items())
        if key.owner != "oneadmin:oneadmin" or (key.mode & 0o027 and not path.endswith(_NO_SECRET))
    ]


def writes_auth(seen: Facts) -> bool:
    """With a database, one_auth is the zone's: it is written only if it is gone."""
    return not seen.has_content or _ONE_AUTH not in seen.keys
