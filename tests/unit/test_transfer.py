"""From host to host: which logins are tried, with which keys, and the commands on each host."""

import os
import re
import shlex
import socket
import struct
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import paramiko
import pytest

from hosts import connection as connections
from hosts import private_keys
from hosts.connection import Connection
from hosts.errors import HostError
from hosts.models import Host, SshSettings
from hosts.script import Output, Script, parse
from hosts.shell import Ended
from hosts.transports import Transports
from procedures.script_text import scripts, shared_shell
from procedures.specs import ZoneSpec
from procedures.transfer import seed as transfers
from tests.unit.test_procedures import facts

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\ncanary\n-----END OPENSSH PRIVATE KEY-----"
AGENT = "/run/agent.1"

# Commands that would change this machine, or need root. rsync and ssh record their arguments
# and the unnamed files that ssh gets. They succeed for logins that match $lets_in.
FAKES = r"""
systemctl() { return 1; }
mktemp() { command mktemp; }
ssh_folder() { echo "$home/.ssh"; }
note() {
    local file text="$*"
    for file in $(grep -o '/proc/[0-9]*/fd/[0-9]*' <<<"$*"); do
        text=${text//$file/<$(cat "$file")>}
    done
    (flock 9 && printf '%s\0' "$text" >&9) 9>>"$home/calls"
    printf %s "$banner" >&2
    [[ "$text" =~ $lets_in ]] && return
    echo "$refusal" >&2
    return 255
}
rsync() { note rsync "$@"; }
ssh() { note ssh "$@" && cat >"$home/at-${@: -2:1}"; }
zstd() { cat; }
"""
# Without the file of options, which a machine without MariaDB's programs does not have.
ASKED = "asked() { options=$*; [[ $1 != --defaults-file=* ]] || options=${*:2}; }\n"


@dataclass(frozen=True)
class Sent:
    """The results of one run of the script, and its calls of rsync and ssh."""

    status: int
    output: Output
    calls: list[str]


def send(
    home: Path,
    *,
    lets_in: str,
    targets: str = "n1a2 ubuntu 10.2.50.11 22 ssh-ed25519 AAAA2",
    own: tuple[str, ...] = (),
    lent: bool = False,
    refusal: str = "Permission denied (publickey).",
    dumper: str = 'asked "$@"; echo "of opennebula: $options"',
    banner: str = "",
) -> Sent:
    """Run the script as on a leader whose ``login`` account has those keys of its own."""
    (home / ".ssh").mkdir()
    for name in own:
        (home / ".ssh" / name).write_text("a key\n")
    variables = {
        "lets_in": lets_in,
        "refusal": refusal,
        "targets": targets,
        "banner": banner,
    }
    given = {"SUDO_USER": "ubuntu", "SSH_AUTH_SOCK": "/of/somebody/else"}
    if lent:
        given[connections.AGENT_SOCKET] = AGENT
    fakes = f"{FAKES}mariadb-dump() {{ {dumper}; }}\n"
    return leader(home, "send", fakes, variables, given)


