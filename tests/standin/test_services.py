"""OneGate, OneFlow, OneForm and FireEdge next to an oned: access, and their error messages."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from lab.standin.build import HERE, gate_settings_since_74
from lab.standin.guest import cipher, jwt, wire
from lab.standin.guest.fireedge import FireEdge
from lab.standin.guest.gate import Gate
from lab.standin.guest.service import ServiceError, read_settings
from tests.standin.servers import Server, ended, sqlite_servers
from tests.standin.services import BASIC, FILES, Service

MakeService = Callable[..., Service]

GOOD = {"gate": ("/", {}), "flow": ("/service", BASIC), "form": ("/api/v1/provisions", BASIC)}
"""A request to each that succeeds in a healthy zone."""
WRONG = "serveradmin:of another zone\n"
REFUSED = "User couldn't be authenticated"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Make a server whose oned is not started."""
    with ended(sqlite_servers(tmp_path, ["a"])) as (only,):
        only.prepare()
        yield only


@pytest.fixture
def oned(server: Server) -> Server:
    """Start the server's oned, which makes the credentials."""
    server.start()
    return server


@pytest.fixture
def make(server: Server) -> Iterator[MakeService]:
    """Make services of that server; they end after the test."""
    made: list[Service] = []

    def service(name: str, beside: Server = server, host: str = "127.0.0.1") -> Service:
        made.append(Service(beside, name, host))
        return made[-1]

    yield service
    for one in made:
        one.kill()


def auth(server: Server, name: str) -> Path:
    return server.home / "var/.one" / f"{name}_auth"


# ---- configuration ----


SHIPPED = [
    path
    for path in sorted(HERE.glob("packages/opennebula-*/root*/etc/one/**/*"))
    if path.suffix in (".conf", ".yaml")
]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda path: path.name)
def test_the_packaged_file_can_be_read(file: Path) -> None:
    assert read_settings(file)


def test_gate_listens_where_its_release_reads_the_address() -> None:
    file = HERE / "packages/opennebula-gate/root/etc/one/onegate-server.conf"
    before, since = read_settings(file), yaml.safe_load(gate_settings_since_74(file.read_text()))
    assert Gate.address(before, "7.2.0") == ("127.0.0.1", 5030)
    assert Gate.address(since, "7.4.0") == ("127.0.0.1", 5030)
    # A former file that was not removed.
    assert Gate.address(before, "7.4.0") == ("localhost", 4567)
    with pytest.raises(ServiceError, match=":host and :port"):
        Gate.address(since, "7.2.0")


@pytest.mark.parametrize("name", FILES)
def test_each_listens_only_at_its_configured_address(
    make: MakeService, oned: Server, name: str
) -> None:
    service = make(name, host="127.0.0.2").start()
    assert service.get("/").headers["Server"] == f"opennebula-{name} ({socket.gethostname()})"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", service.port), 5)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_address_ends_the_start(make: MakeService, oned: Server, name: str) -> None:
    # Of the block for documentation: no host has it.
    assert "Cannot assign requested address" in make(name, host="192.0.2.1").start_and_fail()


@pytest.mark.parametrize("name", GOOD)
def test_an_unreadable_configuration_ends_the_start(make: MakeService, name: str) -> None:
    service = make(name)
    for text in ("one_xmlrpc http://localhost\n", ":host: 0.0.0.0\n:port 1\n"):
        service.file.write_text(text)
        assert f"Error parsing config file {service.file}: " in service.start_and_fail()


# ---- Gate, Flow, Form ----


@pytest.mark.parametrize("name", GOOD)
def test_each_answers_with_the_credentials_of_the_zone(
    make: MakeService, oned: Server, name: str
) -> None:
    path, login = GOOD[name]
    answer = make(name).start().get(path, login)
    assert answer.status == 200, answer
    assert not answer.reason


@pytest.mark.parametrize(("name", "status"), [("gate", 401), ("flow", 403)])
def test_credentials_of_another_zone_fail_at_the_first_request(
    make: MakeService, oned: Server, name: str, status: int
) -> None:
    auth(oned, f"one{name}").write_text(WRONG)
    path, login = GOOD[name]
    service = make(name).start()
    answer = service.get(path, login)
    assert answer.status == status
    assert REFUSED in answer.reason
    assert REFUSED in (oned.home / f"var/one{name}.log").read_text()


