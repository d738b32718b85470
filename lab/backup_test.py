"""Restore a dump on a throw-away host of the lab, and compare: `make backup-test`."""

import argparse
import hashlib
import io
import secrets
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from hosts.errors import HostError
from hosts.script import Script, parse
from lab.machines import Lab, LabFault, LabHost
from lab.pulumi.cli import ROOT, environment
from procedures.bootstrap.restore import KeptDump
from procedures.script_text import shared_shell

NAME = "backup-test"
ONE_AUTH = ".one/one_auth"
RESTORE = 1800.0
"""Seconds for a restore, and for a comparison."""

_COMPARE = """\
import_dump /root/backup.sql.zst
names=$(sql -e "SELECT table_name FROM information_schema.tables
    WHERE table_schema = '$scratch' AND table_type = 'BASE TABLE'")
tell tables "$names"
tell restored "$(sql -e "SELECT table_name FROM information_schema.tables
    WHERE table_schema = '$db_name' AND table_type = 'BASE TABLE'")"
for database in "$scratch" "$db_name"; do
    tell "sums_$database" "$(for name in $names; do
        case " $own " in *" $name "*) continue ;; esac
        rows="SELECT '$name', COUNT(*)"
        case " user_pool $living " in
            *" $name "*)
                content="oid, name"
                [ "$name" != user_pool ] || content="oid, name, uid, gid, $user"
                echo "$rows, SUM(CRC32(CONCAT_WS(' ', $content))) FROM \\`$name\\`;"
                ;;
            *) echo "$rows, '' FROM \\`$name\\`; CHECKSUM TABLE \\`$name\\`;" ;;
        esac
    done | sql --force "$database" | sed "s/^$database\\.//")"
done
sql -e "DROP DATABASE $scratch"
rm /root/backup.sql.zst
tell keys "$(cd /var/lib/one && find .one .ssh -type f -exec sha256sum {} +)"
tell login "$(runuser -u oneadmin -- oneuser show 0 2>&1 || true)"
"""
_OWN = (
    *("logdb", "system_attributes", "db_versioning", "local_db_versioning"),
    *("host_monitoring", "vm_monitoring", "zone_pool"),
)
"""Tables that a restore, or each start of oned, changes by design."""
_LIVING = ("host_pool", "vm_pool", "datastore_pool", "image_pool")
"""Tables with states that oned itself changes, since it reaches no hypervisor: of these, the number
of rows, the IDs and the names are compared."""
_USER = """\
IF(oid = 0, REGEXP_REPLACE(body, '<(PASSWORD|HA_CHECKED)>.*?</(PASSWORD|HA_CHECKED)>', ''), body)"""
"""What is compared of a user: a restore changes oneadmin's password, and a check leaves a mark."""
_BY_HOST = (".ssh/authorized_keys", ".ssh/known_hosts", ".ssh/config")
"""Files with the names of the front-ends, which differ on the lab."""


@dataclass
class Comparison:
    """What was compared, and what differs."""

    tables: int = 0
    rows: int = 0
    keys: int = 0
    faults: list[str] = field(default_factory=list)


def main(argv: Sequence[str]) -> int:
    """Return the exit status: 0 if the dump is restored and equal, otherwise 1."""
    parser = argparse.ArgumentParser(prog="make backup-test", description=__doc__)
    parser.add_argument("--stack", required=True, help="whose one_version is installed")
    parser.add_argument("--repository", metavar="DIR_OR_URL", help="OpenNebula's packages")
    parser.add_argument("dump", help="its keys are in the same folder")
    options = parser.parse_args(argv)
    if not options.dump:
        parser.error("name the dump: FROM=dumps/TIME-REASON.sql.zst")
    begin = time.monotonic()
    try:
        kept = KeptDump.at(str(Path(options.dump).resolve()))
        found = _test(kept, _version(options.stack), options.repository)
    except (LabFault, HostError) as fault:
        found = Comparison(faults=[str(fault)])
    except KeyboardInterrupt:
        found = Comparison(faults=["interrupted"])
    name = Path(options.dump).name
    if found.faults:
        print(f"backup-test: {name} FAILED: {'; '.join(found.faults)}", file=sys.stderr)
        return 1
    print(
        f"backup-test: {name} is good: {found.tables} tables with {found.rows} rows and"
        f" {found.keys} keys are equal, oned leads, oneadmin logs in"
        f" ({time.monotonic() - begin:.0f} s)"
    )
    return 0


def _test(kept: KeptDump, version: str, repository: str | None) -> Comparison:
    with (
        TemporaryDirectory() as folder,
        Lab.running(NAME, 1, repository, template="mariadb") as lab,
    ):
        _restore(lab, Path(folder), kept, version)
        return compare(lab, lab.hosts[0], kept)


