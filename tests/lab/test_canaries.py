"""Secrets of the config, followed through everything that runs and everything that is written.

Two front-ends with every secret that a stack can have: an SSH key and a password for sudo, too. A
sampler on each host records the arguments and environments of all processes from the first
connection on.
"""

import base64
import json
from collections.abc import Iterator

import pytest

from lab.machines import Lab, LabHost
from tests.lab import hardened
from tests.lab.conftest import MakeLab
from tests.lab.foreign import do
from tests.lab.operators import DB_PASSWORD, ONE_PASS, ROOT, Operator, Secret
from tests.lab.zones import assert_whole

pytestmark = pytest.mark.lab

NAMES = ["n1a1", "n1a2"]
PAGE = ROOT / "docs" / "threat-model.md"
SUDOERS = PAGE.read_text(encoding="utf-8").partition("```sudoers\n")[2].partition("```")[0]
NEW_ONE_PASS = "canary-one-pass-new-77aa"
NEW_DB_PASSWORD = "canary-db-password-new-31bb"
CANARIES = (ONE_PASS, DB_PASSWORD, NEW_ONE_PASS, NEW_DB_PASSWORD, hardened.SUDO_PASSWORD)
SEEN = "/root/seen-processes"
SAMPLER = """
import glob, signal, sys, time
seen = set()
ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
until = time.monotonic() + 900
while not ended and time.monotonic() < until:
    for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(path, "rb") as file:
                seen.add(file.read(1 << 20))
        except OSError:
            pass
    time.sleep(0.005)
with open(sys.argv[1], "wb") as file:
    file.write(b"\\n".join(seen))
"""
OURS = "/etc/one /etc/sudoers.d /etc/systemd /usr/local /var/lib/one /var/lib/opennebula-ha"
OURS += " /var/backups /run /root /home /tmp /var/tmp /etc/apt /etc/hosts"
MAY_HOLD = {
    ONE_PASS: set(),
    DB_PASSWORD: set(),
    NEW_ONE_PASS: {"/var/lib/one/.one/one_auth"},
    NEW_DB_PASSWORD: {"/etc/one/oned.conf", "/var/lib/one/config"},
    hardened.SUDO_PASSWORD: set(),
}
"""The files in which a secret may be in plaintext."""


class Watched:
    """A zone, and all that was seen and printed while it was built and changed."""

    def __init__(self, lab: Lab, operator: Operator) -> None:
        self.lab = lab
        self.operator = operator
        self.printed: dict[str, str] = {}
        self.processes: dict[str, bytes] = {}
        self.before = {host.name: modes(host) for host in lab.hosts}


def modes(host: LabHost) -> set[str]:
    """List mode, owner and path of every file that a run may write."""
    shown = f"find {OURS} -xdev -printf '%M %u:%g %p\\n' 2>/dev/null || true"
    return set(do(host, shown).splitlines())


@pytest.fixture(scope="module")
def watched(
    make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    lab = make_module_lab(2, template="mariadb", wait_scale=0.2)
    for host in lab.hosts:
        # The documented file, without NOPASSWD.
        rules = SUDOERS.replace("deploy", "ubuntu").replace("NOPASSWD: ", "")
        do(host, f"cat >/etc/sudoers.d/ubuntu <<'END'\n{rules}END\nvisudo -cq")
        hardened.sudo_with_password(host)
        do(
            host,
            f"cat >/root/sampler.py <<'END'\n{SAMPLER}\nEND\n"
            f"systemd-run --quiet --unit=sampler python3 /root/sampler.py {SEEN}",
        )
    operator = Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=NAMES)
    operator.config["force_ha"] = True
    operator.config["ssh"] = {
        "user": "ubuntu",
        "private_key": Secret(lab.key.read_text()),
        "known_hosts_file": str(lab.known_hosts),
        "sudo_password": Secret(hardened.SUDO_PASSWORD),
    }
    seen = Watched(lab, operator)
    run = operator.up()
    seen.printed["up"] = run.output
    assert run.ok, run.output
    # A failure with what oned itself says, and one in the middle of a change.
    operator.config["oned"] = {"DB": {"TIMEOUT": 2500}, "RAFT_LEADER_HOOK": {"COMMAND": "no"}}
    seen.printed["refused"] = operator.up().output
    del operator.config["oned"]
    operator.secrets = {"one_pass": NEW_ONE_PASS, "db_password": NEW_DB_PASSWORD}
    run = operator.up("--diff", "--debug")
    seen.printed["change"] = run.output
    assert run.ok, run.output
    for command in ("status", "doctor", "logs"):
        seen.printed[command] = operator.look(command).output
    seen.printed["backup"] = operator.look("backup").output
    seen.printed["outputs"] = json.dumps(operator.outputs())
    operator.config["ssh"]["sudo_password"] = Secret("canary-of-a-typing-error")
    seen.printed["sudo"] = operator.refresh().output
    operator.config["ssh"]["sudo_password"] = Secret(hardened.SUDO_PASSWORD)
    for host in lab.hosts:
        do(host, "systemctl stop sampler")
        recorded = do(host, f"base64 <{SEEN}; rm {SEEN} /root/sampler.py")
        seen.processes[host.name] = base64.b64decode(recorded)
    yield seen


