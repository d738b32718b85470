"""A lab: hosts on a network of their own, with a package server, as one thing to boot and remove.

Everything about a lab is on disk (its state directory) or found by its name (namespaces, control
groups), so that any process can attach to it, and so that it can be removed without its runner.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from lab.machines import distribution, opennebula, prerequisites, server, template
from lab.machines.cgroup import Cgroup, lab_cgroups
from lab.machines.faults import LabFault
from lab.machines.host import HostRecord, LabHost, is_in_use
from lab.machines.network import MOST_HOSTS, Network, address_of, number_of
from lab.machines.processes import ProcessId
from lab.machines.seed import write_key, write_seed
from lab.machines.shell import REPOSITORY_ROOT, in_cgroup, start_service, wait_until

SERIES = "7.2"
Template = Literal["blank", "mariadb", "opennebula"]
"""A plain server; with MariaDB and tools; also with OpenNebula's package, never configured."""

# Packages of the layer of the template "mariadb"; the one of "opennebula" is above it.
FRONT_END_PACKAGES = (
    "acl",
    "curl",
    "iputils-arping",
    "mariadb-server",
    "rsync",
    "zstd",
)
OPENNEBULA_PACKAGES = ("opennebula", "openssl", "sudo")
# Each host gets its own keys before its first boot.
_WITHOUT_KEYS = "rm -rf var/lib/one/.ssh/* var/lib/one/.one/*"


@dataclass(frozen=True)
class _Settings:
    """The settings of a lab."""

    wait_scale: float
    # Directories in the form for overlayfs: the top one first, separated by colons.
    layers: str
    blank_layers: str