def test_form_does_not_start_with_credentials_of_another_zone(
    make: MakeService, oned: Server
) -> None:
    auth(oned, "oneform").write_text(WRONG)
    form = make("form").start()
    assert form.get(*GOOD["form"]).status == 200, "it reads the file of Flow"
    form.kill()
    auth(oned, "oneflow").write_text(WRONG)
    assert f"Server startup failed ensuring onprem provider: [one.documentpool.info] {REFUSED}" in (
        form.start_and_fail()
    )


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("content", [None, "serveradmin\n"])
def test_without_credentials_no_service_starts(
    make: MakeService, server: Server, name: str, content: str | None
) -> None:
    for kind in ("onegate", "oneflow") if content else ():
        auth(server, kind).write_text(str(content))
    said = make(name).start_and_fail()
    assert "Error initializing authentication system" in said
    assert ("Bad format" if content else "No such file") in said


def test_without_oned_gate_and_flow_start_and_form_does_not(
    make: MakeService, oned: Server
) -> None:
    oned.stop()
    gate, flow = make("gate").start(), make("flow").start()
    assert "Connection refused" in make("form").start_and_fail()
    for service in (gate, flow):
        answer = service.get(*GOOD[service.name])
        assert answer.status == 401
        assert "Connection refused" in answer.reason
    oned.start()
    assert gate.get(*GOOD["gate"]).status == flow.get(*GOOD["flow"]).status == 200


def test_flow_and_form_accept_a_users_password(make: MakeService, oned: Server) -> None:
    for name in ("flow", "form"):
        service = make(name).start()
        path, _ = GOOD[name]
        assert service.get(path).status == 401
        wrong = service.get(path, {"Authorization": "Basic b25lYWRtaW46d3Jvbmc="})
        assert (wrong.status, wrong.body) == (401, "Invalid credentials")
        assert service.get("/elsewhere", BASIC).status == 404


def test_gate_knows_no_machine(make: MakeService, oned: Server) -> None:
    gate = make("gate").start()
    answer = gate.get("/", {"X-ONEGATE-TOKEN": "c2VjcmV0", "X-ONEGATE-VMID": "0"})
    assert (answer.status, answer.body) == (401, "Not authorized")
    told = gate.get("/", {"Host": "10.2.50.86:5030"}).data
    assert told["vm_info"] == "http://10.2.50.86:5030/vm"


# ---- how they log in ----


def test_server_sessions(oned: Server) -> None:
    oned.ask("one.user.allocate", "alice", "secret", "", [1])
    admin = cipher.read_server_auth(auth(oned, "sunstone"))

    def asks(session: str) -> str:
        answer = wire.call(oned.endpoint, "one.user.info", [session, -1], 20)
        return str(answer[1]) if answer[0] else f"refused: {answer[1]}"

    assert "<NAME>serveradmin</NAME>" in asks(admin.session())
    assert "<NAME>alice</NAME>" in asks(admin.session("alice"))
    assert REFUSED in asks(admin.session("nobody"))
    assert REFUSED in asks(admin.session("alice", seconds=-1))
    assert REFUSED in asks(cipher.ServerCipher("serveradmin", "other").session("alice"))
    assert REFUSED in asks("serveradmin:alice:not a token")
    assert REFUSED in asks(f"serveradmin:{admin.secret}")
    assert REFUSED in asks("serveradmin:")


def test_the_cipher_is_that_of_openssl() -> None:
    digest = cipher.ServerCipher("serveradmin", "secret").digest
    # printf serveradmin:oneadmin:1 | openssl enc -aes-256-cbc -base64 -K … -iv …
    assert (
        cipher.encrypt(digest, "serveradmin:oneadmin:1")
        == "AvGCwAdpqWMM7hS5fchDeWWjHz+QhnzwBL8iJEkZ/c4="
    )
    assert cipher.decrypt(digest, cipher.encrypt(digest, "x" * 16)) == "x" * 16


# ---- FireEdge ----


def test_a_user_logs_in_and_the_session_is_known(make: MakeService, oned: Server) -> None:
    fireedge = make("fireedge").start()
    assert fireedge.get("/").headers["Location"] == "/fireedge/sunstone"
    assert fireedge.get("/fireedge/sunstone").status == 200
    assert fireedge.get("/fireedge/api/user/info").status == 401
    answer = fireedge.log_in()
    assert (answer.status, answer.data["data"]) == (200, {"status": "ok"})
    seen = fireedge.get("/fireedge/api/user/info", answer.cookie)
    assert (seen.status, seen.data["data"]["USER"]["NAME"]) == (200, "oneadmin")
    assert fireedge.get("/fireedge/api/user/info/9", answer.cookie).status == 404
    wrong = fireedge.log_in(token="wrong")
    assert (wrong.status, wrong.data["message"]) == (401, "core user not found")
    assert REFUSED in wrong.reason


