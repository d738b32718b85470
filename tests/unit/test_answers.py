"""Any answer of a host: its reader returns facts or a typed error, in time."""

import base64
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hosts.errors import HostError
from hosts.models import Host
from hosts.script import Output, parse
from opennebula import conf, wire
from opennebula.api import Api, ApiError
from opennebula.conf_grammar import ConfError
from opennebula.zone import ServerEntry
from procedures import host_drift, replica_drift
from procedures.context import Access, Secrets
from procedures.facts import observe, report, signs
from procedures.install import storage
from procedures.preflight.probe import read_probe
from procedures.specs import Database
from tests.runs import examples
from tests.unit.test_preflight import values
from tests.unit.test_procedures import SHIPPED, spec

HOST = Host(name="n1a1", address="10.2.50.10")
DATABASE = Database(backend="MariaDB", name="opennebula", owner="oneadmin")
POOL = (
    "<ZONE><ID>0</ID><NAME>OpenNebula</NAME><TEMPLATE><ENDPOINT>http://one:2633/RPC2</ENDPOINT>"
    "</TEMPLATE><SERVER_POOL><SERVER><ID>0</ID><NAME>n1a1</NAME><ENDPOINT>http://n1a1:2633/RPC2"
    "</ENDPOINT></SERVER></SERVER_POOL></ZONE>"
)
TOLD = values(
    "n1a1",
    login="ubuntu",
    groups="ubuntu\nsudo",
    sshd="10.2.50.11 allowusers ubuntu@10.2.50.1",
    locales="C\nC.utf8",
    own_name="n1a1 10.2.50.10",
    environment="http_proxy=http://p:3128",
    vip_files="10.2.50.86 /etc/netplan/50.yaml",
    password_policy="simple_password_check_digits 1",
    hostname="n1a1 n1a1",
    timezone="UTC",
    pin="7.2.*",
    resolves_n1a1="10.2.50.10",
    units="Id=opennebula.service\nActiveState=active\nUnitFileState=enabled\nNRestarts=0\n"
    "ActiveEnterTimestampMonotonic=5000000\n\nId=mariadb.service\nActiveState=active",
    fstab="10.2.50.1:/one /mnt/one nfs rw 0 0",
    mounted="/mnt/one 9869 oneadmin 9869 oneadmin 750 n1a1=3",
    links="1 /mnt/one",
    own_links="1 /mnt/one",
    oned=SHIPPED,
    files=f"640 root:oneadmin /etc/one/monitord.conf {base64.b64encode(b'PORT = 4124').decode()}",
    keys="600 oneadmin:oneadmin /var/lib/one/.one/one_auth",
    key_digests=f"{'a' * 64}  /var/lib/one/.one/one_auth",
    backups="4711 /var/backups/opennebula/20261101-a.sql.zst",
    databases="40 3 opennebula",
    objects="db_versioning\nuser_pool\nzone_pool",
    accounts="@localhost\nGRANT USAGE ON *.* TO `oneadmin`@`localhost`",
    schema="7.2.0",
    users="2",
    identity="one",
    zone=POOL,
    zones="0 OpenNebula",
    zone_changed="1000",
    log="12 3 1",
    checksums="opennebula.user_pool\t123",
    remotes=f"{'b' * 64}  /var/lib/one/remotes/hooks",
    staged="7.4.0 7.4.0 7.2.0",
    upgrading="n1a1 7.4.0-1 7.4.0",
    sqlite="0 ",
)
"""What the scripts print about a front-end of a zone."""

NASTY = st.sampled_from(
    [
        *("", "\0", "\x1b[2J", "\ufffd", "\u0663", "-", "--5", "nan", "inf", "1e999", "9" * 5000),
        *(
            "Welcome to n1a1!\n",
            "\n\n",
            " ",
            "=",
            "[",
            '"',
            "]]>",
            "<!DOCTYPE x [<!ENTITY a 'b'>]>",
        ),
        *("é", "1.234,5", "x" * 20000, "<a>" * 2000, "²"),
    ]
)


@st.composite
def broken(draw: st.DrawFn, text: str) -> str:
    """Return a text as it is after a fault in the connection or on the host."""
    at = draw(st.integers(0, len(text)))
    way = draw(st.sampled_from(["cut", "begin", "inside", "replace", "any", "nothing", "twice"]))
    return {
        "cut": text[:at],
        "begin": text[at:],
        "inside": text[:at] + draw(NASTY) + text[at:],
        "replace": text[:at] + draw(NASTY) + text[at + 1 :],
        "any": draw(st.text(max_size=20)),
        "nothing": "",
        "twice": text + text,
    }[way]


