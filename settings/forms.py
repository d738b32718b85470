"""The forms of texts in a stack's config: a pattern, and words that explain it.

Messages show the words, never the pattern: faults.py looks them up here. The patterns are Rust's
regular expressions: they match ASCII digits and letters where they name them, and have no
look-ahead.
"""

import ipaddress
import json
import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    IPvAnyAddress,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from opennebula import databases
from settings import places
from settings.schedule import is_schedule

WORDS: dict[str, str] = {}
"""Pattern to words: what it allows, with an example."""


def _form(pattern: str, words: str) -> StringConstraints:
    whole = f"^(?:{pattern})$"
    WORDS[whole] = words
    return StringConstraints(pattern=whole)


_SECRETS = re.compile(r"(//)[^/\s]*(?=@)|(\bpass(?:word)?2?=)[^,]*")
"""Passwords in a URL, and among mount options."""
LONGEST = 60
"""Number of characters of a value that a message shows."""


def said(value: Any) -> str:
    """Return a value as messages show it; empty if it is an object or a list."""
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    if not isinstance(value, str):
        return ""
    # Neither a password in a URL nor what follows the first line of a key is for the screen.
    line, *more = _SECRETS.sub(r"\1\2…", value).split("\n")
    line = line if line.isprintable() else json.dumps(line)
    shown = f"{line[:LONGEST]}…" if more or len(line) > LONGEST else line
    return shown or "nothing"


_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_PART = r"(?:[\w@:+,=%~-]|\.[\w@:+,=%~-]|\.\.[\w@:+,=%~.-])[\w@:+,=%~.-]*"
"""One part of a path: not . or .., and no character that a shell or fstab interprets."""
_AUTHORITY = r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
_REST = r"(?:/[A-Za-z0-9._~:/?#@!&()*+,;=%-]*)?"
_PUBLIC_KEY = r"(?:ssh|ecdsa|sk)-[a-z0-9@.-]+[ \t]+[A-Za-z0-9+/]+=*(?:[ \t][^\"\\\n]*)?"


def _refused(why_not: Callable[[str], object], message: str) -> AfterValidator:
    """Refuse a text for which ``why_not`` returns something, ``{why}`` in the message."""

    def check(text: str) -> str:
        if why := why_not(text):
            raise ValueError(message.format(why=why, seen=said(text)))
        return text

    return AfterValidator(check)


