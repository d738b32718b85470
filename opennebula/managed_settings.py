"""Set attributes of oned.conf, and take that back when they are no longer wanted. Pure.

The original value stands in the file itself, in a comment above the attribute that says whether it
was added, changed or removed. So every reader of the file sees it, nothing else must be kept, and
an attribute that the stack does not set stays as it is: it has no such comment.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from opennebula import conf
from opennebula.conf import Position, Scalar

Key = Scalar | list[Any]
"""Of a vector: its value, or an empty list, which means that it is not to be there."""
Entry = Scalar | dict[str, Key]
"""One of several attributes of a name: a value, or a vector that is known by its NAME, or
``{"remove": X}`` for the one whose NAME, or value, is not to be there."""
Setting = Scalar | dict[str, Key] | list[Entry]
"""An attribute: a value, keys of a vector, or entries; an empty list: none of it may be there."""

REMOVE = "remove"

_NOTE = re.compile(r"^[ \t]*(# opennebula-ha (added|changed|removed): (\{.*\})\n)", re.MULTILINE)


def apply(text: str, wanted: Mapping[str, Setting]) -> str:
    """Return the text with those attributes as wanted, and all others as they were originally.

    The order of ``wanted`` does not matter: Pulumi does not keep it. Unchanged if nothing differs,
    otherwise with a newline at its end. Raises conf.ConfError.
    """
    applied = _taken_back(text if text.endswith("\n") else f"{text}\n")
    for name, setting in sorted(wanted.items()):
        for place, value in places(name, setting):
            applied = _applied(applied, place, value)
    return applied if differences(text, applied) else text


def places(name: str, setting: Setting) -> Iterator[tuple[Position, Setting]]:
    """Where that setting goes: one place, or one for each entry of a list."""
    if setting == [] or (listed := entries(setting)) is None:
        yield Position(name), setting
        return
    for entry in listed:
        removed = isinstance(entry, Mapping) and list(entry) == [REMOVE]
        yield Position(name, known_by(entry)), [] if removed else entry


def entries(setting: Any) -> list[Any] | None:
    """The entries of a list; of a vector that says which it is, that one. None: no such setting."""
    if isinstance(setting, Mapping):
        is_named = any(key.upper() in ("NAME", REMOVE.upper()) for key in setting)
        return [setting] if is_named else None
    return setting if isinstance(setting, list) else None


def known_by(entry: Any) -> str:
    """The NAME, or the value, of an entry; empty where it says none."""
    if isinstance(entry, Mapping):
        ways = (
            [REMOVE] if list(entry) == [REMOVE] else [key for key in entry if key.upper() == "NAME"]
        )
        entry = entry[ways[0]] if ways else None
    return "" if entry is None or entry == [] else conf.plain(entry)


def differences(before: str, after: str) -> tuple[str, ...]:
    """The attributes and keys in which two texts differ, and no value of theirs."""
    one, other = _contents(before), _contents(after)
    found: list[str] = []
    for name in sorted({*one, *other}):
        if name not in one or name not in other:
            found.append(name)
            continue
        keys = sorted(
            key for key in {*one[name], *other[name]} if one[name].get(key) != other[name].get(key)
        )
        found += [f"{name}/{key}" if key else name for key in keys]
    if found:
        return tuple(found)
    noted, others = (
        {(note[1], str(place)) for note, place, _ in _notes(t)} for t in (before, after)
    )
    return tuple(sorted({name for _, name in noted ^ others}))


def _applied(text: str, place: Position, setting: Setting) -> str:
    was = conf.source(text, place)
    if setting == []:
        if place.key is not None:
            return text if was is None else conf.remove(_noted(text, "removed", place, was), place)
        while (was := conf.source(text, place)) is not None:
            text = conf.replace(text, place, _note("removed", place, was))
        return text
    if isinstance(setting, Mapping) and was is not None and _is_vector(was):
        for key, item in _in_order(setting):
            text = _applied(text, Position(place.name, place.which, key), item)
        return text
    if isinstance(setting, Mapping):
        value: Any = {key: item for key, item in _in_order(setting) if item != []}
        if not value:
            return text
    else:
        value = setting if place.key is None else {place.key: setting}
    written = conf.write(text, place.whole, value)
    if written == text:
        return text
    return _noted(written, "added" if was is None else "changed", place, was)


def _in_order(vector: Mapping[str, Key]) -> list[tuple[str, Key]]:
    return sorted(vector.items(), key=lambda item: (item[0].upper() != "NAME", item))


def _noted(text: str, verb: str, place: Position, was: str | None) -> str:
    """With that note above the attribute."""
    attribute = conf.source(text, place.whole) or ""
    return conf.replace(text, place.whole, _note(verb, place, was) + attribute)


def _note(verb: str, place: Position, was: str | None) -> str:
    said = {"attribute": place.name.upper(), "which": place.which, "key": place.key, "was": was}
    given = {name: item for name, item in said.items() if item is not None}
    return f"# opennebula-ha {verb}: {json.dumps(given, ensure_ascii=False)}\n"


def _notes(text: str) -> Iterator[tuple[re.Match[str], Position, str]]:
    for found in _NOTE.finditer(text):
        try:
            said = json.loads(found[3])
            place = Position(said["attribute"], said.get("which"), said.get("key"))
            yield found, place, said.get("was", "")
        except (ValueError, KeyError):
            continue


def _taken_back(text: str) -> str:
    """The last first: one that is put back may end the line that the next note began."""
    while notes := list(_notes(text)):
        found, place, was = notes[-1]
        before, after = text[: found.start(1)], text[found.end(1) :]
        text = before + after
        if found[2] == "added":
            text = conf.remove(text, place)
        elif place.key is not None or (
            found[2] == "changed" and conf.source(text, place) is not None
        ):
            text = conf.replace(text, place, was)
        else:
            text = before + was + after
    return text


def _contents(text: str) -> dict[str, dict[str, list[str]]]:
    """By attribute and key, all that stands there."""
    found: dict[str, dict[str, list[str]]] = {}
    for name, content in conf.attributes(text):
        if isinstance(content, str):
            found.setdefault(name, {}).setdefault("", []).append(content)
            continue
        keys = found.setdefault(str(Position(name, content.get("NAME"))), {})
        for key, item in content.items():
            keys.setdefault(key, []).append(item)
    return found


def _is_vector(source: str) -> bool:
    return isinstance(conf.attributes(source)[0][1], dict)
