"""One lab host: boot it, run commands on it, and make it fail as servers do."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address
from pathlib import Path

from lab.machines.cgroup import Cgroup
from lab.machines.faults import LabFault
from lab.machines.network import Network, plug_in
from lab.machines.processes import ProcessId
from lab.machines.shell import command, environment, in_cgroup, start_service, wait_until

DISK_SIZE = 8 << 30
PATIENCE = 180.0
"""Seconds for a script: systemd kills an oned that hangs in its exit after 90."""

_GUEST_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}


@dataclass(frozen=True)
class HostRecord:
    """The record of a host, for all processes that attach to the lab."""

    name: str
    address: str
    machine: str
    layers: str
    host_keys: list[str]


class LabHost:
    """A host of a lab, with a directory in the lab's state."""

    def __init__(self, directory: Path, network: Network, cgroup: Cgroup) -> None:
        self._directory = directory
        self._network = network
        self._cgroup = cgroup

    @property
    def name(self) -> str:
        """The host's name."""
        return self._directory.name

    @property
    def address(self) -> str:
        """The host's own address."""
        return self.record.address

    @property
    def record(self) -> HostRecord:
        """Its record."""
        return HostRecord(**json.loads((self._directory / "host.json").read_text()))

    @property
    def is_running(self) -> bool:
        """Whether it is powered on."""
        supervisor = ProcessId.load(self._supervisor_file)
        return supervisor is not None and supervisor.is_alive

    def run(self, script: str, timeout: float = PATIENCE) -> subprocess.CompletedProcess[str]:
        """Run a shell script as root on the host, without its sshd and its network."""
        self._running_supervisor()
        # While systemd moves to its own group, it is in none for a moment.
        wait_until(lambda: self._init_process() is not None, f"the first process of {self.name}", 5)
        pid = self._init_process()
        # The script is a file in memory: no process list shows its content.
        memory = os.memfd_create("script", 0)
        with os.fdopen(memory, "w") as file:
            file.write(script)
            file.flush()
            file.seek(0)
            argv = in_cgroup(
                self._cgroup.child("visitors"),
                [
                    "nsenter",
                    f"--target={pid}",
                    *("--mount", "--uts", "--ipc", "--net", "--pid"),
                    *("/bin/bash", f"/proc/self/fd/{memory}"),
                ],
            )
            with subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=_GUEST_ENVIRONMENT,
                cwd="/",
                pass_fds=[memory],
                start_new_session=True,
            ) as process:
                try:
                    out, err = process.communicate(timeout=timeout)
                except BaseException:
                    os.killpg(process.pid, signal.SIGKILL)
                    raise
        return subprocess.CompletedProcess([script], process.returncode, out, err)

    def start(self) -> None:
        """Power on and wait until every service is up."""
        self.power_on()
        self.wait_until_up()

    def power_on(self) -> None:
        """Power on without waiting."""
        if self.is_running:
            raise LabFault(f"{self.name} is running already")
        record = self.record
        # First remove the rest of a host that powered itself off.
        self._let_go()
        self._cgroup.create()
        self._network.attach(self.name, IPv4Address(record.address))
        lab = self._directory.parents[1]
        variables = environment() | {
            "CGROUP": str(self._cgroup.path),
            "HOST": self.name,
            "MACHINE": record.machine,
            "NAMESPACE": self._network.namespace(self.name),
            "LINK": "\n".join(plug_in(IPv4Address(record.address))),
            "LOWER": record.layers,
            "IMAGE": str(self._image),
            "SHARED": str(lab / "shared"),
        }
        boot = Path(__file__).with_name("boot.sh")
        with (self._directory / "console.log").open("a") as console:
            process = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "slave", "sh", str(boot)],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env=variables,
                cwd=self._directory,
                umask=0o022,
                start_new_session=True,
            )
        ProcessId.of(process.pid).save(self._supervisor_file)
        # It may outlive this process; if not, a thread must reap it.
        threading.Thread(target=process.wait, daemon=True).start()

    def wait_until_up(self, timeout: float = 60, after: int | None = None) -> None:
        """Wait until every service runs. ``after``: the first process of the previous boot."""

        def booted() -> bool:
            if not self.is_running:
                raise LabFault(f"{self.name} went off while booting: {self._last_words()}")
            return self._init_process() not in (None, after)

        wait_until(booted, f"{self.name} to start its first process", timeout)
        # At first systemd does not answer yet.
        wait_until(
            lambda: "offline" not in self._state() and self._state() != "", self.name, timeout
        )
        state = self.run("systemctl is-system-running --wait", timeout).stdout.strip()
        if state != "running":
            failed = self.run("systemctl --failed --plain --no-legend").stdout.split("\n")
            raise LabFault(f"{self.name} is `{state}` after its boot; failed: {' '.join(failed)}")

    def kill(self) -> None:
        """Power off instantly: to the others, the host just stops answering."""
        self._network.unplug(self.name)
        self._let_go()

    def save(self, name: str) -> None:
        """Power off in good order, and keep a copy of the disk under this name."""
        self.run("systemctl poweroff")
        wait_until(lambda: not self.is_running, f"{self.name} to power off", PATIENCE)
        self._let_go()
        command(["cp", "--sparse=always", self._image, self._saved(name)])

    def restore(self, name: str) -> None:
        """Power off in an instant, and put the kept copy of the disk in its place."""
        self.kill()
        command(["cp", "--sparse=always", self._saved(name), self._image])

    def reboot(self) -> None:
        """Reboot cleanly and wait until it is up again."""
        before = self._init_process()
        self.run("systemctl reboot")
        self.wait_until_up(after=before)

    def freeze(self) -> None:
        """Freeze all its processes; its kernel still accepts connections."""
        self._running_supervisor()
        self._cgroup.freeze(True)

    def thaw(self) -> None:
        """Let a frozen host continue."""
        self._running_supervisor()
        self._cgroup.freeze(False)

    def partition(self) -> None:
        """Isolate it from all other hosts and from the control namespace; its link stays up."""
        self._network.partition(self.name)

    def heal(self) -> None:
        """Undo `partition` and every `cut` of this host."""
        others = [path.name for path in self._directory.parent.iterdir() if path.name != self.name]
        self._network.heal(self.name, others)

    def firewall(self, rules: str) -> None:
        """Load these nftables rules; they last until it is powered off."""
        self._running_supervisor()
        self._network.filter(self.name, rules)

    def delay(self, milliseconds: float) -> None:
        """Delay all packets from and to it by this time, until it is powered off."""
        self._running_supervisor()
        line = Cgroup(self._cgroup.path / "delay-line")
        if line.path.exists():
            line.destroy()
            self._network.shorten(self.name)
        if milliseconds <= 0:
            return
        line.create()
        ends = self._network.lengthen(self.name)
        enter = ["nsenter", f"--net={self._network.control_path}"]
        relay = [sys.executable, "-m", "lab.machines.delay_line", *ends, str(milliseconds)]
        start_service(in_cgroup(line.path, [*enter, *relay]), self._directory / "delay.log")

    def fill_disk(self) -> None:
        """Fill its disk: each further write fails for lack of space."""
        filler = self._disk_inside() / "filler"
        with filler.open("ab") as file:
            block = 1 << 30
            while block >= 4096:
                try:
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, block)
                except OSError:
                    block //= 2

    def free_disk(self) -> None:
        """Free what `fill_disk` has used."""
        (self._disk_inside() / "filler").unlink(missing_ok=True)

    def blank(self, record: HostRecord) -> None:
        """Write its record and give it an empty disk."""
        for name in ("disk", "root"):
            (self._directory / name).mkdir(parents=True, exist_ok=True)
        (self._directory / "host.json").write_text(json.dumps(asdict(record)))
        self._image.unlink(missing_ok=True)
        self._image.touch(mode=0o600)
        with self._image.open("wb") as image:
            image.truncate(DISK_SIZE)
        command(
            [
                *("mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal"),
                *("-E", "lazy_itable_init=1,nodiscard", self._image),
            ]
        )

    def remove(self) -> None:
        """Power off and delete everything about the host."""
        self.kill()
        shutil.rmtree(self._directory)

    @property
    def _image(self) -> Path:
        return self._directory / "disk.img"

    def _saved(self, name: str) -> Path:
        return self._image.with_suffix(f".{name}")

    @property
    def _supervisor_file(self) -> Path:
        return self._directory / "supervisor"

    def _let_go(self) -> None:
        self._cgroup.destroy()
        self._network.detach(self.name)
        wait_until(lambda: not is_in_use(self._image), f"the disk of {self.name} to be free", 15)

    def _disk_inside(self) -> Path:
        # Only the host's mount namespace shows its disk.
        return Path(f"/proc/{self._running_supervisor().pid}/root{self._directory}/disk")

    def _running_supervisor(self) -> ProcessId:
        supervisor = ProcessId.load(self._supervisor_file)
        if supervisor is None or not supervisor.is_alive:
            raise LabFault(f"{self.name} is not running; `start` it first")
        return supervisor

    def _state(self) -> str:
        return self.run("systemctl is-system-running").stdout.strip()

    def _init_process(self) -> int | None:
        """Return the ID, in this machine, of the guest's first process, once that is systemd."""
        for pid in self._cgroup.processes():
            if _id_inside(pid) == 1:
                return pid
        return None

    def _last_words(self) -> str:
        lines = (self._directory / "console.log").read_text(errors="replace").splitlines()
        return " / ".join(lines[-5:]) or "its console says nothing"


def is_in_use(image: Path) -> bool:
    """Return whether a loop device still uses a disk image."""
    return str(image) in _images_in_use()


def _images_in_use() -> Iterator[str]:
    for device in Path("/sys/block").glob("loop*"):
        try:
            yield (device / "loop/backing_file").read_text().strip()
        except OSError:
            continue


def _id_inside(pid: int) -> int | None:
    """Return the ID of a guest's process in the guest; None if it is not systemd, or has ended."""
    try:
        if Path(f"/proc/{pid}/comm").read_text().strip() not in ("systemd", "init"):
            return None
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("NSpid:"):
                ids = line.split()[1:]
                return int(ids[-1]) if len(ids) > 1 else None
    except OSError:
        pass
    return None