@st.composite
def answers(draw: st.DrawFn) -> dict[str, str]:
    """Return the answer of a host with a few faults in it."""
    told = dict(TOLD)
    for name in draw(st.lists(st.sampled_from(sorted(TOLD)), min_size=1, max_size=3)):
        if draw(st.integers(0, 4)) == 0:
            told.pop(name, None)
        elif name in told:
            told[name] = draw(broken(told[name]))
    return told


def access_to(told: Mapping[str, str]) -> Access:
    """Make an access to a host whose scripts all print that."""
    connection = SimpleNamespace(run=lambda *_, **__: Output(told))
    pool = cast(Any, SimpleNamespace(connection=lambda _: connection))
    return Access(pool, Secrets("a", "b"), print)


def as_output(told: Mapping[str, str]) -> Output:
    """Parse the answer of a script as a procedure gets it."""
    return access_to(told).run(HOST, "read_one_auth", exclusive=False)


def test_the_sample_is_read_completely() -> None:
    seen = report.read(HOST, ["n1a1"], as_output(TOLD), {})
    assert (seen.has_content, seen.log_index, seen.server_id) == (True, 12, -1)
    assert [entry.name for entry in seen.pool] == ["n1a1"]
    assert read_probe(TOLD, 1000, 1003).login == "ubuntu"


@settings(max_examples=examples(200))
@given(answers())
def test_facts_are_read_or_refused(told: dict[str, str]) -> None:
    try:
        seen = report.read(HOST, ["n1a1"], as_output(told), {})
    except HostError as error:
        assert error.host == "n1a1"
        assert len(str(error)) < 5000
        assert all(line.isprintable() for line in str(error).splitlines())
        return
    # Code that reads them later raises nothing else either.
    seen.view(None)
    assert isinstance(seen.server_id, int)
    assert (seen.zone_endpoint, seen.zone_grpc) is not None
    assert str(seen.database)
    for new in (True, False):
        signs.signs(seen, DATABASE, new=new)
    replica_drift.tables(seen, seen)
    replica_drift.mismatches(seen, seen, ServerEntry(0, "n1a1", ""))
    with suppress(HostError):
        host_drift.drift(seen, spec(), Secrets("a", "b"))
        storage.require_same({"n1a1": seen.storage})
    # A database with OpenNebula's tables is never treated as an empty one.
    if told.get("objects") == TOLD["objects"] and told.get("users") == "2":
        assert seen.has_content


@pytest.mark.parametrize("lost", ["users", "identity", "zone", "log"])
def test_a_partial_answer_about_a_database_does_not_mean_empty(
    lost: str,
) -> None:
    told = {name: value for name, value in TOLD.items() if name != lost}
    with pytest.raises(HostError) as caught:
        report.read(HOST, [], as_output(told), {})
    assert caught.value.step == "observe"


def test_a_database_without_checksums_does_not_count_as_equal() -> None:
    access = access_to({**TOLD, "checksums": ""})
    assert observe.facts(access, HOST, DATABASE).checksums == ""
    with pytest.raises(HostError) as caught:
        observe.facts(access, HOST, DATABASE, checksums=True)
    assert caught.value.seen == "no checksum"


@settings(max_examples=examples(100))
@given(answers())
def test_a_probe_is_read_or_refused(told: dict[str, str]) -> None:
    from hosts.errors import reading_answer  # noqa: PLC0415

    try:
        with reading_answer("n1a1", "preflight"):
            probe = read_probe(as_output(told).values, 1000, 1003)
    except HostError:
        return
    # Not NaN, which would pass each check.
    assert probe.clock.ahead == probe.clock.ahead
    assert probe.clock.doubt >= 0


@pytest.mark.parametrize("name", ["begun", "ended"])
@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e999"])
def test_a_clock_without_a_time_is_refused(name: str, number: str) -> None:
    with pytest.raises(ValueError, match="finite"):
        read_probe({**TOLD, name: number}, 1000, 1003)
    with pytest.raises(ValueError, match="finite"):
        report.units({**TOLD, "uptime": number})


