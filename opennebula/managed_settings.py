"""Set attributes of oned.conf, and restore the original values of settings that are removed. Pure.

A comment above the attribute has the original value, and says whether the attribute was added,
changed or removed. So every reader of the file sees it, and nothing else must be stored. Attributes
without such a comment are not changed.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from opennebula import conf
from opennebula.conf import Position, Scalar
from opennebula.original_value import COMMENT, comment

Key = Scalar | list[Any]
"""Of a vector: the value of a key, or an empty list to remove the key."""
Entry = Scalar | dict[str, Key]
"""One of several attributes of a name: a value, a vector with its NAME, or ``{"remove": X}`` to
remove the one with that NAME or value."""
Setting = Scalar | dict[str, Key] | list[Entry]
"""An attribute: a value, keys of a vector, or entries; an empty list removes all of them."""


def apply(text: str, wanted: Mapping[str, Setting]) -> str:
    """Return the text with those settings, and the original values of all other attributes.

    The order of ``wanted`` does not matter: Pulumi does not keep it. The text is unchanged if
    nothing differs; otherwise it ends with a newline. Raises ConfError.
    """
    applied = _restored(text if text.endswith("\n") else f"{text}\n")
    for name, setting in sorted(wanted.items()):
        for position, value in positions(name, setting):
            applied = _applied(applied, position, value)
    return applied if differences(text, applied) else text


def positions(name: str, setting: Setting) -> Iterator[tuple[Position, Setting]]:
    """Yield the positions that a setting concerns: one, or one for each entry of a list."""
    if setting == [] or (listed := entries(setting)) is None:
        yield Position(name), setting
        return
    for entry in listed:
        yield Position(name, known_by(entry)), [] if is_removal(entry) else entry


def entries(setting: Any) -> list[Any] | None:
    """Return the entries of a list, or a vector with a NAME as the only entry; otherwise None."""
    if isinstance(setting, Mapping):
        is_named = any(key.upper() in ("NAME", "REMOVE") for key in setting)
        return [setting] if is_named else None
    return setting if isinstance(setting, list) else None


def is_removal(entry: Any) -> bool:
    """Return whether an entry is ``{"remove": X}``."""
    return isinstance(entry, Mapping) and list(entry) == ["remove"]


def known_by(entry: Any) -> str:
    """Return the NAME or the value that identifies an entry; empty without one."""
    if isinstance(entry, Mapping):
        removal = is_removal(entry)
        names = (item for key, item in entry.items() if removal or key.upper() == "NAME")
        entry = next(names, None)
    return "" if entry is None or entry == [] else conf.plain(entry)


def differences(before: str, after: str) -> tuple[str, ...]:
    """Return the attributes and keys in which two texts differ, without values."""
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
        {(note[1], str(position)) for note, position, _ in _notes(t)} for t in (before, after)
    )
    return tuple(sorted({name for _, name in noted ^ others}))


def _applied(text: str, position: Position, setting: Setting) -> str:
    was = conf.source(text, position)
    if setting == []:
        if position.key is not None:
            if was is not None:
                text = conf.remove(_noted(text, "removed", position, was), position)
            return text
        while (was := conf.source(text, position)) is not None:
            text = conf.replace(text, position, _note("removed", position, was))
        return text
    if isinstance(setting, Mapping) and was is not None and _is_vector(was):
        for key, item in _in_order(setting):
            text = _applied(text, Position(position.name, position.which, key), item)
        return text
    if isinstance(setting, Mapping):
        value: Any = {key: item for key, item in _in_order(setting) if item != []}
        if not value:
            return text
    else:
        value = setting if position.key is None else {position.key: setting}
    written = conf.write(text, position.whole, value)
    if written == text:
        return text
    return _noted(written, "added" if was is None else "changed", position, was)


def _in_order(vector: Mapping[str, Key]) -> list[tuple[str, Key]]:
    return sorted(vector.items(), key=lambda item: (item[0].upper() != "NAME", item))


def _noted(text: str, verb: str, position: Position, was: str | None) -> str:
    """Return the text with that comment above the attribute."""
    attribute = conf.source(text, position.whole) or ""
    return conf.replace(text, position.whole, _note(verb, position, was) + attribute)


def _note(verb: str, position: Position, was: str | None) -> str:
    note = {
        "attribute": position.name.upper(),
        "which": position.which,
        "key": position.key,
        "was": was,
    }
    return comment(verb, {name: item for name, item in note.items() if item is not None})


def _notes(text: str) -> Iterator[tuple[re.Match[str], Position, str]]:
    for found in COMMENT.finditer(text):
        try:
            note = json.loads(found["content"])
            position = Position(note["attribute"], note.get("which"), note.get("key"))
            yield found, position, note.get("was", "")
        except (ValueError, KeyError):
            continue


def _restored(text: str) -> str:
    """Restore all original values, the last one first: it may end the line of the note before."""
    while notes := list(_notes(text)):
        found, position, was = notes[-1]
        before, after = text[: found.start("line")], text[found.end() :]
        text = before + after
        if found["verb"] == "added":
            text = conf.remove(text, position)
        elif position.key is not None or (
            found["verb"] == "changed" and conf.source(text, position) is not None
        ):
            text = conf.replace(text, position, was)
        else:
            text = before + was + after
    return text


def _contents(text: str) -> dict[str, dict[str, list[str]]]:
    """Return all values by attribute and key."""
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