def _without_credentials(remedy: str = "") -> BeforeValidator:
    """Refuse a URL with a password in plaintext, without showing the password."""

    def check(url: Any) -> Any:
        if isinstance(url, str) and re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/*[^/?#]*@", url):
            raise ValueError(
                f"expected a URL without a password, which others could read there{remedy}"
            )
        return url

    return BeforeValidator(check)


def _a_check(name: str) -> str:
    # Few stacks skip any: only those load the checks.
    from procedures.preflight.checks import SKIPPABLE  # noqa: PLC0415

    if name not in SKIPPABLE:
        raise ValueError(f"expected one of {', '.join(sorted(SKIPPABLE))}, saw {said(name)}")
    return name


def _ip_version(text: str) -> int | None:
    try:
        return ipaddress.ip_address(text).version
    except ValueError:
        return None


_UNIX_LINES = BeforeValidator(
    lambda text: text.replace("\r\n", "\n") if isinstance(text, str) else text
)
"""For a text of several lines, which may come from a file that was made on Windows."""


def _as_text(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError(f"expected an address in quotes, such as 10.2.50.10, saw {said(value)}")
    return value


LATER = object()
"""In place of an address that is not known yet."""


def _of_front_end(value: Any) -> Any:
    if value is LATER:
        return None
    text = _as_text(value)
    version = _ip_version(text)
    if version == 6:
        why = "front-ends find each other by IPv4; only a VIP may be IPv6"
    elif version is None and re.fullmatch(r"[A-Za-z0-9.-]*[A-Za-z][A-Za-z0-9.-]*", text):
        why = "write the address of that name, which the front-ends keep in /etc/hosts"
    else:
        return text
    raise ValueError(f"expected an IPv4 address, such as 10.2.50.10, saw {said(text)}: {why}")


IPv4 = Annotated[ipaddress.IPv4Address | None, BeforeValidator(_of_front_end)]
IPAny = Annotated[IPvAnyAddress, BeforeValidator(_as_text)]
PUBLIC_KEY = re.compile(_PUBLIC_KEY)
"""One key, as in ~/.ssh/*.pub."""
HostName = Annotated[
    str,
    _form(
        rf"{_LABEL}(?:\.{_LABEL})*",
        "a host name of lower-case letters, digits and inner hyphens, such as n1a1",
    ),
    _refused(
        re.compile(r"[0-9.]+").fullmatch,
        "expected a host name such as n1a1, saw {seen}, which reads as an address",
    ),
]
ServerName = Annotated[
    str,
    _form(
        r"[A-Za-z0-9_](?:[A-Za-z0-9_.: -]{0,126}[A-Za-z0-9_])?",
        "the NAME of a zone server, as onezone show 0 prints it, such as n1a1 or 10.2.50.10",
    ),
]
Identifier = Annotated[
    str,
    _form(
        r"[A-Za-z][A-Za-z0-9_]{0,63}",
        "a letter and at most 63 letters, digits and underscores after it, such as one_1",
    ),
]
DatabaseName = Annotated[
    Identifier,
    _refused(
        databases.why_not_name,
        "expected a database of OpenNebula's own, such as opennebula: {why}",
    ),
]
DatabaseOwner = Annotated[
    Identifier,
    _refused(
        databases.why_not_owner,
        "expected an account of OpenNebula's own, such as oneadmin: {why}",
    ),
]
Version = Annotated[
    str, _form(r"[0-9]+\.[0-9]+(?:\.[0-9]+)?", 'a version in quotes, such as "7.2" or "7.2.1"')
]
ZoneName = Annotated[
    str,
    _form(
        r"[^\s\"\\<>&[:cntrl:]](?:[^\"\\<>&[:cntrl:]]{0,126}[^\s\"\\<>&[:cntrl:]])?",
        "a name of at most 128 characters on one line, without quotes, backslashes, <, > and &,"
        " such as OpenNebula",
    ),
]
Interface = Annotated[
    str,
    _form(
        r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}",
        "a network interface of at most 15 letters, digits and _.-, such as eth0 or bond0.100",
    ),
]
Program = Annotated[
    str,
    _form(
        rf"(?:/?{_PART})(?:/{_PART})*",
        "the path of a program without arguments, blanks and .., such as raft/vip.sh",
    ),
]
Url = Annotated[
    str,
    _without_credentials(),
    _form(
        rf"https?://{_AUTHORITY}{_REST}",
        "a URL with http:// or https:// and without blanks, such as http://one.example.org:2633/RPC2",
    ),
]
Mirror = Annotated[
    str,
    _without_credentials("; pulumi config set --secret one_token is for user:password"),
    _form(
        rf"https?://{_AUTHORITY}{_REST}|file://(?:/{_PART})+",
        "a URL with http:// or https:// (or file:/// for a folder on the hosts) and without blanks,"
        " such as https://mirror.example.org/opennebula/repo",
    ),
]
Proxy = Annotated[
    str,
    _without_credentials(),
    _form(
        rf"https?://{_AUTHORITY}/?",
        "a URL of a host and its port alone, such as http://10.2.11.1:3142",
    ),
]
Folder = Annotated[
    str,
    _form(
        rf"(?:/{_PART})+",
        "an absolute path such as /mnt/one: no blanks, quotes or backslashes, no . or .. in it, no"
        " //, no / at its end",
    ),
]


MountPoint = Annotated[Folder, _refused(places.why_not, "{why}: " + places.MOUNT_ELSEWHERE)]
DatastorePath = Annotated[Folder, _refused(places.why_not, "{why}: " + places.KEEP_ELSEWHERE)]
MountSource = Annotated[
    str,
    _form(
        r"[^\s#\"'`\\[:cntrl:]](?:[^\s\"'`\\[:cntrl:]]|\\040)*",
        "what to mount, without blanks and quotes (\\040 is a blank), such as 10.2.50.1:/nfs/one",
    ),
]
FileSystem = Annotated[
    str, _form(r"[a-z0-9][a-z0-9._-]*", "a type of file system, such as nfs or ext4")
]
MountOptions = Annotated[
    str,
    _form(
        r"[A-Za-z0-9_][A-Za-z0-9_.,:;=/@%+\[\]-]*",
        "options with commas and without blanks, such as rw,relatime",
    ),
]
Owner = Annotated[
    str,
    _form(
        r"[a-z0-9_][a-z0-9_-]{0,31}",
        "the name or number of an account or group on the hosts, such as oneadmin or 9869",
    ),
    BeforeValidator(lambda value: str(value) if type(value) is int else value),
]
Mode = Annotated[str, _form(r"0?[0-7]{3}", 'three octal digits in quotes, such as "0750"')]
Account = Annotated[
    str,
    _form(
        r"[a-z_][a-z0-9_-]{0,31}",
        "an account of the hosts: lower-case letters, digits, _ and -, such as ubuntu",
    ),
]
TimeZone = Annotated[
    str,
    _form(
        r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*", "a time zone, such as UTC or Europe/Berlin"
    ),
]
LocaleSetting = Annotated[
    str,
    _form(
        r"(?:[A-Z_]+=)?[A-Za-z][A-Za-z0-9_.:@-]*",
        "a locale or a variable of it, such as C.UTF-8 or LC_TIME=C.UTF-8",
    ),
]
TimeServer = Annotated[
    str,
    _form(
        r"[A-Za-z0-9](?:[A-Za-z0-9_.:-]*[A-Za-z0-9])?",
        "a host name or address without options, such as pool.ntp.org",
    ),
]
StepName = Annotated[
    str,
    _form(
        r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?",
        "lower-case letters, digits and inner hyphens, such as vm-log",
    ),
]
Script = Annotated[
    str,
    _UNIX_LINES,
    _form(r"[^\x00]*[^\s\x00][^\x00]*", "a command, such as sudo systemctl reload rsyslog"),
]
PublicKeys = Annotated[
    str,
    _UNIX_LINES,
    _form(
        rf"leader|none|(?:{_PUBLIC_KEY}\n?|#[^\"\\\n]*\n?|\n)+",
        "public keys, one a line as in authorized_keys without options (ssh-ed25519 AAAA… name),"
        " leader, or none",
    ),
]
SigningKey = Annotated[
    str,
    _UNIX_LINES,
    _form(
        r"(?s:\s*-----BEGIN PGP PUBLIC KEY BLOCK-----.+)",
        "an armored public key, which begins with -----BEGIN PGP PUBLIC KEY BLOCK-----",
    ),
]
DumpPath = Annotated[
    str,
    _form(
        r"/[^[:cntrl:]]*", "the absolute path of a dump on your machine, such as /srv/dumps/one.sql"
    ),
]
CopyFolder = Annotated[Folder, _refused(places.why_not, "{why}: " + places.COPY_ELSEWHERE)]
Schedule = Annotated[
    str,
    _refused(
        lambda text: not is_schedule(text),
        "expected times as in systemd's OnCalendar, such as daily, *-*-* 03:00 or"
        " Mon..Fri 22:30, and not every minute; saw {seen}",
    ),
]
CheckName = Annotated[str, AfterValidator(_a_check)]
Listening = Annotated[
    str,
    _refused(
        lambda text: _ip_version(text) is None,
        "expected an address of the host, such as 0.0.0.0, saw {seen}",
    ),
]
Scalar = str | int | float | bool


def _in_words(expected: str) -> WrapValidator:
    """Replace pydantic's messages, one for each possible type, by a single one."""

    def check_it(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
        try:
            return check(value)
        except ValidationError:
            raise ValueError(f"expected {expected}") from None

    return WrapValidator(check_it)


Vector = Annotated[dict[Identifier, Scalar | None], Field(min_length=1)]
Attribute = Annotated[
    Scalar | Vector | Annotated[list[Scalar | Vector], Field(min_length=1)] | None,
    _in_words(
        "a value, null, an object of values, or a list of values or objects, none of them empty"
    ),
]
Section = Annotated[
    Scalar | dict[Identifier, Any], _in_words("a value, or an object such as {POLICY: PACK}")
]
