"""The text of a script: what several scripts do alike, the functions of the host's family, its own.

Each script declares its variables, one per line: ``#: NAME: what it is``, or ``#: secret NAME``; a
name that ends in * stands for any number of them, or none.

Which family that is, the host itself says: it is asked before anything is known of it. What each
of them brings, so that no other script knows a package manager:

- of what is there: installed_packages, installed, theirs_here, pinned, proxy_in_use;
- of the repository in ``$trial``: fetch, probe, prepare, source_text, published, use_source;
- of packages: refresh, install_packages, remove_packages, release, pin, use_proxy, forget_source;
- of what they fail for: lock_holder, package_fault;
- of those that wait: download, download_again, has, packaged_schema, install_files.

What fails leaves in ``said`` what was said, of which reasons is the part that matters, and in
``fault`` what it means, where that is known: absent, denied, unreachable, unsigned.
"""

import re
import shlex
from collections.abc import Collection
from dataclasses import asdict, replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from opennebula.families import FAMILIES, Family

LOCK_PATIENCE = 900.0
"""Seconds to wait for another program that has the package manager's lock, in all of a script.

Unattended upgrades on a new virtual machine take up to a quarter of an hour.
"""

_FOLDER = Path(__file__).parent
_DECLARED = re.compile(r"#: (secret )?(\w+\*?)(?:: .+)?")

_ASK = """\
ID= ID_LIKE= VERSION_ID=
[ ! -r /etc/os-release ] || . /etc/os-release
"""


@cache
def scripts() -> dict[str, Path]:
    """Every script by name: each is in the folder of the module that runs it.

    Raises RuntimeError where two have the same name.
    """
    found: dict[str, Path] = {}
    for path in sorted(_FOLDER.rglob("*.sh")):
        if path.parent.name in ("programs", "families"):
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
    found = [_DECLARED.fullmatch(line) for line in _read(name).splitlines()]
    declared = [(match[1] is not None, match[2]) for match in found if match]
    return {
        "variable": tuple(name for is_secret, name in declared if not is_secret),
        "secret": tuple(name for is_secret, name in declared if is_secret),
    }


@cache
def script_text(*names: str) -> str:
    """All of one of this project's scripts but its variables, or of several as one."""
    patience = f': "${{lock_patience:={LOCK_PATIENCE:.0f}}}"\n'
    return patience + _read("common") + _families() + "".join(map(_read, names))


@cache
def _families() -> str:
    unknown = replace(FAMILIES[0], name="", like=(), scripts=("unknown",))
    branches = "".join(map(_branch, (*FAMILIES, unknown)))
    return f'{_ASK}case " $ID $ID_LIKE " in\n{branches}esac\n'


def _branch(family: Family) -> str:
    words = " | ".join(f'*" {word} "*' for word in family.like) or "*"
    named = {
        "family": family.name,
        "database_service": f"{family.database_service}.service",
        **family.constants,
        **{
            f"{server}_{key}": value
            for server, one in family.web.items()
            for key, value in asdict(one).items()
        },
    }
    constants = "".join(f"{key}={shlex.quote(value)}\n" for key, value in named.items())
    functions = "".join(
        (_FOLDER / "shell" / "families" / f"{name}.sh").read_text(encoding="utf-8")
        for name in family.scripts
    )
    return f"{words})\n{constants}{functions};;\n"


def _read(name: str) -> str:
    return scripts()[name].read_text(encoding="utf-8")
