"""Compare the stack with the running zone, read-only."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from commands.convert.conversion import Answer, Conversion
from hosts.errors import HostError
from hosts.models import Host, SshSettings
from hosts.pool import Pool
from opennebula import conf, families
from opennebula.markup import read_xml
from opennebula.packages import FEATURES, available
from procedures.context import Access, Secrets
from procedures.facts.facts import Facts
from procedures.facts.observe import facts
from procedures.parallel import on_each
from procedures.specs import Database
from settings import Settings


def look(made: Conversion) -> Iterator[Answer]:
    """Observe every front-end once, and report the differences."""
    try:
        ssh = SshSettings.model_validate(made.config.get("ssh", {}))
        hosts = {
            name: Host.model_validate(
                {"name": name, "address": entry["address"], "ssh": entry.get("ssh", {})}
            )
            for name, entry in made.config["frontends"].items()
            if entry.get("address")
        }
    except ValidationError as error:
        places = ", ".join(".".join(map(str, item["loc"])) for item in error.errors())
        yield Answer("--look", f"the login settings are not valid yet ({places}): see above")
        return
    pool = Pool(ssh)
    access = Access(pool, Secrets("", ""), report=lambda _: None, front_ends=hosts)
    try:
        seen = _facts(access, hosts, made)
    finally:
        pool.close()
    yield from (
        Answer(name, str(front_end))
        for name, front_end in seen.items()
        if isinstance(front_end, HostError)
    )
    yield from differences(
        made, {name: front_end for name, front_end in seen.items() if isinstance(front_end, Facts)}
    )


def _facts(
    access: Access, hosts: Mapping[str, Host], made: Conversion
) -> Mapping[str, Facts | HostError]:
    named = {part: made.config.get(f"db_{part}") for part in ("backend", "name", "owner")}
    database = Database(**{part: value for part, value in named.items() if value is not None})

    def ask(host: Host) -> Facts | HostError:
        try:
            return facts(access, host, database, names=hosts, even_silent=True)
        except HostError as error:
            return error

    return on_each(hosts, ask)


def differences(made: Conversion, seen: Mapping[str, Facts]) -> Iterator[Answer]:
    """Return how the hosts' facts differ from the stack. Pure."""
    for name, front_end in seen.items():
        yield from _of_host(made.config, name, front_end)
    yield from _features(made.config, seen)
    yield from _of_zone(made, seen)


def _features(config: Mapping[str, Any], seen: Mapping[str, Facts]) -> Iterator[Answer]:
    """Return which features the hosts and the stack do not share. Hosts of a kind are one line."""
    installed = {name: facts for name, facts in seen.items() if facts.package}
    version = str(config.get("one_version", "0"))
    for feature, package in FEATURES.items():
        have = [name for name, facts in installed.items() if package in facts.packages]
        lack = [
            name
            for name, facts in installed.items()
            if name not in have and feature in _available(facts, version)
        ]
        is_wanted = config.get("features", {}).get(feature, True)
        if have and not is_wanted:
            words = f"{package} is on {', '.join(have)}, but the stack has it off"
            yield Answer(f"features.{feature}", words)
        elif lack and is_wanted:
            words = f"no {package} on {', '.join(lack)}: the up without adopt would install it"
            yield Answer(f"features.{feature}", words)


def _available(front_end: Facts, version: str) -> tuple[str, ...]:
    """Return the features that the host could have."""
    try:
        host = families.platform(front_end.distribution, front_end.release, version)
    except families.UnsupportedError:
        return ()
    return available(host, FEATURES, version)


def _of_host(config: Mapping[str, Any], name: str, front_end: Facts) -> Iterator[Answer]:
    version = str(config.get("one_version", ""))
    if not front_end.package:
        yield Answer(name, "OpenNebula is not installed")
        return
    if version and not f"{front_end.package}.".startswith(f"{version}."):
        yield Answer(
            "one_version",
            f"{name} runs {front_end.package}, the stack has {version}: set the version that runs",
        )
    if not front_end.active:
        yield Answer(name, "oned does not run")
    if front_end.silent:
        yield Answer(name, f"MariaDB does not answer root: {front_end.silent}")
    if front_end.oned_conf:
        yield from _of_oned(config, name, front_end)