class Lab:
    """A lab by its name, up or not."""

    def __init__(self, name: str = "lab", state: Path | None = None) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,19}", name):
            raise LabFault(
                f"`{name}` cannot name a lab: lower-case letters, digits and `-`, at most 20"
            )
        self.name = name
        self.state = (state or REPOSITORY_ROOT / ".lab" / name).absolute()
        # Labs with state directories in different places may have the same name.
        place = hashlib.sha256(str(self.state).encode()).hexdigest()[:6]
        self._tag = f"lab-{name}-{place}"
        self._network = Network(self._tag)

    @classmethod
    @contextmanager
    def running(  # noqa: PLR0917 - the same as `up`, which comes after it
        cls,
        name: str = "lab",
        hosts: int = 3,
        repository: str | None = None,
        wait_scale: float = 1.0,
        template: Template = "blank",
        state: Path | None = None,
        series: str = SERIES,
    ) -> Iterator["Lab"]:
        """Boot a lab that exists until the end of the context or of this process.

        ``series``: OpenNebula's version of the template "opennebula".
        """
        lab = cls(name, state)
        lab.up(hosts, repository, wait_scale, template, series, until_exit=True)
        try:
            yield lab
        finally:
            lab.down()

    def up(
        self,
        hosts: int = 3,
        repository: str | None = None,
        wait_scale: float = 1.0,
        template: Template = "blank",
        series: str = SERIES,
        *,
        until_exit: bool = False,
    ) -> None:
        """Boot a lab; it exists until `down`, or only until the end of this process."""
        with self._booting():
            if until_exit:
                self._start_reaper()
            if not 1 <= hosts <= MOST_HOSTS:
                raise LabFault(f"a lab has 1 to {MOST_HOSTS} hosts, not {hosts}")
            settings, directories = _prepare(repository, wait_scale, template, series)
            # First remove the rest of an interrupted boot, or of a lab from before this machine's
            # boot.
            self._clear()
            self._build(settings, directories)
            self._boot([f"n1a{number}" for number in range(1, hosts + 1)])

    @staticmethod
    def prepare(template: Template) -> None:
        """Create the disk of the hosts and the packages that such a lab needs, without a lab."""
        _prepare(None, 1.0, template, SERIES)

    def down(self) -> None:
        """Remove all of the lab, if there is one."""
        reaper = ProcessId.load(self._reaper_file)
        if reaper is not None and reaper.pid != os.getpid():
            reaper.terminate()
        self._clear()
        if self.state.exists():
            shutil.rmtree(self.state)
        with suppress(OSError):
            self.state.parent.rmdir()

    def _clear(self) -> None:
        """Remove everything except what the reaper uses in the state directory."""
        with suppress(LabFault):
            self._cgroup.destroy()
        with suppress(LabFault, OSError):
            self._cgroup.path.parent.rmdir()
        self._network.remove()
        images = list(self.state.glob("hosts/*/disk.img"))
        wait_until(lambda: not any(map(is_in_use, images)), "the hosts' disks to be free", 15)
        for part in ("hosts", "ssh", "shared"):
            shutil.rmtree(self.state / part, ignore_errors=True)
        self._settings_file.unlink(missing_ok=True)

    @property
    def is_up(self) -> bool:
        """Whether it was booted, and not taken down or ended by a restart of this machine."""
        return self._settings_file.exists() and self._network.control_path.exists()

    @property
    def hosts(self) -> list[LabHost]:
        """Return its hosts in the order of their numbers."""
        files = self.state.glob("hosts/*/host.json")
        return [self._host(file.parent.name) for file in sorted(files, key=_number)]

    def host(self, name: str) -> LabHost:
        """Return a host by its name."""
        self._check_up()
        hosts = {host.name: host for host in self.hosts}
        if name not in hosts:
            raise LabFault(
                f"the lab `{self.name}` has no host `{name}`; it has {', '.join(hosts) or 'none'}"
            )
        return hosts[name]

    def cut(self, one: str, other: str) -> None:
        """Drop all packets between two hosts, until one of them is healed."""
        self._network.cut(self.host(one).name, self.host(other).name)

    def add_host(self, name: str | None = None, blank: bool = True) -> LabHost:
        """Boot one more host, with the plain template (`blank`) or with the lab's own."""
        self._check_up()
        name = name or f"n1a{self._next_number()}"
        if (self.state / "hosts" / name).exists():
            raise LabFault(f"the lab `{self.name}` has a host `{name}` already")
        return self._boot([name], blank)[0]

    def replace(self, name: str, trust: bool = False) -> LabHost:
        """Replace a host by a new machine with the same name and address.

        Without ``trust`` the operator's known_hosts keeps the old machine's keys.
        """
        host = self.host(name)
        record = host.record
        host.kill()
        self._make(host, record.address, record.layers)
        host.start()
        if trust:
            self._write_known_hosts()
        return host

    def exec(
        self,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        check: bool = False,
        **options: Any,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the control namespace, with the options of `subprocess.run`."""
        options = {"stdin": subprocess.DEVNULL} | options if "input" not in options else options
        if "stdout" not in options and "stderr" not in options:
            options = {"capture_output": True} | options
        done: subprocess.CompletedProcess[str] = subprocess.run(
            self.control_argv(argv),
            env=self.control_environment(env),
            timeout=timeout,
            check=check,
            text=True,
            **options,
        )
        return done

    def popen(
        self, argv: Sequence[str], env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[str]:
        """Start a command in the control namespace, with the options of `subprocess.Popen`."""
        process: subprocess.Popen[str] = subprocess.Popen(
            self.control_argv(argv), env=self.control_environment(env), text=True, **options
        )
        return process

    def control_argv(self, argv: Sequence[str]) -> list[str]:
        """Return the command line to run a command in the control namespace, as part of the lab."""
        self._check_up()
        enter = ["nsenter", f"--net={self._network.control_path}"]
        return in_cgroup(self._cgroup.child("control"), [*enter, *argv])

    def control_environment(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return an environment that names this lab."""
        lab = {"LAB_NAME": self.name, "LAB_STATE": str(self.state)}
        return dict(os.environ if env is None else env) | lab

    def ssh_argv(self, name: str, words: Sequence[str] = ()) -> list[str]:
        """Return the command line, for the control namespace, of the operator's login to a host."""
        address = self.host(name).address
        return [
            "ssh",
            *("-F", "none", "-i", str(self.key), "-o", "IdentitiesOnly=yes"),
            *("-o", f"UserKnownHostsFile={self.known_hosts}", "-o", "ConnectTimeout=5"),
            *(f"{template.USER}@{address}", *words),
        ]

    @property
    def key(self) -> Path:
        """The operator's private key, which every host accepts."""
        return self.state / "ssh/id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """A file with the host keys of all hosts, by address and by name."""
        return self.state / "ssh/known_hosts"

    def status(self) -> list[str]:
        """Return a line for each host."""
        self._check_up()
        return [
            f"{host.name}  {host.address}  {'running' if host.is_running else 'off'}"
            for host in self.hosts
        ]

    @property
    def _settings_file(self) -> Path:
        return self.state / "lab.json"

    @property
    def _settings(self) -> _Settings:
        return _Settings(**json.loads(self._settings_file.read_text()))

    @property
    def _reaper_file(self) -> Path:
        return self.state / "reaper"

    @property
    def _cgroup(self) -> Cgroup:
        return Cgroup(lab_cgroups() / self._tag)

    def _host(self, name: str) -> LabHost:
        cgroup = Cgroup(self._cgroup.path / f"host-{name}")
        return LabHost(self.state / "hosts" / name, self._network, cgroup)

    def _check_up(self) -> None:
        if not self.is_up:
            raise LabFault(
                f"no lab `{self.name}` is up; `python -m lab --name {self.name} up` boots one"
            )

    def _build(self, settings: _Settings, directories: dict[str, Path]) -> None:
        """Make what the hosts need: network, package server, the operator's key."""
        self.state.mkdir(parents=True, exist_ok=True)
        (self.state / "shared").mkdir()
        # It holds the hosts' private keys, and their disks.
        (self.state / "hosts").mkdir(mode=0o700)
        self.key.parent.mkdir(mode=0o700)
        write_key(self.key, "ed25519", "operator")
        self._cgroup.create()
        self._network.create()
        self._settings_file.write_text(json.dumps(asdict(settings)))
        words = [f"{name}={path}" for name, path in directories.items()]
        argv = [sys.executable, "-m", "lab.machines.server", *words]
        start_service(self.control_argv(argv), self.state / "server.log")

    @contextmanager
    def _booting(self) -> Iterator[None]:
        """Hold the lab's lock while it boots; remove everything if the boot fails."""
        obstacles = prerequisites.obstacles()
        if obstacles:
            raise LabFault("; ".join(obstacles))
        prerequisites.raise_limits()
        self.state.mkdir(parents=True, exist_ok=True)
        with (self.state / "boot.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LabFault(f"another process is booting the lab `{self.name}`") from None
            if self.is_up:
                raise LabFault(
                    f"the lab `{self.name}` is up already; "
                    f"`python -m lab --name {self.name} down` takes it down"
                )
            try:
                yield
            except BaseException:
                self.down()
                raise

    def _next_number(self) -> int:
        return 1 + max((number_of(host.address) for host in self.hosts), default=0)

    def _start_reaper(self) -> None:
        runner = ProcessId.of(os.getpid())
        self.state.mkdir(parents=True, exist_ok=True)
        words = [self.name, str(self.state), str(runner.pid), str(runner.started)]
        argv = [sys.executable, "-m", "lab.machines.reaper", *words]
        start_service(argv, self.state / "reaper.log").save(self._reaper_file)

    def _boot(self, names: Sequence[str], blank: bool = False) -> list[LabHost]:
        settings = self._settings
        layers = settings.blank_layers if blank else settings.layers
        hosts = [self._host(name) for name in names]
        first = self._next_number()
        with ThreadPoolExecutor(max_workers=max(1, len(hosts))) as pool:
            for host, number in zip(hosts, range(first, first + len(hosts)), strict=True):
                self._make(host, str(address_of(number)), layers)
            list(pool.map(LabHost.start, hosts))
        self._write_known_hosts()
        return hosts

    def _make(self, host: LabHost, address: str, layers: str) -> None:
        directory = self.state / "hosts" / host.name
        directory.mkdir(parents=True, exist_ok=True)
        keys = write_seed(
            directory,
            host.name,
            self.key.with_suffix(".pub").read_text(),
            self._settings.wait_scale,
            f"deb [trusted=yes] {server.URL}/distribution ./\n",
            with_oneadmin=Path(layers.partition(":")[0], "var/lib/one").exists(),
        )
        host.blank(HostRecord(host.name, address, f"{self._tag}-{host.name}", layers, keys))

    def _write_known_hosts(self) -> None:
        records = [host.record for host in self.hosts]
        lines = [f"{host.address},{host.name} {key}" for host in records for key in host.host_keys]
        self.known_hosts.write_text("\n".join(lines) + "\n")


def _number(file: Path) -> tuple[int, str]:
    digits = re.search(r"\d+$", file.parent.name)
    return (int(digits[0]) if digits else 0, file.parent.name)


def _prepare(
    repository: str | None, wait_scale: float, kind: Template, series: str
) -> tuple[_Settings, dict[str, Path]]:
    """Return the settings of a new lab, and the directories that its package server serves."""
    root = template.blank()
    packages = opennebula.opennebula(repository)
    ours = distribution.distribution(root, packages)
    layers = [root]
    if kind != "blank":
        layers.insert(0, template.with_packages(layers, {ours: " ./"}, FRONT_END_PACKAGES))
    if kind == "opennebula":
        sources = {ours: " ./", packages / series / "Debian/12": " stable opennebula"}
        layers.insert(
            0, template.with_packages(layers, sources, OPENNEBULA_PACKAGES, _WITHOUT_KEYS)
        )
    settings = _Settings(wait_scale, ":".join(map(str, layers)), str(root))
    return settings, {"distribution": ours, "opennebula": packages}
