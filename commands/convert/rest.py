"""An answer to every group and key that nothing else has answered. Pure."""

from commands.convert import answers, login
from commands.convert.conversion import Answer
from commands.convert.source import Source, flag


def convert(source: Source) -> None:
    """Answer the groups, the other keys of the front-ends, and those of other hosts."""
    _groups(source)
    mine = {key for variables in source.variables.values() for key in variables}
    for key in sorted(mine - source.looked_at):
        _answer(source, key)
    others: dict[str, list[str]] = {}
    for host, variables in source.inventory.hosts.items():
        for key in variables.keys() - mine if host not in source.names else ():
            others.setdefault(key, []).append(host)
    for key, hosts in sorted(others.items()):
        why = answers.no_meaning(key) or "it is set for hosts that are no front-ends"
        source.made.needless(f"{key} of {', '.join(sorted(hosts))}", why)
    for place, keys in sorted(source.inventory.idle.items()):
        for key in sorted(keys):
            source.made.needless(f"{key} of {place}", "it concerns no host of the inventory")


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
            source.made.needless(name, "not only the front-ends; theirs of its variables count")
        else:
            source.made.needless(name, f"{listed}: no front-ends")


def _answer(source: Source, key: str) -> None:
    name, made = login.ALIASES.get(key, key), source.made
    values = [one[key] for one in source.variables.values() if one.get(key) is not None]
    if not values:
        made.needless(key, "it has no value there")
    elif name == "force_master" and not any(flag(one) for one in values):
        made.needless(key, "off there: the zone is in no federation by this key")
    elif name in answers.DECISIONS:
        made.ask(key, answers.DECISIONS[name])
    elif why := answers.no_meaning(name):
        made.needless(key, why)
    elif key in source.inventory.parts:
        made.needless(key, "other values are made of it, which are answered")
    else:
        source.unknown(key)