def test_no_secret_is_printed_or_in_the_state(watched: Watched) -> None:
    key = watched.lab.key.read_text().splitlines()[2]
    state = watched.operator.state()
    for secret in (*CANARIES, "canary-of-a-typing-error", key):
        assert secret not in state
        for what, text in watched.printed.items():
            assert secret not in text, what


def test_no_secret_is_an_argument_or_in_an_environment(watched: Watched) -> None:
    key = watched.lab.key.read_text().splitlines()[2]
    for name, seen in watched.processes.items():
        assert b"mariadb" in seen and b"bash" in seen
        for secret in (*CANARIES, key):
            at = seen.find(secret.encode())
            assert at < 0, f"{name}: {seen[max(0, at - 200) : at + 40]!r}"


def test_secrets_are_only_in_their_own_files(watched: Watched) -> None:
    key = watched.lab.key.read_text().splitlines()[2]
    may_hold: dict[str, set[str]] = {**MAY_HOLD, key: set()}
    for host in watched.lab.hosts:
        for secret, allowed in may_hold.items():
            # A pattern that does not match the process that searches for it.
            pattern = "".join(f"[{one}]" if one.isalnum() else f"\\{one}" for one in secret)
            found = do(
                host,
                f"look() {{ xargs -0r grep -lsE -- '{pattern}' || true; }}\n"
                "find / -xdev -path /proc -prune -o -path /sys -prune -o -type f -print0 | look\n"
                "find /run /tmp /dev/shm -type f -print0 | look\n"
                f"! journalctl -a --no-pager | grep -qE -- '{pattern}' || echo journal",
            )
            assert set(found.split()) <= allowed, f"{host.name}: {secret}"
        for path in set().union(*MAY_HOLD.values()):
            assert host.run(f"runuser -u nobody -- cat {path}").returncode != 0, path


def test_no_core_dump_or_temporary_file_is_left(watched: Watched) -> None:
    for host in watched.lab.hosts:
        found = do(
            host,
            "find / -xdev \\( -name 'core.*' -size +64k -o -name '*.partial'"
            " -o -name 'opennebula-ha-*.??????' \\) -not -path '/usr/*' -not -path '/proc/*';"
            " ls -d /run/opennebula-ha* 2>/dev/null || true",
        )
        assert found == "", host.name


def test_what_is_written_can_be_changed_by_its_owner_only(watched: Watched) -> None:
    for host in watched.lab.hosts:
        new = modes(host) - watched.before[host.name]
        assert any("oned.conf" in line for line in new)
        loose = []
        for line in new:
            mode, owner, path = line.split(" ", 2)
            is_file = mode[0] in "-d"
            writable = mode[8] == "w" and mode[9] not in "tT"
            privileged = mode[0] == "-" and (mode[3] in "sS" or mode[6] in "sS")
            is_secret = path.startswith("/var/backups/opennebula/") and mode[4:10] != "------"
            if is_file and (writable or privileged or is_secret):
                loose.append(line)
            if path.startswith(("/etc/sudoers.d/", "/usr/local/", "/etc/systemd/")):
                assert owner == "root:root", line
        assert loose == []


def test_the_zone_is_healthy_after_all_that(watched: Watched) -> None:
    assert_whole(watched.lab, NAMES)
    run = watched.operator.up("--expect-no-changes")
    assert run.ok, run.output
