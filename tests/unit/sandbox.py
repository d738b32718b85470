"""Runs a script as on a host, below a folder: its commands record their arguments.

Anything else that a command must print or do is bash, by a pattern of its name and arguments.
"""

import re
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from hosts.script import Output, Script, parse
from procedures.script_text import script_text, shared_shell

COMMANDS = (
    *("apt-get", "apt-helper", "apt-mark", "dpkg", "dpkg-deb", "dpkg-query"),
    *("dnf", "zypper", "rpm", "rpm2cpio", "cpio", "subscription-manager", "SUSEConnect"),
    *("curl", "pgrep", "systemctl", "uname"),
)

_FAKE = r"""#!/bin/bash
asked=${0##*/}
for word in "$@"; do asked+=" ${word:-''}"; done
printf '%s\n' "${asked%%$'\n'*}" >>"$HOME/asked"
there() { sed -n "s/^$1 //p" "$HOME/installed"; }
arrive() { # NAME or NAME=VERSION, or NAME-VERSION as dnf has it
    local one
    for one in "$@"; do
        case $one in
            *=*) echo "${one/=/ }" ;;
            *-7.*) echo "${one%-7.*} 7.${one##*-7.}" ;;
            *) echo "$one @NEW@" ;;
        esac >>"$HOME/installed"
    done
}
[ ! -e "$HOME/first" ] || . "$HOME/first"
case $asked in
@ANSWERS@
esac
"""


class Sandbox:
    """One host: what it runs, what is installed, and the calls of its commands."""

    def __init__(self, root: Path, os_release: str, answers: str, *, new: str) -> None:
        self.root = root
        for folder in ("bin", "etc", "run/lock", "var/lib"):
            (root / folder).mkdir(parents=True)
        (root / "etc" / "os-release").write_text(os_release)
        (root / "installed").touch()
        fake = _FAKE.replace("@ANSWERS@", answers.replace("/ROOT", str(root)))
        for name in COMMANDS:
            file = root / "bin" / name
            file.write_text(fake.replace("@NEW@", new))
            file.chmod(0o755)

    def file(self, path: str, text: str | None = None) -> str:
        """Write a file if a text is given; return its text, which is empty if it does not exist."""
        file = self.root / path.lstrip("/")
        if text is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return self._plain(file.read_text()) if file.exists() else ""

    def install(self, **packages: str) -> None:
        """Install these packages in these versions."""
        with (self.root / "installed").open("a") as file:
            file.writelines(
                f"{name.replace('_', '-')} {version}\n" for name, version in packages.items()
            )

    def answer(self, pattern: str, effect: str) -> None:
        """Let calls that match the pattern do this from now on."""
        glob = re.sub(r"([^*]+)", lambda found: f'"{found[1]}"', pattern)
        effect = effect.replace("/ROOT", str(self.root))
        with (self.root / "first").open("a") as file:
            file.write(f"case $asked in\n{glob}) {effect}\nexit ;;\nesac\n")

    def fail(self, pattern: str, text: str) -> None:
        """Let calls that match the pattern fail with these words from now on."""
        self.answer(pattern, f"echo {shlex.quote(text)} >&2; exit 1")

    def run(
        self, name: str, variables: Mapping[str, str], *, token: str = "", exclusive: bool = True
    ) -> Output:
        """Run that script; its error is in the output."""
        secrets = {"token": token}
        body = script_text(name)
        return self._run(Script(name, body, variables, secrets, exclusive=exclusive, timeout=5))

    def call(self, parts: str, text: str) -> Output:
        """Run this text with these parts of the shared shell."""
        shell = shared_shell({"x": f"#: use {parts}"})
        return self._run(Script("x", f"{shell}{text}\n", exclusive=False))

    def functions(self) -> set[str]:
        """Return all functions that a script may call here."""
        output = self.call("package_manager", "declare -F")
        return {line.split()[-1] for line in output.noise.splitlines()}

    def _run(self, script: Script) -> Output:
        text = re.sub(
            r"(?<![\w.$}/*])/(?=(?:etc|run|var)/)", f"{self.root}/", script.text()
        ).replace("/usr/lib/apt/apt-helper", "apt-helper")
        text = text.replace("PATH=/usr/local/sbin", f"PATH={self.root}/bin:/usr/local/sbin")
        done = subprocess.run(
            ["bash", "-c", 'eval "$(cat)"'],
            input=text,
            env={"HOME": str(self.root), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        output = parse(done.stdout)
        assert done.returncode == (65 if "remedy" in output.values else 0), done.stderr
        values = {key: self._plain(value) for key, value in output.values.items()}
        return Output(values, output.steps, output.noise)

    def asked(self, *names: str) -> list[str]:
        """Return the calls of these commands since the last time, in order; of all if none is
        named.

        The paths of this sandbox, and of a configuration on trial in it, are removed.
        """
        file = self.root / "asked"
        lines = file.read_text().splitlines() if file.exists() else []
        file.write_text("")
        return [self._plain(line) for line in lines if not names or line.split(" ", 1)[0] in names]

    def _plain(self, text: str) -> str:
        text = text.replace("dnf --setopt=exit_on_lock=1 ", "dnf ")
        return re.sub(r"opennebula-ha-trial\.\w+", "TRIAL", text.replace(str(self.root), ""))
