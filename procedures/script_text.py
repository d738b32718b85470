"""The text of a script: the parts of the shared shell that it uses, and its own.

Each script declares its variables, one per line: ``#: NAME: what it is``, or ``#: secret NAME``; a
name that ends in * stands for any number of them, or none. It also declares the parts of the shared
shell that it uses: ``#: use PART PART``. The parts are in ``shell/``, and use others in the same
way. Only what a script uses is sent with it. A line ``#: facts MODULE`` stands for the shell of a
dataclass of facts: see ``facts/fact.py``.

Two parts depend on the family of the host's distribution, which the host itself finds out: nothing
is known of it before. ``family`` assigns the constants of the family. ``package_manager`` defines
these functions, so that no other script knows a package manager:

- of what is there: installed_packages, installed, theirs_here, pinned, proxy_in_use;
- of the repository in ``$trial``: isolate, fetch, try_repository, prepare, source_text, published,
  use_source, try_install;
- of packages: refresh, install_packages, remove_packages, release, pin, use_proxy, forget_source;
- of what they fail for: lock_holder;
- of those that wait: download, download_again, has, packaged_schema, install_files.

What fails leaves in ``said`` what was said, of which reasons is the part that matters, and in
``fault`` what it means, where that is known: absent, denied, unreachable, unsigned. The words of
each fault, as a regular expression, are in a variable of the family: says_missing, says_blocked,
says_script, says_offline, says_unsigned, says_denied and says_absent.
"""

import re
import shlex
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, replace
from fnmatch import fnmatchcase
from functools import cache
from importlib import import_module
from pathlib import Path

from opennebula.families import FAMILIES, Family

LOCK_PATIENCE = 900.0
"""Seconds to wait for another program that has the package manager's lock, in all of a script.

Unattended upgrades on a new virtual machine may take a quarter of an hour.
"""

_FOLDER = Path(__file__).parent
_DECLARED = re.compile(r"#: (secret )?(\w+\*?)(?:: .+)?")
_USED = re.compile(r"#: use (\w+(?: \w+)*)")
_FACTS = re.compile(r"^#: facts ([\w.]+)\n", re.M)
_DEFINED = re.compile(r"^(\w+)(\(\)|=)", re.M)

_CALLED = re.compile(
    r"\$\((\w+)(?=[\s)])"
    r"|(?:^|[;&|({!]|[\w*]\)) *(?:(?:then|do|else|if|elif|while|until|!) +)*(\w+)(?=[\s;|&]|$)",
    re.M,
)
"""A word at a position where a command is called."""


@cache
def scripts() -> dict[str, Path]:
    """Return the path of every script by name: each is in the folder of the module that runs it.

    Raises RuntimeError if two have the same name.
    """
    found: dict[str, Path] = {}
    for path in sorted(_FOLDER.rglob("*.sh")):
        if {"programs", "shell"} & {*path.relative_to(_FOLDER).parts}:
            continue
        if path.stem in found:
            raise RuntimeError(f"two scripts are called {path.stem}: {found[path.stem]}, {path}")
        found[path.stem] = path
    return found


def require_declared(
    names: Collection[str], variables: Collection[str], secrets: Collection[str]
) -> None:
    """Raise ValueError unless these are the variables and the secrets that the scripts declare."""
    wrong = []
    for kind, given in (("variable", variables), ("secret", secrets)):
        declared = {name for script in names for name in declarations(script)[kind]}
        wrong += [
            f"no {kind} {name}" for name in sorted(declared - {*given}) if not name.endswith("*")
        ]
        wrong += [
            f"an unknown {kind} {name}"
            for name in sorted(given)
            if not any(fnmatchcase(name, pattern) for pattern in declared)
        ]
    if wrong:
        raise ValueError(f"{' and '.join(names)} was given {', '.join(wrong)}")


@cache
def declarations(name: str) -> dict[str, tuple[str, ...]]:
    """Return what that script declares: the names under ``variable`` and under ``secret``."""
    found = [_DECLARED.fullmatch(line) for line in _read(scripts()[name]).splitlines()]
    declared = [(match[1] is not None, match[2]) for match in found if match]
    return {
        "variable": tuple(name for is_secret, name in declared if not is_secret),
        "secret": tuple(name for is_secret, name in declared if is_secret),
    }


