"""The package sources of this machine's distribution, from its configuration."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from platform import freedesktop_os_release

from lab.machines.faults import LabFault
from lab.machines.shell import command

ETC = Path("/etc/apt")


@dataclass(frozen=True)
class Source:
    """One suite of one archive."""

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str = ""

    def __str__(self) -> str:
        """Return the source as a line of sources.list."""
        option = f"[signed-by={self.signed_by}] " if self.signed_by else ""
        return f"deb {option}{self.uri} {self.suite} {' '.join(self.components)}"


@cache
def architecture() -> str:
    """Return this machine's Debian architecture."""
    return command(["dpkg", "--print-architecture"]).strip()


def own_sources() -> list[Source]:
    """Return the distribution's sources in apt's configuration, without those of third parties."""
    release = freedesktop_os_release()
    codename = release.get("VERSION_CODENAME", "")
    found = [
        source
        for file in [ETC / "sources.list", *sorted((ETC / "sources.list.d").glob("*"))]
        if file.is_file()
        for source in _parse(file)
        if _is_own(source, codename)
    ]
    if not any(source.suite == codename for source in found):
        raise LabFault(
            f"expected a source for the suite `{codename}` of {release.get('NAME', 'Debian')} "
            f"under {ETC}, found none; the lab makes its hosts from the machine's own sources"
        )
    return list(dict.fromkeys(found))


def _is_own(source: Source, codename: str) -> bool:
    suites = {codename} | {f"{codename}{pocket}" for pocket in ("-updates", "-security")}
    keyring = Path(source.signed_by).name
    return (
        bool(codename)
        and source.suite in suites
        and "main" in source.components
        and (not keyring or keyring.startswith(freedesktop_os_release().get("ID", "debian")))
    )


def _parse(file: Path) -> Iterator[Source]:
    text = file.read_text()
    if file.suffix == ".list":
        yield from _parse_lines(text)
    elif file.suffix == ".sources":
        yield from _parse_stanzas(text)


def _parse_lines(text: str) -> Iterator[Source]:
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<rest>[^#]+)", line)
        if match is None:
            continue
        uri, suite, *components = match["rest"].split()
        signed_by = re.search(r"signed-by=(\S+)", match["options"] or "")
        yield Source(uri, suite, tuple(components), signed_by[1] if signed_by else "")


def _parse_stanzas(text: str) -> Iterator[Source]:
    for stanza in re.split(r"\n\s*\n", text):
        lines = [line for line in stanza.splitlines() if not line.startswith("#")]
        pairs = (line.partition(":") for line in lines)
        fields = {key.strip().lower(): value.strip() for key, _, value in pairs}
        if "deb" not in fields.get("types", "").split():
            continue
        if fields.get("enabled", "yes").lower() in ("no", "false"):
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                components = tuple(fields.get("components", "").split())
                yield Source(uri, suite, components, fields.get("signed-by", ""))