def leader(
    home: Path,
    name: str,
    fakes: str,
    variables: Mapping[str, str],
    given: Mapping[str, str] | None = None,
) -> Sent:
    """Run one of the scripts that make a dump, with its folders below that one."""
    (home / "one" / ".one").mkdir(parents=True)
    own = scripts()[name].read_text()
    body = f"{shared_shell({name: own})}{ASKED}{fakes}{own}"
    for there, here in (("/var/backups/opennebula", "kept"), ("/var/lib/one/", "one/")):
        body = body.replace(there, str(home / here) + ("/" if here.endswith("/") else ""))
    body = body.replace("cd /var/lib/one ", f"cd {home}/one ")
    # Only root may make files in /run.
    body = body.replace("mktemp /run/opennebula-ha-send.XXXXXX", "mktemp")
    asked = {"home": str(home), "db_name": "opennebula", "reason": "before-join-n1a2", "keep": "2"}
    script = Script(name, body, {**asked, **variables}, {"private_key": KEY}, exclusive=False)
    environment = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    done = subprocess.run(
        ["bash", "-s"],
        input=script.text(),
        env={**environment, **(given or {})},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    file = home / "calls"
    calls = file.read_text().split("\0")[:-1] if file.exists() else []
    # The files and the database are sent at the same time.
    calls.sort(key=lambda call: call.startswith("ssh "))
    return Sent(done.returncode, parse(done.stdout), calls)


DUMPED = (
    "of opennebula: --host=localhost --protocol=socket --single-transaction --quick --hex-blob"
    " opennebula\n"
)
WITH_AGENT = rf"-o IdentityFile=none -o IdentityAgent={AGENT} "
WITH_OWN = r"-o IdentitiesOnly=yes -o IdentityAgent=none -i \S+/\.ssh/id_ed25519 "
WITH_MADE = r"-o IdentitiesOnly=yes -o IdentityAgent=none -i <-----BEGIN [^>]*KEY-----> "


@dataclass(frozen=True)
class Case:
    """The keys of a leader, those that the receiver accepts, and the logins that are tried."""

    tried: tuple[str, ...]
    said: str
    own: tuple[str, ...] = ()
    lent: bool = False
    lets_in: str = "."


@pytest.mark.parametrize(
    "case",
    [
        Case((WITH_MADE,), "a key for this alone"),
        Case((WITH_OWN, WITH_OWN), "keys of ubuntu here", own=("id_ed25519",)),
        Case((WITH_AGENT, WITH_AGENT), "the operator's agent", own=("id_ed25519",), lent=True),
        Case(
            (WITH_OWN, WITH_MADE),
            "a key for this alone",
            own=("id_ed25519",),
            lets_in="BEGIN",
        ),
        Case((WITH_AGENT, WITH_MADE), "a key for this alone", lent=True, lets_in="BEGIN"),
        Case(
            (WITH_AGENT, WITH_OWN, WITH_OWN),
            "keys of ubuntu here",
            own=("id_ed25519",),
            lent=True,
            lets_in="id_ed25519",
        ),
    ],
)
def test_the_first_login_that_works_is_used(tmp_path: Path, case: Case) -> None:
    sent = send(tmp_path, lets_in=case.lets_in, own=case.own, lent=case.lent)
    assert sent.status == 0
    assert sent.output.steps == (
        "dump the database",
        f"send the database and the keys to n1a2, with {case.said}",
    )
    *asked, files, database = sent.calls
    assert len(asked) == len(case.tried) - 1
    for call, way in zip((*asked, files), case.tried, strict=True):
        assert re.search(way, call), call
    one = f"{tmp_path}/one"
    assert files.endswith(f" {one}/./.one/ {one}/./.ssh/ {one}/./remotes/ 10.2.50.11::incoming/")
    # The other logins only ask what would be received: nothing is sent before one works.
    assert all(call.endswith(" 10.2.50.11::") for call in asked)
    assert re.search(case.tried[-1], database), database
    assert database.startswith("ssh ") and " 10.2.50.11 sudo -n systemd-run " in database
    assert (tmp_path / "at-10.2.50.11").read_text() == DUMPED
    assert Path(sent.output.values["dump"]).read_text() == DUMPED


def test_each_login_accepts_only_the_receivers_verified_key(tmp_path: Path) -> None:
    sent = send(tmp_path, lets_in="BEGIN", own=("id_rsa",), lent=True)
    assert len(sent.calls) == 4
    for call in sent.calls:
        assert " -o StrictHostKeyChecking=yes " in call
        assert " -o GlobalKnownHostsFile=none " in call
        assert " -o UserKnownHostsFile=<10.2.50.11 ssh-ed25519 AAAA2> " in call
        assert "ssh -F none -o BatchMode=yes " in call
        assert "/of/somebody/else" not in call


def test_all_keys_of_the_account_are_offered_at_once(tmp_path: Path) -> None:
    sent = send(tmp_path, lets_in=".", own=("id_rsa", "id_ed25519", "id_dsa"))
    for call in sent.calls:
        assert re.findall(r"-i \S+/(\w+)", call) == ["id_ed25519", "id_rsa"]


@pytest.mark.parametrize(("user", "sudo"), [("root", ""), ("admin", "sudo -n ")])
def test_the_receivers_commands_are_those_that_its_key_allows(
    tmp_path: Path, user: str, sudo: str
) -> None:
    sent = send(tmp_path, lets_in=".", targets=f"n1a2 {user} 10.2.50.11 2222 ssh-rsa AAAA2")
    files, database = sent.calls
    program = f"{sudo}rsync --config=/run/opennebula-ha/receive.conf"
    assert f" --rsync-path=echo && echo opennebula-ha-receives && {program} " in files
    unit = "--unit=opennebula-ha-import.service bash /run/opennebula-ha/import"
    assert re.search(rf" 10\.2\.50\.11 {sudo}systemd-run .* {unit}$", database)
    for call in sent.calls:
        assert f" -l {user} -p 2222 " in call
        assert "<[10.2.50.11]:2222 ssh-rsa AAAA2>" in call


def test_each_of_several_receivers_uses_the_login_that_works(tmp_path: Path) -> None:
    targets = "\n".join(f"n1a{n} ubuntu 10.2.50.1{n} 22 ssh-ed25519 AAAA{n}" for n in (2, 3))
    sent = send(
        tmp_path,
        targets=targets,
        own=("id_ed25519",),
        lets_in=r"id_ed25519.*50\.12(::| sudo)|BEGIN",
    )
    assert sent.status == 0
    assert sorted(sent.output.steps[1:]) == [
        "send the database and the keys to n1a2, with keys of ubuntu here",
        "send the database and the keys to n1a3, with a key for this alone",
    ]
    for number in (12, 13):
        assert (tmp_path / f"at-10.2.50.{number}").read_text() == DUMPED


def test_a_failure_names_the_receiver_and_its_message(tmp_path: Path) -> None:
    targets = "\n".join(f"n1a{n} ubuntu 10.2.50.1{n} 22 ssh-ed25519 AAAA{n}" for n in (2, 3))
    sent = send(tmp_path, targets=targets, lets_in=r"50\.12(::| sudo)")
    assert sent.status == 65
    assert sent.output.values["expected"] == "the database and the keys on n1a3"
    assert sent.output.values["seen"] == "n1a3: Permission denied (publickey)."
    # The step has no particular host.
    assert sent.output.steps[-1] == "send the database and the keys"
    # The reachable receivers have all of it, and so has the dump that is kept.
    assert (tmp_path / "at-10.2.50.12").read_text() == DUMPED
    assert Path(sent.output.values["dump"]).read_text() == DUMPED


def test_output_at_a_login_is_not_a_failure(tmp_path: Path) -> None:
    sent = send(tmp_path, lets_in=".", banner="Authorized use only!\nbash: warning: setlocale: ")
    assert sent.status == 0
    assert (tmp_path / "at-10.2.50.11").read_text() == DUMPED


def test_only_rsyncs_own_output_is_read_after_a_login_shell(tmp_path: Path) -> None:
    sent = send(tmp_path, lets_in=".")
    called = sent.calls[0]
    program = called[called.index("bash -o pipefail") : called.index(" ssh -F")]
    said = "printf 'Welcome\\nto here: '; echo; echo opennebula-ha-receives; printf '@RSYNC\\0\\1'"
    for end, status in (("true", 0), ("exit 7", 7)):
        done = subprocess.run(
            [*shlex.split(program), "sh", "-c", f"{said}; {end}"], capture_output=True, check=False
        )
        assert (done.stdout, done.returncode) == (b"@RSYNC\0\1", status)


def test_an_import_that_fails_is_reported(tmp_path: Path) -> None:
    sent = send(tmp_path, lets_in="::", refusal="ERROR 1114: The table is full")
    assert sent.status == 65
    assert sent.output.values["seen"] == "n1a2: ERROR 1114: The table is full"


def test_a_failed_dump_fails_the_transfer_even_if_files_arrived(tmp_path: Path) -> None:
    sent = send(tmp_path, lets_in=".", dumper="echo half; return 1")
    assert sent.status not in (0, 65)
    assert "dump" not in sent.output.values
    assert list((tmp_path / "kept").iterdir()) == []


def test_another_host_in_the_receivers_place_is_reported(tmp_path: Path) -> None:
    sent = send(tmp_path, lets_in="nothing", refusal="Host key verification failed.")
    assert sent.status == 65
    assert sent.output.values["expected"].startswith("the host key of n1a2 that")
    assert "a third party intercepts them" in sent.output.values["remedy"]


FAKE_DUMPER = """
mariadb-dump() { asked "$@"; echo "$options"; [ "$last" != half ]; }
zstd() { cat; [ "$last" != full ]; }
"""


def dump(home: Path, last: str) -> Sent:
    """Run the script of the dump below a folder; ``last`` is the result of the dump."""
    return leader(home, "dump", FAKE_DUMPER, {"stop": "no", "last": last})


@pytest.mark.parametrize("last", ["half", "full"])
def test_a_dump_that_fails_uses_no_space(tmp_path: Path, last: str) -> None:
    assert dump(tmp_path, last).status != 0
    assert list((tmp_path / "kept").iterdir()) == []


def test_only_the_newest_dumps_with_their_keys_are_kept(
    tmp_path: Path,
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    of_upgrade = "20190101T000000Z-of-7.2.0-before-7.4.0"
    for name in ("20200101T000000Z-a", "20200201T000000Z-b", of_upgrade):
        for end in (".sql.zst", ".keys.tar.zst"):
            (kept / f"{name}{end}").touch()
    (kept / "20200301T000000Z-c.sql.zst.partial").touch()
    done = dump(tmp_path, "well")
    assert done.status == 0
    new = Path(done.output.values["dump"])
    assert f"of opennebula: {new.read_text()}" == DUMPED
    assert {path.name.partition(".sql")[0].partition(".keys")[0] for path in kept.iterdir()} == {
        "20200201T000000Z-b",
        of_upgrade,
        new.name.removesuffix(".sql.zst"),
    }
    assert len(list(kept.iterdir())) == 6


@dataclass
class Asked:
    """An access that only records the commands on each host."""

    calls: list[tuple[str, str, Mapping[str, Any]]] = field(default_factory=list)
    failing: str = ""

    def connection(self, host: Host) -> Any:
        return SimpleNamespace(
            user="ubuntu",
            port=22,
            host_key=f"ssh-ed25519 KEY-OF-{host.name}",
            full_disks=lambda: "/var" if host.name == "n1a3" else "",
        )

    def run(self, host: Host, name: str, **options: Any) -> Output:
        self.calls.append((host.name, name, options))
        if name == self.failing:
            raise HostError(host.name, name, expected="this", seen="that", remedy="so")
        return Output({"dump": "/d.sql.zst"})

    def of(self, name: str) -> list[tuple[str, Mapping[str, Any]]]:
        return [(host, options) for host, what, options in self.calls if what == name]


def transfer(asked: Asked) -> str:
    access: Any = asked
    return transfers.seed(
        access,
        Host(name="n1a1", address="10.2.50.10"),
        [facts("n1a2"), facts("n1a3")],
        {"n1a2": 1, "n1a3": 2},
        ZoneSpec(name="OpenNebula", endpoint="", highly_available=True, keep_dumps=3),
        reason="before-zone",
        stop=True,
    )


def test_a_transfer_is_one_execution_at_the_source_and_two_per_host() -> None:
    asked = Asked()
    assert transfer(asked) == "/d.sql.zst"
    did = [(host, name) for host, name, _ in asked.calls]
    # No writes happen any more when the dump begins, and the receivers are ready.
    assert set(did[:3]) == {
        ("n1a1", "stop"),
        ("n1a2", "allow_transfer"),
        ("n1a3", "allow_transfer"),
    }
    assert did[3] == ("n1a1", "send")
    assert set(did[4:]) == {("n1a2", "restore"), ("n1a3", "restore")}
    assert len(did) == 6


def test_the_allowed_key_is_used_for_this_transfer_only() -> None:
    used = []
    for _ in range(2):
        asked = Asked()
        transfer(asked)
        ((_, sending),) = asked.of("send")
        key = private_keys._read(sending["secrets"]["private_key"])
        public = f"{key.get_name()} {key.get_base64()}"
        for _, allowing in asked.of("allow_transfer"):
            assert allowing["variables"]["public_key"] == public
            assert int(allowing["variables"]["seconds"]) == transfers.TRUST
        used.append(public)
    assert used[0] != used[1]


def test_receivers_are_verified_by_the_keys_that_this_program_saw() -> None:
    asked = Asked()
    transfer(asked)
    ((_, sending),) = asked.of("send")
    assert sending["variables"]["targets"].splitlines() == [
        "n1a2 ubuntu 10.2.50.10 22 ssh-ed25519 KEY-OF-n1a2",
        "n1a3 ubuntu 10.2.50.10 22 ssh-ed25519 KEY-OF-n1a3",
    ]


def test_the_agent_is_forwarded_only_to_the_sending_script() -> None:
    asked = Asked()
    transfer(asked)
    assert [name for _, name, options in asked.calls if options.get("lend_agent")] == ["send"]


def test_a_full_disk_of_a_receiver_is_named() -> None:
    with pytest.raises(HostError) as caught:
        transfer(Asked(failing="send"))
    assert (caught.value.host, caught.value.expected) == ("n1a3", "free space on /var")


class FakeClient:
    """The parts of a client and its transport that a connection uses."""

    def __init__(self) -> None:
        self.prefixes: list[str] = []
        self.is_closed = False

    def get_transport(self) -> "FakeClient":
        return self

    def is_active(self) -> bool:
        return not self.is_closed

    def open_session(self, timeout: float) -> "FakeClient":
        return self

    def close(self) -> None:
        self.is_closed = True


class Shell:
    """Records how it becomes root; every script succeeds."""

    is_usable = True

    def __init__(self, channel: FakeClient, prefix: str, password: str | None) -> None:
        assert password is None
        channel.prefixes.append(prefix)

    def run(self, *_: object) -> Ended:
        return Ended(0, "", "")


@pytest.mark.parametrize(
    ("settings", "has_keys", "asked_for", "lends"),
    [
        (SshSettings(), True, True, False),
        (SshSettings(forward_agent=True), False, True, False),
        (SshSettings(forward_agent=True), True, False, False),
        (SshSettings(forward_agent=True), True, True, True),
        (SshSettings(forward_agent=True, user="ubuntu"), True, True, True),
    ],
)
def test_the_agent_is_forwarded_on_its_own_connection_if_configured(
    monkeypatch: pytest.MonkeyPatch,
    settings: SshSettings,
    has_keys: bool,
    asked_for: bool,
    lends: bool,
) -> None:
    made: list[FakeClient] = []
    lent: list[Any] = []

    def connect(_: Transports) -> FakeClient:
        made.append(FakeClient())
        return made[-1]

    def lend(channel: Any) -> FakeClient:
        lent.append(channel)
        return FakeClient()

    monkeypatch.setattr(Transports, "connect", connect)
    monkeypatch.setattr(connections, "Shell", Shell)
    monkeypatch.setattr(private_keys, "agent_keys", lambda: [object()] if has_keys else [])
    monkeypatch.setattr(connections, "AgentRequestHandler", lend)
    connection = Connection(Host(name="n1a1", address="10.2.50.10"), settings)
    connection.run(Script("before", "true"))
    connection.run(Script("send", "true"), lend_agent=asked_for)
    connection.run(Script("after", "true"))
    sudo = "" if settings.user == "root" else "env LC_ALL=C sudo -n -- "
    common = made[0]
    assert not common.is_closed
    assert common.prefixes == [sudo]
    if lends:
        (own,) = made[1:]
        assert lent == [own]
        assert own.prefixes == [f'{sudo}env OPERATOR_AGENT="$SSH_AUTH_SOCK" ']
        assert own.is_closed
    else:
        assert made == [common]
        assert lent == []


def answering(path: Path, answer: bytes) -> None:
    """Make an agent that sends this to the first client that asks for its keys."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(1)

    def serve() -> None:
        with listener, listener.accept()[0] as asking:
            asking.recv(5)
            asking.sendall(struct.pack(">I", len(answer)) + answer)

    threading.Thread(target=serve, daemon=True).start()


def test_an_agent_counts_as_present_if_it_has_keys(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    assert not private_keys.agent_keys()
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "gone"))
    assert not private_keys.agent_keys()

    key = paramiko.ECDSAKey.generate().asbytes()
    one_key = struct.pack(">BII", 12, 1, len(key)) + key + struct.pack(">I", 0)
    for name, answer, has in (
        ("empty", struct.pack(">BI", 12, 0), False),
        ("failing", b"\x05", False),
        ("full", one_key, True),
    ):
        answering(tmp_path / name, answer)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / name))
        assert bool(private_keys.agent_keys()) is has, name


ENDS = ("restore", "start", "take_down", "uninstall", "end_upgrade")
"""Scripts after which a transfer's key must not log in."""


@pytest.mark.parametrize("name", ENDS)
def test_the_trust_ends_before_anything_else_is_changed(name: str) -> None:
    lines = scripts()[name].read_text().splitlines()
    assert "end_trust" in lines
    last = next(
        n
        for n, line in enumerate(lines)
        if line.startswith(("put_in_place", "run_oned")) or n == len(lines) - 1
    )
    assert lines.index("end_trust") < last


def test_the_end_of_the_trust_removes_key_commands_and_rule(
    tmp_path: Path,
) -> None:
    keys, granted, run = (tmp_path / name for name in ("keys", "granted", "run"))
    keys.write_text("ssh-ed25519 AAAA me\nrestrict ssh-ed25519 BBBB opennebula-ha-transfer\n")
    granted.write_text("rule")
    run.mkdir()
    shell = shared_shell({"x": "#: use transfer"}).replace("/run/opennebula-ha", str(run))
    body = f"{shell}granted={granted}\nauthorized_keys() {{ echo {keys}; }}\nend_trust"
    subprocess.run(["bash", "-c", body], check=True, timeout=20)
    assert keys.read_text() == "ssh-ed25519 AAAA me\n"
    assert not granted.exists()
    assert not run.exists()


def put_in_place(root: Path) -> None:
    """Do what the script does with received keys and remotes, below this folder."""
    text = scripts()["restore"].read_text()
    own = text[text.index("for folder in .one .ssh remotes") : text.index('\nstep "put the data')]
    own = own.replace("/var/lib/one/", f"{root}/one/").replace("/var/backups/", f"{root}/kept/")
    own = own.replace(" --chown=oneadmin:oneadmin", "")
    body = f"set -eu\nput() {{ :; }}\nincoming={root}/incoming one_auth=\n{own}"
    done = subprocess.run(["bash", "-c", body], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_links_and_special_files_among_received_keys_are_not_taken(tmp_path: Path) -> None:
    incoming, one, elsewhere = (tmp_path / name for name in ("incoming", "one", "elsewhere"))
    for folder in (incoming / ".one", incoming / "remotes" / "hooks", one / "remotes", elsewhere):
        folder.mkdir(parents=True)
    (elsewhere / "secret").write_text("canary")
    (incoming / ".ssh").symlink_to(elsewhere)
    (incoming / ".one" / "one_auth").write_text("mine")
    (incoming / "remotes" / "hooks" / "link").symlink_to("vips.sh")
    os.mkfifo(incoming / ".one" / "pipe")
    put_in_place(tmp_path)
    assert sorted(str(file.relative_to(one)) for file in one.rglob("*")) == [
        ".one",
        ".one/one_auth",
        "remotes",
        "remotes/hooks",
        "remotes/hooks/link",
    ]


def test_remotes_that_only_the_receiver_has_are_kept(tmp_path: Path) -> None:
    """A driver that was installed by hand on one front-end is on no other one."""
    received, own = tmp_path / "incoming" / "remotes", tmp_path / "one" / "remotes"
    for folder in (received / "im", own / "im", own / "vmm" / "own"):
        folder.mkdir(parents=True)
    for folder, text in ((received, "the leader's"), (own, "changed by hand")):
        (folder / "im" / "probe").write_text(text)
        (folder / "same").write_text("same")
    (own / "vmm" / "own" / "deploy").write_text("the only one")
    put_in_place(tmp_path)
    assert sorted(path.name for path in own.rglob("*") if path.is_file()) == ["probe", "same"]
    (kept,) = (tmp_path / "kept" / "opennebula").iterdir()
    assert re.fullmatch(r"\d{8}T\d{6}Z-before-copy-remotes\.settings\.tar\.zst", kept.name)
    assert kept.stat().st_mode & 0o077 == 0
    back = tmp_path / "back"
    back.mkdir()
    subprocess.run(["tar", "-C", back, "--zstd", "-xf", kept], check=True)
    assert (back / "im" / "probe").read_text() == "changed by hand"
    assert (back / "vmm" / "own" / "deploy").read_text() == "the only one"
    assert not (back / "same").exists()

    put_in_place(tmp_path)
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]