@cache
def script_text(*names: str) -> str:
    """Return the text of a script without its variables, or of several as one.

    Raises RuntimeError if one uses a part of the shared shell that it does not declare, or declares
    a part that does not exist.
    """
    texts = {name: own_text(name) for name in names}
    return shared_shell(texts) + "".join(texts.values())


def own_text(name: str) -> str:
    """Return a script, with the line for facts replaced by their shell."""
    return _FACTS.sub(lambda found: str(import_module(found[1]).SHELL), _read(scripts()[name]))


def shared_shell(texts: Mapping[str, str]) -> str:
    """Return the parts of the shared shell that these texts use, each after those that it uses."""
    chosen: dict[str, None] = {}

    def choose(of: str, text: str) -> None:
        for part in _used_parts(of, text):
            if part not in chosen:
                choose(part, _parts()[part])
                chosen[part] = None

    for name, text in texts.items():
        choose(name, text)
    return "".join(_parts()[part] for part in chosen)


@cache
def _used_parts(of: str, text: str) -> tuple[str, ...]:
    """Return the parts that a text declares. Raises RuntimeError if it uses others."""
    declared = tuple(part for used in _USED.findall(text) for part in used.split())
    if unknown := {*declared} - _parts().keys():
        raise RuntimeError(f"{of} uses {', '.join(unknown)}: no part of the shared shell")
    if missing := _undeclared(text, _parts().keys() - {of, *declared}):
        raise RuntimeError(f"{of} does not declare that it uses {missing}")
    return declared


@cache
def _parts() -> dict[str, str]:
    return {path.stem: _part(path) for path in sorted((_FOLDER / "shell").glob("*.sh"))}


@cache
def _defined(part: str) -> tuple[str, ...]:
    """Return the functions and variables of a part."""
    return tuple(dict.fromkeys(match[1] for match in _DEFINED.finditer(_parts()[part])))


def _undeclared(text: str, others: Collection[str]) -> str:
    """Return what a text uses of these other parts, as NAME of PART; empty if nothing."""
    code = re.sub(r"^ *#.*$", "", text, flags=re.M)
    own = {found[1] for found in _DEFINED.finditer(code)}
    own |= {found[2] for found in map(_DECLARED.fullmatch, text.splitlines()) if found}
    own |= set(re.findall(r"(?<![\w$-])(\w+)=", code))
    own |= set(re.findall(r"\bfor (\w+) in", code))
    for names in re.findall(r"\b(?:read|local)((?: -?\w+)+)", code):
        own |= {*names.split()}
    used = {*sum(_CALLED.findall(code), ()), *re.findall(r"\$\{?!?(\w+)", code)} - own
    return ", ".join(
        f"{name} of {part}" for part in sorted(others) for name in _defined(part) if name in used
    )


def _part(path: Path) -> str:
    """Return a part of the shared shell, with what the family of a host brings to it."""
    text = _read(path)
    if path.stem == "family":
        return f'{text}case " $ID $ID_LIKE " in\n{_each_family(_constants)}esac\n'
    if path.stem == "package_manager":
        patience = f': "${{lock_patience:={LOCK_PATIENCE:.0f}}}"\n'
        return f'{patience}{text}case " $ID $ID_LIKE " in\n{_each_family(_functions)}esac\n'
    return text


def _each_family(text: Callable[[Family], str]) -> str:
    unknown = replace(FAMILIES[0], name="", like=(), scripts=("unknown",))
    branches = []
    for family in (*FAMILIES, unknown):
        words = " | ".join(f'*" {word} "*' for word in family.like) or "*"
        branches.append(f"{words})\n{text(family)};;\n")
    return "".join(branches)


def _constants(family: Family) -> str:
    named = {
        "family": family.name,
        "database_service": f"{family.database_service}.service",
        **family.constants,
        **{
            f"{server}_{key}": value
            for server, web_server in family.web.items()
            for key, value in asdict(web_server).items()
        },
    }
    return "".join(f"{key}={shlex.quote(value)}\n" for key, value in named.items())


def _functions(family: Family) -> str:
    return "".join(_read(_FOLDER / "shell" / "families" / f"{name}.sh") for name in family.scripts)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
