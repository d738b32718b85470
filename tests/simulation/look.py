"""The state that a simulated host reports: the answers of observe.sh and preflight.sh."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import replace

from tests.simulation.database import TYPICAL, Content, Database, Foreign, digest
from tests.simulation.host import BEFORE, CONF, NEXT, SimHost, Unit, number
from tests.simulation.product import MONITORD, TABLES, ServerEntry, hook_path
from tests.simulation.site import Site

_SECRETS = re.compile(r"/var/lib/one/\.(one|ssh)/([^/]*_auth|[^/]*_key|id_[^/]*|authorized_keys)")
_LINK = "52:54:00:00:00:"


def units(site: Site, host: SimHost, names: Iterable[str]) -> dict[str, str]:
    """Return units as tell_units prints them; the time is that since the host's boot."""
    blocks = []
    for name in names:
        unit = host.unit(name.removesuffix(".service"))
        entered = int((unit.since - host.booted + 1) * 1e6) if unit.active else 0
        blocks.append(
            f"Id={name}\nUnitFileState={unit.enabled}\nNRestarts=0\nMainPID=1\n"
            f"ActiveState={_state(host, unit)}\n"
            f"ActiveEnterTimestampMonotonic={entered}"
        )
    return {"units": "\n\n".join(blocks), "uptime": f"{site.clock.now - host.booted + 1:.2f}"}


def _state(host: SimHost, unit: Unit) -> str:
    if unit is host.units.get("opennebula") and host.stopping:
        return "deactivating"
    return "active" if unit.active else "inactive"


def _processes(host: SimHost) -> str:
    return f"1 oned {host.name}" if host.running or host.stopping else ""


def escaped(text: str) -> str:
    """Return a text in one line, as the scripts print it."""
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def files(host: SimHost, paths: Iterable[str]) -> str:
    """Return files as give_files prints them."""
    return "\n".join(
        f"{file.mode:o} {file.owner} {path} {escaped(file.text)}"
        for path in paths
        if (file := host.files.get(path))
    )


def with_body(content: Content, body: str) -> Content:
    """Return the content with that row of the zone."""
    zone = ET.fromstring(body)  # noqa: S314 - written by the simulation
    known = {one.registered: one.name for one in content.pool if one.registered}
    pool = tuple(
        ServerEntry(
            int(one.findtext("ID", "")),
            known.get(one.findtext("NAME", ""), one.findtext("NAME", "")),
            one.findtext("ENDPOINT", ""),
            one.findtext("ENDPOINT_GRPC", ""),
            one.findtext("NAME", "") if one.findtext("NAME", "") in known else "",
        )
        for one in zone.iterfind("SERVER_POOL/SERVER")
    )
    name, place = zone.findtext("NAME", ""), zone.findtext("TEMPLATE/ENDPOINT", "")
    grpc = zone.findtext("TEMPLATE/ENDPOINT_GRPC", "")
    return replace(content, pool=pool, name=name, endpoint=place, grpc=grpc)


def ground(site: Site, host: SimHost, v: Mapping[str, str]) -> dict[str, str]:
    """Return what preflight.sh prints in addition to the facts."""
    reached = []
    for line in v["targets"].splitlines():
        address, port = line.split()
        target = site.at(address)
        is_open = target is not None and target.up and (port == "22" or target.running)
        refused = target is not None and target.up
        said = "open" if is_open else "Connection refused" if refused else "no answer"
        reached.append(f"{address} {port} {said}")
    holders = {
        address: _mac(one)
        for one in site.hosts.values()
        if one is not host
        for address in one.vips
        if address in v["vips"].split()
    }
    return {
        "begun": f"{site.clock.now:.3f}",
        "ended": f"{site.clock.now:.3f}",
        "neighbours": "\n".join(f"{a} dev eth0 lladdr {m} REACHABLE" for a, m in holders.items()),
        "reached": "\n".join(reached),
        "has_systemd": "yes",
        "memory": str(4 << 20),
        "room": "\n".join(f"{path} {100 << 20} /" for path in v["paths"].split()),
        "macs": f"2: eth0: <UP> link/ether {_mac(host)} brd ff:ff:ff:ff:ff:ff",
        "listening": "",
        "name_sources": "hosts: files dns",
        "is_enforcing": "",
        "has_apparmor": "",
    }


