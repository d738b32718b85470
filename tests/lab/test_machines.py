"""The lab's hosts behave like servers, and a lab leaves nothing after its end."""

import json
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lab.machines import Lab, LabFault, LabHost, server
from lab.machines.cgroup import lab_cgroups
from lab.machines.network import NAMESPACES
from lab.machines.opennebula import opennebula
from lab.machines.shell import REPOSITORY_ROOT, wait_until
from lab.standin.build import build_repository
from tests.lab.conftest import MakeLab

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def lab(make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Boot three blank hosts that have no access to packages of OpenNebula."""
    return make_module_lab(
        3, template="blank", repository=str(tmp_path_factory.mktemp("packages")), wait_scale=0.5
    )


def logged_in(lab: Lab, host: str, *words: str) -> subprocess.CompletedProcess[str]:
    return lab.exec(lab.ssh_argv(host, words), timeout=30)


def reaches(host: LabHost, address: str) -> bool:
    port = f"timeout 1 bash -c '< /dev/tcp/{address}/22'"
    return host.run(port).returncode == 0


def traces(name: str) -> list[str]:
    """List everything of a lab outside its state directory."""
    processes = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = line.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if name in text and int(line.parent.name) != os.getpid():
            processes.append(text)
    found = [*NAMESPACES.glob(f"lab-{name}-*"), *lab_cgroups().glob(f"lab-{name}-*")]
    mounts = [line for line in Path("/proc/mounts").read_text().splitlines() if name in line]
    loops = [
        file.read_text()
        for file in Path("/sys/block").glob("loop*/loop/backing_file")
        if name in file.read_text()
    ]
    return [*processes, *map(str, found), *mounts, *loops]


def test_hosts_are_blank_servers(lab: Lab) -> None:
    identities = set()
    for host, address in zip(lab.hosts, ("10.2.50.10", "10.2.50.11", "10.2.50.12"), strict=True):
        assert host.address == address
        assert host.run("systemctl is-system-running").stdout.strip() == "running"
        assert host.run("hostname").stdout.strip() == host.name
        assert host.run("ip route").stdout.strip().startswith("10.2.50.0/24")
        assert "default" not in host.run("ip route").stdout
        assert host.name not in host.run("cat /etc/hosts").stdout
        assert host.run("command -v rsync mariadb zstd").stdout == ""
        standin = json.loads(host.run("cat /etc/opennebula-standin.json").stdout)
        assert standin == {"wait_scale": 0.5, "stop_race": True}
        identities.add(host.run("cat /etc/machine-id").stdout)
    assert len(identities) == 3


def test_operator_logs_in_with_sudo_to_hosts_with_known_keys(lab: Lab) -> None:
    for host in lab.hosts:
        done = logged_in(lab, host.name, "sudo -n id -un; hostname")
        assert done.stdout.split() == ["root", host.name], done.stderr
    as_root = [word.replace("ubuntu@", "root@") for word in lab.ssh_argv("n1a1", ["true"])]
    assert "Permission denied" in lab.exec(as_root).stderr


def test_another_process_attaches_by_the_state_on_disk(lab: Lab) -> None:
    other = Lab(lab.name, lab.state)
    assert [host.name for host in other.hosts] == ["n1a1", "n1a2", "n1a3"]
    assert other.host("n1a2").is_running
    env = other.exec(["sh", "-c", "echo $LAB_NAME $LAB_STATE; ip -br address show lab0"])
    assert env.stdout.startswith(f"{lab.name} {lab.state}\n")
    assert "10.2.50.1/24" in env.stdout


def test_ssh_from_host_to_host(lab: Lab) -> None:
    key = lab.key.read_text()
    first = lab.host("n1a1")
    first.run(f"umask 077; cat > /run/key <<'END'\n{key}END")
    options = "-i /run/key -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile=/run/known"
    done = first.run(f"ssh {options} ubuntu@10.2.50.11 hostname")
    assert done.stdout.strip() == "n1a2", done.stderr


def test_power_off_keeps_the_disk_but_not_added_addresses(lab: Lab) -> None:
    host, peer = lab.host("n1a3"), lab.host("n1a1")
    host.run("echo kept > /var/lib/kept; ip address add 10.2.50.86/24 dev eth0")
    assert reaches(peer, "10.2.50.86")
    host.kill()
    assert not host.is_running
    assert not reaches(peer, host.address)
    for attempt in (lambda: host.run("true"), host.reboot, host.freeze, host.fill_disk):
        with pytest.raises(LabFault, match="n1a3 is not running"):
            attempt()
    host.start()
    assert host.run("cat /var/lib/kept").stdout == "kept\n"
    assert "10.2.50.86" not in host.run("ip address").stdout
    assert reaches(peer, host.address)


def test_a_saved_disk_comes_back(lab: Lab) -> None:
    host = lab.host("n1a3")
    host.run("echo saved > /var/lib/state")
    host.save("here")
    assert not host.is_running
    host.start()
    host.run("echo changed > /var/lib/state; rm /etc/motd")
    host.restore("here")
    host.start()
    assert host.run("cat /var/lib/state; ls /etc/motd").stdout == "saved\n/etc/motd\n"
    assert reaches(lab.host("n1a1"), host.address)


def test_reboot_keeps_disk_and_journal_but_not_added_addresses(lab: Lab) -> None:
    host = lab.host("n1a2")
    before = host.run("cat /proc/sys/kernel/random/boot_id; cat /etc/machine-id").stdout
    host.run("logger marked; journalctl --sync; ip address add 10.2.50.87/24 dev eth0")
    host.reboot()
    assert host.run("cat /etc/machine-id").stdout.strip() in before
    assert "marked" in host.run("journalctl --boot=-1 --identifier=root").stdout
    assert "10.2.50.87" not in host.run("ip address").stdout
    assert reaches(lab.host("n1a1"), host.address)


def test_partition_and_heal(lab: Lab) -> None:
    host, peer = lab.host("n1a1"), lab.host("n1a2")
    host.partition()
    assert not reaches(peer, host.address)
    assert not reaches(host, peer.address)
    assert logged_in(lab, "n1a1", "true").returncode != 0
    assert reaches(peer, lab.host("n1a3").address)
    host.heal()
    assert reaches(peer, host.address)


def test_cut_separates_two_hosts_only(lab: Lab) -> None:
    one, other, third = lab.hosts
    lab.cut("n1a1", "n1a2")
    assert not reaches(one, other.address)
    assert not reaches(other, one.address)
    assert reaches(one, third.address)
    assert reaches(third, other.address)
    one.heal()
    assert reaches(other, one.address)


def test_freeze_and_thaw(lab: Lab) -> None:
    host = lab.host("n1a2")
    host.freeze()
    with pytest.raises(subprocess.TimeoutExpired):
        host.run("true", timeout=0.5)
    host.thaw()
    assert host.run("echo awake").stdout == "awake\n"


def test_delay(lab: Lab) -> None:
    host, peer = lab.host("n1a2"), lab.host("n1a3")

    def round_trip() -> float:
        said = peer.run(f"ping -q -c 3 -i 0.2 -W 2 {host.address}").stdout
        return float(said.rpartition(" = ")[2].split("/")[0])

    host.delay(40)
    assert 80 <= round_trip() < 150
    assert logged_in(lab, "n1a2", "head -c 300000 /dev/zero | wc -c").stdout == "300000\n"
    host.delay(0)
    assert round_trip() < 40


def test_full_disk(lab: Lab) -> None:
    host = lab.host("n1a3")
    host.fill_disk()
    assert "No space left" in host.run("head -c 100000 /dev/zero > /var/lib/some").stderr
    host.free_disk()
    assert host.run("head -c 100000 /dev/zero > /var/lib/some").returncode == 0


def test_sessions_are_counted_in_the_journal(lab: Lab) -> None:
    host = lab.host("n1a1")
    count = (
        "journalctl --sync; journalctl --unit=ssh --grep='Accepted publickey' | grep -c Accepted"
    )
    before = int(host.run(count).stdout)
    logged_in(lab, "n1a1", "true")
    assert int(host.run(count).stdout) == before + 1


def test_apt_get_installs_from_the_labs_own_server(lab: Lab) -> None:
    done = logged_in(
        lab, "n1a1", "sudo apt-get -q update && sudo apt-get -q -y install rsync iputils-arping"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert lab.host("n1a1").run("command -v rsync arping").returncode == 0


def test_a_blank_host_installs_a_front_end(make_lab: MakeLab) -> None:
    host = make_lab(1, template="blank").host("n1a1")
    done = host.run(
        f"""
        set -e
        apt-get -q update
        apt-get -q -y install curl gnupg
        curl -sSf {server.URL}/opennebula/repo2.key | gpg --dearmor > /usr/share/keyrings/one.gpg
        source='[signed-by=/usr/share/keyrings/one.gpg] {server.URL}/opennebula/7.2/Debian/12'
        echo "deb $source stable opennebula" > /etc/apt/sources.list.d/one.list
        apt-get -q update
        apt-get -q -y install mariadb-server opennebula
        """
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert host.run("systemctl is-active mariadb").stdout == "active\n"


def test_a_repository_is_copied_from_its_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_repository(tmp_path / "upstream")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "upstream"))
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as upstream:
        threading.Thread(target=upstream.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{upstream.server_port}"
        copy = opennebula(f"{url}/7.2/Debian/12")
        assert opennebula(f"{url}/7.2/Debian/12/") == copy
        with pytest.raises(LabFault, match=r"cannot read .*/7.9/Debian/12/dists/stable/Release"):
            opennebula(f"{url}/7.9/Debian/12")
        upstream.shutdown()
    originals = {path.relative_to(tmp_path / "upstream") for path in debs(tmp_path / "upstream")}
    assert originals == {path.relative_to(copy) for path in debs(copy)}
    assert (copy / "repo2.key").exists()
    assert (copy / "7.2/Debian/12/dists/stable/InRelease").exists()


def debs(directory: Path) -> set[Path]:
    return set(directory.rglob("*.deb"))


def test_added_and_replaced_hosts(lab: Lab) -> None:
    added = lab.add_host()
    assert (added.name, added.address) == ("n1a4", "10.2.50.13")
    assert logged_in(lab, "n1a4", "hostname").stdout == "n1a4\n"
    added.run("touch /var/lib/old")
    identity = added.run("cat /etc/machine-id").stdout
    lab.replace("n1a4")
    assert added.run("ls /var/lib/old").returncode != 0
    assert added.run("cat /etc/machine-id").stdout != identity
    assert "HOST IDENTIFICATION HAS CHANGED" in logged_in(lab, "n1a4", "true").stderr
    lab.replace("n1a4", trust=True)
    assert logged_in(lab, "n1a4", "hostname").stdout == "n1a4\n"
    added.remove()


def test_errors_of_the_user_are_one_line(lab: Lab) -> None:
    argv = [sys.executable, "-m", "lab", "--name", lab.name, "kill", "n9"]
    done = lab.exec(argv, cwd=REPOSITORY_ROOT)
    assert done.returncode == 1
    assert done.stderr == f"lab: the lab `{lab.name}` has no host `n9`; it has n1a1, n1a2, n1a3\n"


def test_a_running_lab_is_not_booted_again(lab: Lab) -> None:
    with pytest.raises(LabFault, match="is up already"), Lab.running(lab.name, 1, state=lab.state):
        pass
    assert all(host.is_running for host in lab.hosts)


def test_a_failed_boot_leaves_nothing(tmp_path: Path) -> None:
    state = tmp_path / "labs/broken"
    with pytest.raises(LabFault, match="expected a directory with OpenNebula's packages"):
        Lab("broken", state).up(1, repository=str(tmp_path / "nowhere"))
    assert traces("broken") == []
    assert not state.exists()


def test_mariadb_is_ready_in_its_template(make_lab: MakeLab, tmp_path: Path) -> None:
    host = make_lab(1, template="mariadb", repository=str(tmp_path)).host("n1a1")
    done = host.run("mariadb --execute 'select 40+2' --batch --skip-column-names")
    assert done.stdout == "42\n", done.stderr
    host.kill()
    host.start()
    assert host.run("mariadb --execute 'show databases'").returncode == 0


def test_two_labs_run_at_the_same_time(make_lab: MakeLab, tmp_path: Path) -> None:
    one, other = (make_lab(1, template="blank", repository=str(tmp_path)) for _ in range(2))
    one.host("n1a1").run("touch /var/lib/one")
    assert one.host("n1a1").address == other.host("n1a1").address
    assert other.host("n1a1").run("ls /var/lib/one").returncode != 0
    one.down()
    assert logged_in(other, "n1a1", "hostname").stdout == "n1a1\n"


def test_run_returns_the_exit_status_and_leaves_nothing(tmp_path: Path) -> None:
    name = f"run-{os.getpid()}"
    argv = [sys.executable, "-m", "lab", "--name", name, "run", "--hosts", "1"]
    argv += ["--repository", str(tmp_path), "--", "sh", "-c", "echo $LAB_NAME; exit 7"]
    done = subprocess.run(argv, cwd=REPOSITORY_ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (7, f"{name}\n"), done.stderr
    assert traces(name) == []
    assert not (REPOSITORY_ROOT / ".lab" / name).exists()


def test_a_killed_runner_leaves_nothing(tmp_path: Path) -> None:
    name = f"killed-{os.getpid()}"
    argv = [sys.executable, "-m", "lab", "--name", name, "run", "--hosts", "2"]
    argv += ["--repository", str(tmp_path), "--", "sh", "-c", f"echo up; exec sleep 600 # {name}"]
    with subprocess.Popen(
        argv, cwd=REPOSITORY_ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as runner:
        assert runner.stdout is not None
        assert runner.stdout.readline() == "up\n"
        os.killpg(runner.pid, signal.SIGKILL)
    wait_until(lambda: traces(name) == [], f"the lab {name} to be gone", timeout=20)
    state = REPOSITORY_ROOT / ".lab" / name
    wait_until(lambda: not state.exists(), f"{state} to be gone", timeout=5)