def _version(stack: str) -> str:
    file = ROOT / "stacks" / f"Pulumi.{stack}.yaml"
    try:
        config: Mapping[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))["config"]
        return str(config["opennebula-ha:one_version"])
    except (OSError, yaml.YAMLError, LookupError, TypeError):
        raise LabFault(
            f"expected one_version in {file}: name the stack, as STACK=production"
        ) from None


def _restore(lab: Lab, folder: Path, kept: KeptDump, version: str) -> None:
    """Run the program on the lab's host with ``restore_from``, as `make restore` does."""
    one_auth = kept_files(kept).get(ONE_AUTH, b"").decode().strip()
    if not one_auth.startswith("oneadmin:"):
        raise LabFault(f"expected oneadmin's password in {kept.keys.name}, found no {ONE_AUTH}")
    host = lab.hosts[0]
    config = {
        "one_version": version,
        "force_ha": True,
        "frontends": {host.name: {"address": host.address}},
        "ssh": {
            "user": "ubuntu",
            "private_key_file": str(lab.key),
            "known_hosts_file": str(lab.known_hosts),
        },
        "repository": {"url": "http://10.2.50.1:8080/opennebula"},
        "features": dict.fromkeys(("gui", "flow", "gate", "form"), False),
        "restore_from": str(kept.database),
    }
    file = folder / f"Pulumi.{NAME}.yaml"
    file.write_text(
        yaml.safe_dump({"config": {f"opennebula-ha:{k}": v for k, v in config.items()}})
    )
    # The CLI writes next to the project file that it finds.
    (folder / "Pulumi.yaml").write_text("name: opennebula-ha\nruntime: python\n")
    (folder / "state").mkdir()
    env = environment(folder / "state", secrets.token_hex(), NAME)

    def pulumi(*argv: str, given: str = "", at: Path = folder) -> None:
        done = lab.exec(
            ["pulumi", *argv, "--non-interactive"],
            env=env,
            cwd=at,
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=RESTORE,
        )
        if done.returncode:
            print(done.stdout, file=sys.stderr)
            raise LabFault(f"pulumi {argv[0]} ended with exit status {done.returncode}")

    pulumi("stack", "init", NAME)
    pulumi("config", "set", "--secret", "one_pass", given=one_auth.partition(":")[2])
    pulumi("config", "set", "--secret", "db_password", given=secrets.token_hex())
    pulumi("up", "--yes", "--skip-preview", "--config-file", str(file), at=ROOT)


def compare(lab: Lab, host: LabHost, kept: KeptDump) -> Comparison:
    """Compare a dump and its keys with the front-end on which they were restored."""
    with kept.database.open("rb") as dump:
        send = lab.ssh_argv(host.name, ["sudo", "tee", "/root/backup.sql.zst", ">/dev/null"])
        lab.exec(send, stdin=dump, check=True)
    variables = {
        "db_name": "opennebula",
        "may_replace": "no",
        "own": " ".join(_OWN),
        "living": " ".join(_LIVING),
        "user": _USER,
    }
    body = shared_shell({NAME: "#: use copies"}) + _COMPARE
    done = host.run(Script(NAME, body, variables).text(), timeout=RESTORE)
    values = parse(done.stdout).values
    if done.returncode:
        raise LabFault(f"the comparison failed: {values.get('seen', '')} {done.stderr.strip()}")
    found = Comparison()
    missing = {*values["tables"].split()} - {*values["restored"].split()}
    found.faults += [f"no table {name}" for name in sorted(missing)]
    before, after = (
        _sums(values[f"sums_{database}"])
        for database in ("opennebula_ha_incoming", variables["db_name"])
    )
    found.tables = len(before)
    found.rows = sum(int(words[0]) for words in before.values())
    for name, words in sorted(before.items()):
        if name not in missing and words != after.get(name):
            found.faults.append(
                f"{name} differs: {words[0]} rows, {after.get(name, '0')[0]} restored"
            )
    there = {path: digest for digest, path in map(str.split, values["keys"].splitlines())}
    for path, content in sorted(kept_files(kept).items()):
        if path not in _BY_HOST:
            found.keys += 1
            if there.get(path) != hashlib.sha256(content).hexdigest():
                found.faults.append(f"{path} differs")
    if "oneadmin" not in values["login"]:
        found.faults.append(f"oneadmin cannot log in: {values['login'].strip()}")
    return found


def _sums(text: str) -> dict[str, list[str]]:
    """Return the number of rows and the checksums by table."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, *words = line.split("\t")
        found.setdefault(name, []).extend(words)
    return found


def kept_files(kept: KeptDump) -> dict[str, bytes]:
    """Return the files in the archive of keys, by path. Raises LabFault."""
    done = subprocess.run(["zstd", "-dcq", kept.keys], capture_output=True, check=False)
    try:
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            files = {member.name: archive.extractfile(member) for member in archive}
            return {name: file.read() for name, file in files.items() if file}
    except tarfile.TarError as error:
        raise LabFault(f"{kept.keys} cannot be read: {error}") from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