def _mac(host: SimHost) -> str:
    return f"{_LINK}{int(host.address.rpartition('.')[2]):02x}"


def observed(site: Site, host: SimHost, v: Mapping[str, str]) -> dict[str, str]:
    """Return what observe.sh prints."""
    oned = host.unit("opennebula")
    changed = [host.files[path].changed for path in (CONF, MONITORD) if path in host.files]
    secrets = {p: f for p, f in sorted(host.files.items()) if _SECRETS.fullmatch(p)}
    vips = [f"2: {interface} inet {a}/24" for a, interface in sorted(host.vips.items())]
    values = {
        "distribution": "debian",
        "release": "12",
        "machine_id": number(host.name),
        "hostname": f"{host.name} {host.name}",
        "timezone": "",
        "own_names": "\n".join(f"{at} {name}" for name, at in sorted(host.names.items())),
        "addresses": "\n".join([f"2: eth0 inet {host.address}/24", *vips]),
        "packages": "\n".join(f"install {n} {v}" for n, v in sorted(host.packages.items())),
        "pin": host.pin,
        "proxy": "",
        "hook": f"7 {hook_path('raft/vip.sh')} follower" if host.name in site.late else "",
        **units(site, host, ["opennebula.service", *v["units"].split()]),
        "oned_processes": host.strange_process or _processes(host),
        "active": _state(host, oned),
        "since": f"{oned.since:.0f}" if oned.since else "0",
        "configured": f"{max(changed, default=0):.0f}",
        "files": files(host, v["files"].split()),
        "keys": "\n".join(f"{f.mode:o} {f.owner} {p}" for p, f in secrets.items()),
        "key_digests": "\n".join(f"{digest(f.text)}  {p}" for p, f in secrets.items()),
        "backups": "\n".join(f"1000 {path}" for path in sorted(host.dumps)),
    }
    for name in v["names"].split():
        values["resolves_" + re.sub(r"[^A-Za-z0-9]", "_", name)] = site.address_of(name, host)
    if host.claimed:
        values["claimed"] = host.claimed if host.claimed == "started" else "installed"
    if host.upgrading:
        values["upgrading"] = host.upgrading
    if host.migrating:
        values["migrating"] = host.migrating
    if host.staged:
        values["staged"] = " ".join(host.staged)
    if host.swapping:
        values["swapping"] = "yes"
    if CONF in host.files:
        values["oned"] = host.conf
    if NEXT in host.files:
        values["next"] = host.files[NEXT].text
    if host.sqlite is not None:
        values["sqlite"] = f"1000 {host.sqlite.schema}"
    return {**values, **_databases(host, v)}


def _databases(host: SimHost, v: Mapping[str, str]) -> dict[str, str]:
    name = v["db_name"]
    if not host.mariadb_runs:
        there = "\n".join(sorted(host.databases))
        has_service = host.unit("mariadb").enabled == "enabled" or name in host.databases
        return {"silent": "Can't connect", "unseen": there} if has_service else {"unseen": there}
    tables = {
        one: TABLES if isinstance(found, Database) else found.tables
        for one, found in host.databases.items()
        if found is not None
    }
    values = {
        "databases": "\n".join(
            f"{len(names)} {len(names & TYPICAL)} {one}" for one, names in sorted(tables.items())
        ),
        "objects": "\n".join(sorted(tables.get(name, ()))),
        "accounts": "\n".join(
            line
            for place, grants in sorted(host.accounts.items())
            for line in (f"@{place}", *grants)
        ),
        "replication": "\n".join(host.replication),
        "two_passwords": "",
    }
    found = host.databases.get(name)
    if isinstance(found, Foreign) or found is None:
        return values
    values |= {
        "schema": found.schema,
        "users": "2",
        "identity": digest(found.identity),
        "zone": found.zone_body,
        "zones": f"0 {found.content.name}",
        "zone_changed": f"{found.zone_changed:.0f}",
    }
    if found.log:
        values["log"] = f"{len(found.log)} {found.log[-1][0]} {found.begins}"
    else:
        values["log"] = "0 0 0"
    if v["checksums"] == "yes":
        values["checksums"] = found.checksums(name)
        values["remotes"] = f"{digest('remotes')}  /var/lib/one/remotes/etc"
    return values


__all__ = ["BEFORE", "files", "ground", "observed", "units", "with_body"]
