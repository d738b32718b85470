"""Parse the facts that observe.sh reports. Pure."""

import re
from collections.abc import Iterable, Mapping

from hosts.errors import HostError, reading_answer
from hosts.models import Host
from hosts.script import Output, unescaped
from opennebula import conf
from opennebula.conf_grammar import ConfError
from opennebula.database import DatabaseSection
from procedures.facts.fact import columns, finite, parsed
from procedures.facts.facts import Facts, File, KeyFile, Unit, digests
from procedures.facts.traces import TYPICAL, Traces
from procedures.install.storage import Storage


def read(host: Host, names: Iterable[str], output: Output, front_ends: Mapping[str, Host]) -> Facts:
    """Return the facts that observe.sh reports. Raises HostError.

    ``names``: the names that the host resolved. ``front_ends``: see ``Access``.
    """
    with reading_answer(host.name, "observe"):
        found = _read(host, names, output, front_ends)
        # Raise errors of these texts here.
        _ = (found.pool, found.zone_endpoint, found.database)
        return found


def _read(
    host: Host, names: Iterable[str], output: Output, front_ends: Mapping[str, Host]
) -> Facts:
    values = output.values
    oned_conf = values.get("oned", "")
    for text in (oned_conf, values.get("next", "")):
        _check_conf(host, text)
    log_index, log_term, log_begins = map(int, values.get("log", "").split() or (-1, -1, -1))
    staged, staged_schema, replaced, *_ = [*values.get("staged", "").split(), "", "", ""]
    seen = Traces(**parsed(Traces, values))
    on_sqlite = seen.sqlite_bytes > 0 and DatabaseSection.of(oned_conf).is_sqlite
    content = {"users", "identity", "zone", "log"}
    if {*seen.objects} >= TYPICAL and not content <= values.keys():
        # A database with unknown content must not be taken for an empty one.
        raise ValueError("OpenNebula's tables without what is in them")
    if any("\t" not in line for line in values.get("checksums", "").splitlines()):
        raise ValueError("a table without its checksum")
    if len(values.get("upgrading", "").split()) not in (0, 3):
        raise ValueError("a change of the database's version without its three words")
    key_digests = digests(values["key_digests"])
    answers = {name: values.get("resolves_" + re.sub(r"[^A-Za-z0-9]", "_", name)) for name in names}
    return Facts(
        **parsed(Facts, values),
        host=host,
        resolves={name: address for name, address in answers.items() if address},
        # A database that does not answer must not be taken for an empty one.
        has_content=int(values.get("users") or 0) > 0 or bool(values.get("silent")) or on_sqlite,
        identity="sqlite" if on_sqlite else values.get("identity", ""),
        log_index=log_index,
        log_term=log_term,
        log_begins=log_begins,
        files=files(values),
        keeps_hostname=bool(values["keeps_hostname"]) if "keeps_hostname" in values else None,
        units=units(values),
        keys={
            path: KeyFile(int(mode, 8), owner, key_digests.get(path, ""))
            for mode, owner, path in columns(values["keys"], 3)
        },
        grants=seen.accounts.get("localhost", ()),
        schema=seen.sqlite_schema if on_sqlite else values.get("schema", ""),
        staged=staged,
        staged_schema=staged_schema,
        replaced=replaced,
        storage=Storage(**parsed(Storage, values)),
        traces=seen,
        front_ends=front_ends,
    )


def _check_conf(host: Host, text: str) -> None:
    """Raise HostError for a malformed oned.conf, so that all that read it later can rely on it."""
    try:
        server_id = conf.section(text, "FEDERATION").get("SERVER_ID", "-1")
        if not re.fullmatch(r"-?[0-9]{1,9}", server_id):
            raise ConfError(f"SERVER_ID is {server_id!r}")
    except ConfError as error:
        raise HostError(
            host.name,
            "read /etc/one/oned.conf",
            expected="the grammar of OpenNebula's configuration files",
            seen=str(error),
            remedy="correct that line on the host, then run again",
        ) from None


def files(values: Mapping[str, str]) -> dict[str, File]:
    """Return the files by path, as ``give_files`` reports them."""
    found = {}
    # Other line breaks of Unicode may be in the texts.
    for line in filter(None, values.get("files", "").split("\n")):
        mode, owner, path, *text = line.split(" ", 3)
        found[path] = File(unescaped(text[0]) if text else "", int(mode, 8), owner)
    return found


def units(values: Mapping[str, str]) -> dict[str, Unit]:
    """Return the units by name, as ``tell_units`` reports them."""
    found = {}
    uptime = finite(values["uptime"])
    for block in values["units"].split("\n\n"):
        shown = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        entered = int(shown.get("ActiveEnterTimestampMonotonic") or 0) / 1e6
        active = shown.get("ActiveState", "")
        found[shown.get("Id", "").removesuffix(".service")] = Unit(
            shown.get("UnitFileState", ""),
            active,
            restarts=int(shown.get("NRestarts") or 0),
            seconds=max(uptime - entered, 0.0) if active == "active" else 0.0,
            file=shown.get("FragmentPath", ""),
        )
    return found
