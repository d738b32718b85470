"""Convert options of OpenSSH in an inventory, such as ssh_common_args. Pure."""

import getopt
import shlex
from dataclasses import dataclass, field
from string import ascii_letters, digits

_WITH_VALUE = "BbcDEeFIiJLlmOopQRSWw"
"""Letters of ssh's options that take a value."""
_LETTERS = "".join(f"{one}:" if one in _WITH_VALUE else one for one in ascii_letters + digits)
_QUIET = "46aCKNnqSTtvXxYy"
"""Letters of options that only change how a connection behaves."""
_AS_OPTION = {"J": "proxyjump", "i": "identityfile", "l": "user", "p": "port"}
_IDLE = {
    *("controlmaster", "controlpath", "controlpersist", "compression", "loglevel", "tcpkeepalive"),
    *("connecttimeout", "connectionattempts", "serveraliveinterval", "serveralivecountmax"),
    *("preferredauthentications", "pubkeyauthentication", "passwordauthentication"),
    *("identitiesonly", "gssapiauthentication", "batchmode", "requesttty", "addkeystoagent"),
    *("kbdinteractiveauthentication", "updatehostkeys", "checkhostip", "visualhostkey"),
    *("hostkeyalgorithms", "pubkeyacceptedkeytypes", "pubkeyacceptedalgorithms", "escapechar"),
}
"""Settings that only change how a connection behaves: the program decides that itself."""


@dataclass
class SshArgs:
    """The meaning of the options for a stack."""

    hops: list[str] = field(default_factory=list)
    """Jump hosts, in order."""
    key_file: str = ""
    known_hosts: str = ""
    user: str = ""
    port: str = ""
    config_file: str = ""
    """The configuration file of -F."""
    forward_agent: bool = False
    unverified: bool = False
    """Whether host keys are not verified, or accepted when first seen."""
    idle: list[str] = field(default_factory=list)
    """Options without a meaning here."""
    unknown: list[str] = field(default_factory=list)
    """Options for which the stack has no key."""


def parse(text: str) -> SshArgs:
    """Parse the options. Never raises an error."""
    found = SshArgs()
    options, others = _split(text)
    for letter, value in options:
        _take(found, letter, value)
    found.unknown += others
    return found


def _split(text: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the options as letters with values, and all other words."""
    try:
        options, others = getopt.gnu_getopt(shlex.split(text), _LETTERS)
    except ValueError:
        return [], ["a quote that does not end"]
    except getopt.GetoptError as error:
        return [], [error.msg]
    return [(option[1], value) for option, value in options], others


def _take(found: SshArgs, letter: str, value: str) -> None:
    match letter:
        case "o":
            name, _, setting = value.replace("=", " ", 1).strip().partition(" ")
            _option(found, name.lower(), setting.strip().strip('"'), value)
        case _ if letter in _AS_OPTION:
            _option(found, _AS_OPTION[letter], value, value)
        case "A":
            found.forward_agent = True
        case "F":
            found.config_file = value if value not in ("/dev/null", "none") else ""
        case _ if letter in _QUIET:
            found.idle.append(f"-{letter}")
        case _:
            found.unknown.append(f"-{letter} {value}".rstrip())


def _option(found: SshArgs, name: str, setting: str, whole: str) -> None:
    match name:
        case "proxyjump":
            found.hops += _hops(setting)
        case "proxycommand":
            if setting.lower() != "none" and not _jumps(found, setting):
                found.unknown.append(
                    f"ProxyCommand with {setting.split(maxsplit=1)[0] if setting else 'nothing'}"
                )
        case "userknownhostsfile" if not setting.startswith("/dev/null"):
            found.known_hosts = setting.split(maxsplit=1)[0] if setting else ""
        case "userknownhostsfile":
            found.unverified = True
        case "stricthostkeychecking":
            found.unverified |= setting.lower() in ("no", "off", "accept-new")
        case "forwardagent":
            found.forward_agent |= setting.lower() == "yes"
        case "identityfile" | "user" | "port":
            setattr(found, {"identityfile": "key_file"}.get(name, name), setting)
        case _:
            (found.idle if name in _IDLE else found.unknown).append(f"-o {whole}")


def _hops(text: str) -> list[str]:
    hops = (item.strip().removeprefix("ssh://").rstrip("/") for item in text.split(","))
    return [item for item in hops if item and item.lower() != "none"]


def _jumps(found: SshArgs, command: str) -> bool:
    """Add the jump host of a ProxyCommand that is a forwarding ssh; return whether it is one."""
    options, others = _split(command)
    program, host, *then = [*others, "", ""]
    forwards = "W" in dict(options) or then[:1] in (["nc"], ["netcat"], ["ncat"])
    if program.rsplit("/", 1)[-1] != "ssh" or not host or not forwards:
        return False
    inner = SshArgs()
    for letter, value in options:
        if letter != "W":
            _take(inner, letter, value)
    host = host.removeprefix("ssh://").rstrip("/")
    host = f"{inner.user}@{host}" if inner.user and "@" not in host else host
    host = f"{host}:{inner.port}" if inner.port and ":" not in host else host
    found.hops += [*inner.hops, host]
    found.unverified |= inner.unverified
    found.config_file = inner.config_file or found.config_file
    found.unknown += inner.unknown
    if inner.key_file:
        found.unknown.append(f"the jump host's own key {inner.key_file}")
    return True
