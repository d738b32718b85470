"""Check every shell script with shellcheck: ``python -m tests.shell_lint``.

Of a script for hosts, it knows what the script declares and what the parts of the shared shell
assign that it uses: so a variable that it does not declare is found.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from procedures.script_text import declarations, own_text, scripts, shared_shell

SHELLCHECK = str(Path(sys.executable).with_name("shellcheck"))
IGNORED = (
    "SC1007",  # "a= b=": several empty values in one line
    "SC1091",  # /etc/os-release is the host's
    "SC2034",  # what a script assigns may be for a shared function
    "SC2046",  # lists of names and options are split into words on purpose
    "SC2086",
    "SC2120",  # shared functions may be called by other files
    "SC2164",  # errexit ends a script whose cd fails
    "SC2329",
)
SHARED = Path("procedures/shell")
ALONE = ("scripts/*", "procedures/**/programs/*.sh")
PRELUDE = (
    "SUDO_USER",
    "exclusive",
    "ID",
    "ID_LIKE",
    "VERSION_ID",
    "OPERATOR_AGENT",
    "trial",
    "lock_patience",
)


def main() -> int:
    """Print each finding with its file and line; return the exit status."""
    shared = sorted(SHARED.rglob("*.sh"))
    declared = {name: _declared(name) for name in scripts()}
    with TemporaryDirectory() as folder:
        sources = {}
        for name, names in declared.items():
            path = scripts()[name]
            text = own_text(name)
            known = {*PRELUDE, *_assigned(shared_shell({name: text}))}
            sources[_copy(Path(folder), path, text, known | names)] = path
        everything = {*PRELUDE, *_assigned(_everything(shared))}.union(*declared.values())
        for path in shared:
            sources[_copy(Path(folder), path.resolve(), path.read_text(), everything)] = path
        found = list(_findings(["--shell=bash"], sources))
    alone = {path: path for pattern in ALONE for path in Path().glob(pattern) if _is_shell(path)}
    found += _findings([], alone)
    print("\n".join(sorted(found)), end="\n" if found else "")
    return bool(found)


def _declared(name: str) -> set[str]:
    given = declarations(name)
    return {one.replace("*", "0") for one in (*given["variable"], *given["secret"])}


def _everything(shared: list[Path]) -> str:
    parts = " ".join(path.stem for path in shared if path.parent == SHARED)
    return shared_shell({"all": f"#: use {parts}"})


def _assigned(text: str) -> set[str]:
    """Return the names that a text assigns; those of a web server, such as apache_site, also as
    web_server.sh calls them.
    """
    names = set(re.findall(r"(?<![\w$-])([a-z_]+)=", text))
    return names | {name.partition("_")[2] for name in names} - {""}


def _copy(folder: Path, path: Path, text: str, names: set[str]) -> Path:
    """Write the script with its variables assigned in one line before it."""
    copy = folder / str(path).replace("/", "+")
    values = " ".join(f"{name}=$(cat)" for name in sorted(names))
    copy.write_text(f"{values}\n{text}", encoding="utf-8")
    return copy


def _is_shell(path: Path) -> bool:
    return path.is_file() and re.match(rb"#!.*\b(ba)?sh\n", path.read_bytes()) is not None


def _findings(options: list[str], sources: dict[Path, Path]) -> Iterator[str]:
    argv = [SHELLCHECK, "--format=gcc", "--severity=warning", f"--exclude={','.join(IGNORED)}"]
    done = subprocess.run(
        [*argv, *options, *map(str, sources)], capture_output=True, text=True, check=False
    )
    if done.returncode > 1:
        raise RuntimeError(done.stderr)
    for line in done.stdout.splitlines():
        if match := re.match(r"(.*?):(\d+):\d+: (.*)", line):
            copy, number = Path(match[1]), int(match[2])
            path = sources[copy]
            yield f"{path}:{number - (copy != path)}: {match[3]}"


if __name__ == "__main__":
    sys.exit(main())
