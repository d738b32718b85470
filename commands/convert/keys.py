"""From the variables of an inventory of one-deploy to the config of a stack. Pure.

Each step answers the keys that it asks its source for; rest.py answers all others.
"""

import re
from collections.abc import Callable
from typing import Any

from commands.convert import answers, credentials, front_ends, repository, rest, storage
from commands.convert.conversion import Conversion
from commands.convert.inventory import Inventory
from commands.convert.source import Source, flag

_TEXTS = (
    *("zone_name", "leader_hook", "follower_hook", "db_name", "db_owner", "gate_endpoint"),
    *("gate_bind_addr", "flow_bind_addr", "form_bind_addr", "one_fqdn", "pkg_cache_proxy"),
)
_FLAGS = (
    *("force_ha", "ensure_hostname", "ensure_hosts", "unattend_disable", "update_pkg_cache"),
    *("unsafe_migrations", "keep_empty_bridge"),
)
_LISTS = ("gate_tproxy", "ntp")
_OBJECTS = ("sched_rank", "sched_drs", "ssl")
_FEATURES = ("gui", "flow", "gate", "form")
_BACKENDS = {"mariadb": "MariaDB", "mysql": "MariaDB", "sqlite": "SQLite"}


def convert(inventory: Inventory, *, group: str = "") -> Conversion:
    """Map every key of the inventory. Raises InventoryError if it has no front-ends."""
    source = Source(inventory, front_ends.names_of(inventory, group))
    _version(source)
    front_ends.convert(source)
    _vip(source)
    for key in _TEXTS:
        _take(source, key, "text", _text)
    for key in _FLAGS:
        _take(source, key, "true or false", flag)
    _take(source, "rsa_key_size", "a whole number", _number)
    for key in _LISTS + _OBJECTS:
        kind, words = (list, "a list") if key in _LISTS else (dict, "an object")
        if value := _structure(source, key, kind, words):
            source.made.take(key, value)
    if not source.has("ensure_hosts"):
        source.made.take("ensure_hosts", False, "one-deploy's default")
    if source.has("admin_pubkey") and not source.of_each("admin_pubkey"):
        source.made.take("admin_pubkey", "none", "it is null")
    else:
        _take(source, "admin_pubkey", "public keys", _key)
    _database(source)
    credentials.convert(source)
    _features(source)
    _accounts(source)
    repository.convert(source)
    storage.convert(source)
    rest.convert(source)
    source.made.take(
        "adopt",
        "observe",
        "nothing changes while it is set; remove it when the preview lists only changes that"
        " you want, or if no zone runs yet",
    )
    return source.made


def _version(source: Source) -> None:
    value = source.alike("one_version")
    if value is None:
        if "one_version" not in source.made.answered:
            source.made.ask(
                "one_version",
                "missing: set the zone's present version, which oned --version prints on a"
                " front-end",
            )
        return
    if isinstance(value, float) and f"{value}".endswith(".1"):
        source.made.ask(
            "one_version",
            f"not converted: YAML reads {value}0 without quotes as {value}, too. Set the zone's"
            " present version",
        )
        return
    version = str(value).strip()
    if re.fullmatch(r"[0-6]\.\d+(\.\d+)?", version):
        source.made.ask(
            "one_version",
            f"this program needs 7.0 or later, and the inventory says {version}: upgrade the zone"
            " first, as OpenNebula's documentation describes",
        )
    source.made.take("one_version", version)


def _vip(source: Source) -> None:
    if source.has_vip:
        _take(source, "one_vip", "text", _text)
        _take(source, "one_vip_cidr", "a whole number", _number)
        return
    for key in ("one_vip", "one_vip_cidr", "one_vip_if"):
        if source.of_each(key):
            source.made.ask(
                key,
                "not converted: one front-end without force_ha has no VIP, also with one-deploy."
                " Set it together with force_ha: true",
            )


def _take(source: Source, key: str, expected: str, read: Callable[[Any], Any]) -> None:
    """Take the value that ``read`` returns; None: the value is not what is expected."""
    value = source.alike(key)
    if value is None:
        return
    if (meant := read(value)) is None:
        source.expected(key, expected, value)
    else:
        source.made.take(key, meant)


def _text(value: Any) -> str | None:
    is_text = isinstance(value, str | int | float) and not isinstance(value, bool)
    return str(value).strip() if is_text else None


def _number(value: Any) -> int | None:
    is_number = not isinstance(value, bool) and re.fullmatch(r"\d{1,9}", str(value).strip())
    return int(value) if is_number else None


def _key(value: Any) -> str | None:
    return value.strip() if isinstance(value, str) else None


def _structure(source: Source, key: str, kind: type, words: str) -> Any:
    """Return a list or an object that is not empty; None, with an answer, for anything else."""
    value = source.alike(key)
    if value is None or (isinstance(value, kind) and value):
        return value
    if isinstance(value, kind):
        source.made.needless(key, "it is empty")
    else:
        source.expected(key, words, value)
    return None


def _database(source: Source) -> None:
    value = source.alike("db_backend")
    if value is None:
        return
    backend = _BACKENDS.get(str(value).lower())
    if backend is None:
        source.expected("db_backend", "MariaDB or SQLite", value)
    elif backend == "SQLite" and source.has_vip:
        source.made.ask(
            "db_backend",
            "not converted: an HA zone cannot use SQLite. If the front-end with the data uses"
            " SQLite, set convert_database: true, which moves the data to MariaDB",
        )
    else:
        later = "for high availability later, set MariaDB and convert_database: true"
        source.made.take("db_backend", backend, later if backend == "SQLite" else "")


def _features(source: Source) -> None:
    made = source.made
    value = _structure(source, "features", dict, "an object such as {gate: true}") or {}
    for name, on in value.items():
        key, meant = f"features.{name}", flag(on)
        if name not in _FEATURES and name not in answers.FEATURES:
            source.unknown(key, "feature")
        elif meant is None:
            source.expected(key, "true or false", on)
        elif name in _FEATURES:
            made.take(key, meant)
        elif meant:
            made.ask(key, answers.FEATURES[name])
        else:
            made.needless(key, "it is off")
    features = made.config.get("features", {})
    if features.get("gate") is False and features.get("flow", True):
        note = "one-deploy runs OneFlow only with OneGate"
        made.take("features.flow", False, note, source="features.gate")


def _accounts(source: Source) -> None:
    value = source.alike("ensure_keys_for")
    accounts = [value] if isinstance(value, str) else value
    if accounts is None:
        return
    if not isinstance(accounts, list):
        source.expected("ensure_keys_for", "a list of accounts", value)
        return
    accounts = [str(item) for item in accounts]
    if "oneadmin" in accounts:
        source.made.needless("ensure_keys_for", "oneadmin is left out: its keys belong to the zone")
    if others := [item for item in accounts if item != "oneadmin"]:
        source.made.take("ensure_keys_for", others)
    elif not accounts:
        source.made.needless("ensure_keys_for", "it is empty")