def test_without_the_credentials_of_the_zone_no_user_logs_in(
    make: MakeService, oned: Server
) -> None:
    fireedge = make("fireedge").start()
    good = auth(oned, "sunstone").read_text()
    for content in (WRONG, "serveradmin"):
        auth(oned, "sunstone").write_text(content)
        answer = fireedge.log_in()
        assert answer.status == 500
        assert "sunstone_auth" in answer.reason
        assert "sunstone_auth" in fireedge.stderr
    # It reads them again.
    auth(oned, "sunstone").write_text(good)
    assert fireedge.log_in().status == 200


def test_without_oned_fireedge_starts_and_refuses_logins(make: MakeService, oned: Server) -> None:
    oned.stop()
    fireedge = make("fireedge").start()
    assert fireedge.get("/fireedge/sunstone").status == 200
    answer = fireedge.log_in()
    assert answer.status == 500
    assert "Connection refused" in answer.reason


def test_fireedge_makes_a_key_if_it_has_none(make: MakeService, oned: Server) -> None:
    key = oned.home / "var/.one/fireedge_key"
    fireedge = make("fireedge").start()
    made = key.read_text()
    assert len(made) == 32
    assert made == made.strip().upper()
    token = fireedge.log_in().cookie
    fireedge.kill()
    fireedge.start()
    assert key.read_text() == made
    answer = fireedge.get("/fireedge/api/user/info", token)
    assert answer.data == {"data": "expired"}, "what it knew of sessions is gone with it"
    fireedge.kill()
    key.write_text("")
    fireedge.start()
    assert fireedge.log_in().status == 200
    assert key.read_text() == "", "beside an empty file it keeps its key to itself"


def test_a_shared_key_makes_tokens_valid_everywhere_but_not_sessions(
    make: MakeService, oned: Server, tmp_path: Path
) -> None:
    first = make("fireedge").start()
    second_home = Server("b", tmp_path / "b", oned.port, "")
    second_home.prepare()
    for name in ("fireedge_key", "sunstone_auth"):
        (second_home.home / "var/.one" / name).write_bytes(
            (oned.home / "var/.one" / name).read_bytes()
        )
    second = make("fireedge", second_home).start()
    token = first.log_in().cookie
    assert first.get("/fireedge/api/user/info", token).status == 200
    elsewhere = second.get("/fireedge/api/user/info", token)
    assert (elsewhere.status, elsewhere.data) == (401, {"data": "expired"})

    second.kill()
    (second_home.home / "var/.one/fireedge_key").unlink()
    second.start()
    strange = second.get("/fireedge/api/user/info", token)
    assert (strange.status, strange.data["message"]) == (401, "Unauthorized")
    assert "Signature" in strange.reason


def test_after_the_first_login_fireedge_asks_the_zones_endpoint(
    make: MakeService, oned: Server
) -> None:
    oned.ask("one.zone.update", 0, 'ENDPOINT="http://127.0.0.1:1/RPC2"', 1)
    fireedge = make("fireedge").start()
    token = fireedge.log_in().cookie
    answer = fireedge.get("/fireedge/api/user/info", token)
    assert answer.status == 500
    assert "127.0.0.1:1" in answer.reason
    oned.ask("one.zone.update", 0, f'ENDPOINT="{oned.endpoint}"', 1)
    assert fireedge.log_in().status == 500, "it does not learn a new one"
    fireedge.kill()
    fireedge.start()
    assert fireedge.get("/fireedge/api/user/info", fireedge.log_in().cookie).status == 200


def test_an_unreadable_configuration_leaves_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "fireedge-server.conf"
    file.write_text("port: 1234\nsession_expiration: 1\n")
    fireedge = FireEdge(file, tmp_path)
    assert (fireedge.settings()["port"], fireedge.settings()["session_expiration"]) == (1234, 1)
    file.write_text("port 1234\n")
    assert fireedge.settings()["port"] == 2616


def test_a_session_ends(make: MakeService, oned: Server) -> None:
    fireedge = make("fireedge")
    fireedge.configure(fireedge.settings, session_expiration=0)
    fireedge.start()
    answer = fireedge.log_in()
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert fireedge.get("/fireedge/api/user/info", answer.cookie).data == {"data": "expired"}


@pytest.mark.parametrize("token", ["", "a.b", "a.b.c", "a.b.ç"])
def test_values_that_are_not_tokens_of_the_key(token: str) -> None:
    with pytest.raises(ValueError, match="verification failed"):
        jwt.decode(token, "key")


def test_tokens() -> None:
    token = jwt.encode({"iss": "0"}, "key")
    # printf HEADER.PAYLOAD | openssl dgst -sha256 -hmac key -binary | basenc --base64url
    assert token == (
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJpc3MiOiIwIn0"
        ".1svEX-aUhBX4scCeCPZVz-rXc-tCvJroKVCEKAXrQMY"
    )
    assert jwt.decode(token, "key") == {"iss": "0"}
    with pytest.raises(ValueError, match="verification failed"):
        jwt.decode(token, "other")