@settings(max_examples=examples(100))
@given(st.one_of(st.text(), st.lists(NASTY | st.sampled_from(["#step\n", "=a b\\n\\", "@b %%=\n",
    "@c YQ==\n", "=d \\"]), max_size=6).map("".join)))  # fmt: skip
def test_any_output_of_a_script_is_parsed(text: str) -> None:
    output = parse(text)
    assert isinstance(output.noise, str)


def test_a_value_that_a_script_did_not_return_is_an_error() -> None:
    output = as_output({"one": "1"})
    assert output.values.get("two", "") == ""
    with pytest.raises(HostError) as caught:
        _ = output.values["two"]
    assert (caught.value.host, caught.value.expected) == ("n1a1", "'two' in the answer of the host")


@settings(max_examples=examples(100))
@given(broken(SHIPPED), st.sampled_from(["DB", "FEDERATION", "LOG", "X"]))
def test_an_oned_conf_is_read_or_refused(text: str, name: str) -> None:
    with suppress(ConfError):
        conf.read(text, name)


# oned's API

STATUS = (
    "<RAFT><SERVER_ID>0</SERVER_ID><STATE>3</STATE><TERM>4</TERM><VOTEDFOR>0</VOTEDFOR>"
    "<COMMIT>9</COMMIT><LOG_INDEX>9</LOG_INDEX></RAFT>"
)


def reply(body: str, *, success: str = "1", code: str = "0") -> bytes:
    """Return a complete answer of oned."""
    escaped = body.replace("&", "&amp;").replace("<", "&lt;")
    text = (
        "<?xml version='1.0'?><methodResponse><params><param><value><array><data>"
        f"<value><boolean>{success}</boolean></value><value><string>{escaped}</string></value>"
        f"<value><i4>{code}</i4></value></data></array></value></param></params></methodResponse>"
    ).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text


class Oned:
    """A stream that answers with these parts, then ends."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts

    def sendall(self, data: bytes) -> None:
        pass

    def recv(self, size: int) -> bytes:
        return next(self._parts, b"")[:size]

    def close(self) -> None:
        pass


def asked(answer: bytes) -> list[object]:
    """Return the result of every reading call: a value, or an ApiError."""
    api = Api(
        "word", lambda: Oned(iter([answer[at : at + 60000] for at in range(0, len(answer), 60000)]))
    )
    calls = (api.raft_status, api.servers, api.zone, api.public_key, api.version)
    found: list[object] = []
    for call in (*calls, lambda: api.has_password("x"), lambda: api.admit("x")):
        try:
            found.append(call())
        except ApiError as error:
            found.append(error)
    return found


def test_a_complete_answer_is_read() -> None:
    status = asked(reply(STATUS))[0]
    assert cast(Any, status).term == 4
    assert [entry.name for entry in cast(Any, asked(reply(POOL))[1])] == ["n1a1"]


@settings(max_examples=examples(40))
@given(
    st.sampled_from([STATUS, POOL]).flatmap(broken).map(reply)
    | broken(reply(STATUS).decode()).map(lambda text: text.encode(errors="surrogatepass"))
    | st.binary(max_size=200)
    | st.sampled_from([reply(STATUS, code="256", success="0"), reply("", success="x"), b""])
)
def test_a_malformed_answer_is_an_api_error(answer: bytes) -> None:
    assert len(asked(answer)) == 7


def test_a_state_that_is_no_number_is_an_api_error() -> None:
    answers = asked(reply(STATUS.replace("<STATE>3", "<STATE>\ufffd")))
    assert isinstance(answers[0], ApiError)


def test_an_answer_of_gigabytes_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MOST", 1 << 20)

    def endless(start: bytes) -> Iterator[bytes]:
        yield start
        while True:
            yield b"x" * 60000

    head = b"HTTP/1.1 200 OK\r\n"
    for start in (
        b"",
        head + b"\r\n",
        head + b"Content-Length: 9999999999\r\n\r\n",
        head + b"Transfer-Encoding: chunked\r\n\r\nfffffff\r\n",
    ):
        api = Api("word", lambda start=start: Oned(endless(start)))  # type: ignore[misc]
        with pytest.raises(ApiError):
            api.raft_status()


def test_an_endless_slow_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "ANSWER", 0.2)

    def dripping() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        while True:
            threading.Event().wait(0.01)
            yield b" "

    began = time.monotonic()
    with pytest.raises(ApiError, match="timed out"):
        Api("word", lambda: Oned(dripping())).raft_status()
    assert time.monotonic() - began < 5
