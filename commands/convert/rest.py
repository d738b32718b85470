"""Answer every group and key that nothing else has answered. Pure."""

import re

from commands.convert import answers, login
from commands.convert.conversion import Answer
from commands.convert.source import Source, flag


def convert(source: Source) -> None:
    """Answer the groups, the remaining keys of the front-ends, and the keys of other hosts."""
    _groups(source)
    mine = {key for variables in source.variables.values() for key in variables}
    for key in sorted(mine - source.looked_at):
        _answer(source, key)
    answered = {re.split(r" of |\.", key)[0] for key in source.made.answered}
    for key in sorted((mine & source.looked_at) - answered):
        if any(item.get(key) is not None for item in source.variables.values()):
            name = login.OTHER_NAMES.get(key)
            why = f"read as {name}" if name else "not needed for this stack"
            source.made.needless(key, why)
        else:
            source.made.needless(key, "it has no value")
    others: dict[str, list[str]] = {}
    for host, variables in source.inventory.hosts.items():
        for key in variables.keys() - mine if host not in source.names else ():
            others.setdefault(key, []).append(host)
    for key, hosts in sorted(others.items()):
        why = answers.no_meaning(key) or "not set for front-ends"
        source.made.needless(f"{key} of {', '.join(sorted(hosts))}", why)
    for place, keys in sorted(source.inventory.idle.items()):
        for key in sorted(keys):
            source.made.needless(f"{key} of {place}", "it applies to no host")


def _groups(source: Source) -> None:
    kinds = {
        value: kind.removesuffix("_group")
        for variables in source.inventory.hosts.values()
        for kind, value in variables.items()
        if kind.endswith("_group") and isinstance(value, str)
    }
    for group, hosts in sorted(source.inventory.groups.items()):
        kind, name = kinds.get(group, group), f"group {group}"
        listed = ", ".join(hosts) or "no hosts"
        if kind == "federation" and hosts:
            source.made.ask(name, f"{listed}: {answers.FEDERATION}")
        elif kind in answers.GROUPS:
            source.made.needless(name, f"{listed}: {answers.GROUPS[kind]}")
        elif hosts == source.names:
            source.made.taken.append(Answer(name, f"frontends: {listed}"))
        elif set(hosts) & set(source.names):
            source.made.needless(name, "its variables are converted for the front-ends in it")
        else:
            source.made.needless(name, f"{listed}: not front-ends")


def _answer(source: Source, key: str) -> None:
    name, made = login.ALIASES.get(key, key), source.made
    values = [item[key] for item in source.variables.values() if item.get(key) is not None]
    if not values:
        made.needless(key, "it has no value")
    elif name == "force_master" and not any(flag(item) for item in values):
        made.needless(key, "it is off")
    elif decision := answers.decision(name):
        made.ask(key, decision)
    elif why := answers.no_meaning(name):
        made.needless(key, why)
    elif key in source.inventory.parts:
        made.needless(key, "used in the values of other keys")
    else:
        source.unknown(key)
