"""Convert mounts and datastores of one-deploy. Pure."""

import re
from typing import Any

from commands.convert.conversion import Conversion, shown_value
from commands.convert.source import Source

_MARK = "comment=one-deploy"
_FIELDS = ("src", "path", "fstype", "opts", "owner", "group", "mode")


def convert(source: Source) -> None:
    """Map fstab and ds."""
    if (mounts := source.alike("fstab")) is not None:
        _fstab(source, mounts)
    if (stores := source.alike("ds")) is not None:
        _datastores(source, stores)


def _fstab(source: Source, value: Any) -> None:
    made = source.made
    if not value:
        made.needless("fstab", "it is empty")
        return
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        source.expected("fstab", "a list of mounts, each with src, path and fstype", value)
        return
    made.take("fstab", [_mount(source, f"fstab.{n}", item) for n, item in enumerate(value)])
    made.ask(
        "fstab",
        "one-deploy's lines for these mounts are in /etc/fstab on the front-ends, with"
        f" {_MARK}: remove these lines, but do not unmount, before the up without adopt."
        " This program does not change lines of others",
    )


def _mount(source: Source, key: str, mount: dict[str, Any]) -> dict[str, Any]:
    for name in sorted(mount.keys() - set(_FIELDS)):
        source.unknown(f"{key}.{name}")
    entry = {name: mount[name] for name in _FIELDS if mount.get(name) is not None}
    if "mode" in entry and (mode := _octal(entry["mode"])) is None:
        source.expected(f"{key}.mode", "a mode such as 0750", entry.pop("mode"))
    elif "mode" in entry:
        entry["mode"] = mode
    entry = {name: str(item) for name, item in entry.items()}
    if "path" in entry:
        entry["path"] = entry["path"].rstrip("/") or "/"
    if "opts" in entry:
        options = [each for each in entry["opts"].split(",") if each and each != _MARK]
        entry["opts"] = ",".join(options) or "rw,relatime"
    return entry


def _octal(mode: Any) -> str | None:
    """Return a mode of Ansible's as 0 and three octal digits."""
    if isinstance(mode, int):
        # YAML reads 0750 as an octal number; in 750 the 0 was forgotten.
        text = f"{mode:o}" if mode <= 0o777 and mode != 750 else str(mode)
        return f"0{text:0>3}" if re.fullmatch(r"[0-7]{1,3}", text) else None
    text = str(mode).strip()
    if re.fullmatch(r"0?[0-7]{3}", text):
        return text.rjust(4, "0")
    bits = {"u": 0, "g": 0, "o": 0}
    for clause in text.replace(" ", "").split(","):
        found = re.fullmatch(r"([ugoa]*)=([rwx]*)", clause)
        if not found:
            return None
        number = sum({"r": 4, "w": 2, "x": 1}[letter] for letter in set(found[2]))
        for whom in "ugo" if "a" in found[1] or not found[1] else found[1]:
            bits[whom] = number
    return f"0{bits['u']}{bits['g']}{bits['o']}"


def _datastores(source: Source, value: Any) -> None:
    """Map mode and mounts. The rest are records in OpenNebula."""
    made = source.made
    if not isinstance(value, dict):
        made.ask("ds", f"expected an object such as {{mode: ssh}}, saw {shown_value(value)}")
        return
    mode = value.get("mode")
    if mode in ("ssh", "shared"):
        made.take("ds.mode", mode)
        if mode == "shared":
            made.needless(
                "ds.mode", "TM_MAD and BRIDGE_LIST of the datastores are in OpenNebula and stay"
            )
    elif mode in ("ceph", "generic"):
        is_ceph = mode == "ceph"
        what = "Ceph's packages and keys" if is_ceph else "the links of their folders"
        make = "Install" if is_ceph else "Create"
        made.ask(
            "ds.mode",
            f"{mode} is not converted: the datastores in OpenNebula stay, and so do {what} on the"
            f" front-ends. {make} them on a new front-end yourself, or with an entry in commands",
        )
    elif mode is not None:
        made.ask("ds.mode", f"expected ssh, shared, ceph or generic, saw {shown_value(mode)}")
    _mounts(made, value.get("config"))
    for name in sorted(value.keys() - {"mode", "config"}):
        source.unknown(f"ds.{name}")


def _mounts(made: Conversion, config: Any) -> None:
    if not config:
        return
    if not isinstance(config, dict):
        made.ask("ds.config", "not converted: expected an object with mounts")
        return
    for name in sorted(config.keys() - {"mounts"}):
        made.needless(f"ds.config.{name}", "the datastores in OpenNebula stay as they are")
    mounts = config.get("mounts")
    if not mounts:
        return
    if not isinstance(mounts, list) or not all(isinstance(mount, dict) for mount in mounts):
        made.ask("ds.config.mounts", "not converted: expected a list of {type: …, path: …}")
        return
    entries = [
        {"type": str(mount.get("type")), "path": str(mount.get("path")).rstrip("/") or "/"}
        for mount in mounts
    ]
    made.take("ds.config.mounts", entries, "the same links as one-deploy's")
