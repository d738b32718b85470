"""A script for one host. It is sent over standard input, so that no argv shows any of it."""

import base64
import binascii
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

HOST_LOCK = "/run/lock/opennebula-ha-host"
"""Lock file of scripts that change the host: one whose connection broke ends before the next."""

_PRELUDE = f"""\
set -Eeuo pipefail
umask 022
exec 8>&1 # past whatever captures what a function prints
trap 'tell failed "$BASH_COMMAND" >&8' ERR
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
# Of a package hook that restarts whatever uses a new library: one oned at a time is our promise.
export NEEDRESTART_SUSPEND=1 NEEDRESTART_MODE=l
# What an account's startup files may set for the commands that a script runs.
unset BASH_ENV ENV CDPATH GLOBIGNORE POSIXLY_CORRECT GREP_OPTIONS TAR_OPTIONS RSYNC_RSH TMPDIR
unset MYSQL_HOST MYSQL_TCP_PORT MYSQL_UNIX_PORT ONE_XMLRPC ONE_AUTH ONE_LOCATION RUBYOPT RUBYLIB
exclusive=
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
step() {{ printf '#%s\\n' "$1"; }}
give() {{ printf '@%s %s\\n' "$1" "$(base64 -w0)"; }}
tell() {{ # the same of a text, without a process for it
    local text=${{2//\\\\/\\\\\\\\}}
    printf '=%s %s\\n' "$1" "${{text//$'\\n'/\\\\n}}"
}}
refuse() {{ tell expected "$1"; tell seen "$2"; tell remedy "$3"; exit 65; }}
place_of() {{ # of a file that may be a link; one to /dev/null is itself the place
    if [ -e "$1" ] && [ ! -f "$1" ]; then echo "$1"; else readlink -m "$1"; fi
}}
put() {{ # a whole file, in one move, with the owner, mode and label that it had
    [ ! -L "$1" ] || set -- "$(place_of "$1")" "$2"
    [ ! -f "$1" ] || [ "$(cat "$1"; echo .)" != "$2"$'\n.' ] || return 0
    local new=$1.opennebula-ha
    rm -f "$new" # what it may lead to is not ours
    (umask 077 && printf '%s\n' "$2" >"$new")
    if [ -f "$1" ]; then
        chown --reference="$1" "$new"
        chmod --reference="$1" "$new"
        chcon --reference="$1" "$new" 2>/dev/null || true
    fi
    sync "$new" # after a power cut it is the old file or the whole new one
    mv -T "$new" "$1"
}}
exclusively() {{
    exec 9>{HOST_LOCK}
    flock -w "$1" 9 || refuse "no other run at work on this host" \\
        "{HOST_LOCK} held for $1 s" "wait for the other run to end, then run again"
    exclusive=yes
}}
"""

_STEP = re.compile(r"#(.+)")
_ENCODED = re.compile(r"@(\w+) ([A-Za-z0-9+/=]*)")
_ESCAPED = re.compile(r"=(\w+) (.*)", re.DOTALL)


@dataclass(frozen=True)
class Script:
    """A bash script with its variables.

    ``secrets`` are variables, too, but messages never show their values. A script that changes the
    host must be ``exclusive``.
    """

    title: str
    body: str
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    hidden: tuple[str, ...] = field(default=(), repr=False)
    """Other texts that messages must not show."""
    exclusive: bool = True
    timeout: float = 120.0

    def text(self) -> str:
        """Return the text to send: one compound command, which bash runs only if it is complete."""
        assignments = "".join(
            f"{name}={shlex.quote(value)}\n"
            for name, value in (*self.variables.items(), *self.secrets.items())
        )
        lock = f"exclusively {int(self.timeout)}\n" if self.exclusive else ""
        body = f"{_PRELUDE}{assignments}{lock}{self.body}"
        return f"{{\nmain() {{\n{body}\n}}\nmain </dev/null\nexit\n}}\n"

    def redact(self, text: str) -> str:
        """Return the text with secrets replaced by asterisks."""
        for secret in (*self.hidden, *self.secrets.values()):
            for line in secret.splitlines():
                if len(line) > 3:
                    text = text.replace(line, "********")
        return text


@dataclass(frozen=True)
class Output:
    """The output of a script: its values by name, its steps, and all other lines."""

    values: Mapping[str, str]
    steps: tuple[str, ...] = ()
    noise: str = ""


def parse(stdout: str) -> Output:
    """Parse the standard output of a script."""
    values: dict[str, str] = {}
    steps: list[str] = []
    noise: list[str] = []
    for line in stdout.removesuffix("\n").split("\n") if stdout else ():
        if found := _STEP.fullmatch(line):
            steps.append(found[1])
        elif found := _ENCODED.fullmatch(line):
            try:
                values[found[1]] = base64.b64decode(found[2]).decode(errors="replace")
            except binascii.Error:
                noise.append(line)
        elif found := _ESCAPED.fullmatch(line):
            values[found[1]] = unescaped(found[2])
        else:
            noise.append(line)
    return Output(values, tuple(steps), "\n".join(noise))


def unescaped(text: str) -> str:
    """Return a text in which a script has replaced line breaks and backslashes."""
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], text)