def _of_oned(config: Mapping[str, Any], name: str, front_end: Facts) -> Iterator[Answer]:
    section, backend = front_end.database, config.get("db_backend", "MariaDB")
    if section.is_sqlite != (backend == "SQLite"):
        yield Answer("db_backend", f"{name} uses {section}, the stack has {backend}")
    elif not section.is_sqlite:
        for key, has in (("db_name", section.name), ("db_owner", section.user)):
            wanted = config.get(key, Settings.model_fields[key].default)
            if has != wanted:
                yield Answer(key, f"{name} has {has}, the stack has {wanted}")
    endpoint = conf.read(front_end.oned_conf, "ONEGATE_ENDPOINT")
    vip = config.get("one_vip")
    wanted = config.get("gate_endpoint") or (f"http://{vip}:5030" if vip else "")
    if isinstance(endpoint, str) and wanted and endpoint != wanted:
        yield Answer("gate_endpoint", f"{name} has {endpoint}, the stack has {wanted}")
    if (mode := front_end.federation_mode) != "STANDALONE":
        yield Answer(
            "federation", f"{name} is in a federation ({mode}), which this program refuses"
        )


def _of_zone(made: Conversion, seen: Mapping[str, Facts]) -> Iterator[Answer]:
    config = made.config
    holding = [front_end for front_end in seen.values() if front_end.zone_body.strip()]
    newest = max(
        holding, key=lambda front_end: (front_end.log_term, front_end.log_index), default=None
    )
    if newest is not None:
        zone = read_xml(newest.zone_body)
        name, wanted = zone.findtext("NAME", ""), config.get("zone_name", "OpenNebula")
        if name and name != wanted:
            yield Answer("zone_name", f"the zone is called {name}, the stack has {wanted}")
        listed = {entry.name for entry in newest.pool}
        known = set(config["frontends"])
        for server in sorted(listed - known):
            yield Answer(
                "frontends",
                f"{server} is a server of the zone, but not in the stack: add it, or remove it from"
                " the zone first",
            )
        for server in sorted(known - listed) if listed else ():
            yield Answer(
                "frontends",
                f"{server} is not a server of the zone ({', '.join(sorted(listed))}): use the name"
                " that the zone has, or remove it from the stack",
            )
        if not listed and len(known) > 1:
            yield Answer("frontends", "no HA zone runs on these hosts yet")
    yield from _of_vip(config, seen)


def _of_vip(config: Mapping[str, Any], seen: Mapping[str, Facts]) -> Iterator[Answer]:
    vip = config.get("one_vip")
    if not vip or not seen:
        return
    holders = [
        (name, at)
        for name, front_end in seen.items()
        for at in front_end.addresses
        if at.address == vip
    ]
    if not holders:
        yield Answer("one_vip", f"{vip} is on none of {', '.join(seen)}")
    if len(holders) > 1:
        names = ", ".join(name for name, _ in holders)
        yield Answer(
            "one_vip",
            f"{vip} is on several hosts ({names}), as in a split brain: check the zone first",
        )
    for name, at in holders:
        interface = _interface(config, name)
        if interface and at.interface.split("@")[0] != interface:
            yield Answer(
                "one_vip_if", f"{name} has {vip} on {at.interface}, the stack has {interface}"
            )
        if config.get("one_vip_cidr") not in (None, at.prefix):
            yield Answer(
                "one_vip_cidr",
                f"{name} has {vip}/{at.prefix}, the stack has /{config['one_vip_cidr']}",
            )
    for name, front_end in seen.items():
        interface = _interface(config, name)
        there = {at.interface.split("@")[0] for at in front_end.addresses}
        if interface and interface not in there:
            yield Answer(
                "one_vip_if",
                f"{name} has no interface {interface} with an address, only"
                f" {', '.join(sorted(there - {'lo'}))}",
            )


def _interface(config: Mapping[str, Any], name: str) -> str | None:
    return config["frontends"][name].get("one_vip_if") or config.get("one_vip_if")
