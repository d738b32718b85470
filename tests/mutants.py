"""Deliberate mistakes in the source, and the check that finds each: ``python -m tests.mutants``.

More of them, on simulated sites, are in ``tests/simulation/test_mutants.py``. Each mistake is made
in a copy of the project, in which its check must fail. ``make campaign`` runs all.
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Mutant:
    """A mistake: in that file the new text in the place of the old one."""

    what: str
    file: str
    old: str
    new: str
    test: str


MUTANTS = (
    Mutant(
        "two servers restart at once",
        "procedures/rollout.py",
        "            renew(access, healthy.facts[name])\n",
        "            [renew(access, healthy.facts[each]) for each, _ in turns]\n",
        "tests/unit/test_rollout.py",
    ),
    Mutant(
        "a majority is one less",
        "opennebula/zone.py",
        "    return servers // 2 + 1\n",
        "    return (servers + 1) // 2\n",
        "tests/unit/test_membership.py",
    ),
    Mutant(
        "the trust of a transfer stays",
        "procedures/transfer/restore.sh",
        "\nend_trust\n",
        "\n",
        "tests/unit/test_transfer.py",
    ),
    Mutant(
        "the key of a transfer is not removed",
        "procedures/shell/transfer.sh",
        'sed -i "/ $marker\\$/d" "$keys"',
        "true",
        "tests/unit/test_transfer.py",
    ),
    Mutant(
        "a file takes its place before it is on the disk",
        "hosts/script.py",
        '    sync "$new"',
        '    : "$new"',
        "tests/unit/test_script.py",
    ),
    Mutant(
        "a received dump is imported by root",
        "procedures/shell/copies.sh",
        '--user="${importer%@*}"',
        "--user=root",
        "tests/unit/test_import.py",
    ),
    Mutant(
        "the commands in a received dump run",
        "procedures/shell/copies.sh",
        "--batch --binary-mode --local-infile=0",
        "--batch",
        "tests/unit/test_import.py",
    ),
    Mutant(
        "any host key is accepted",
        "hosts/host_keys.py",
        "        if self.records.keys:\n            raise self._changed(key)\n",
        "",
        "tests/unit/test_host_keys.py",
    ),
    Mutant(
        "another key is accepted when the connection is opened again",
        "hosts/host_keys.py",
        "    if met is not None and not records.keys:\n",
        "    if False:\n",
        "tests/unit/test_hostile_hosts.py",
    ),
    Mutant(
        "messages show secrets",
        "hosts/script.py",
        'text = text.replace(line, "********")',
        "pass",
        "tests/unit/test_script.py",
    ),
    Mutant(
        "messages show control characters",
        "hosts/errors.py",
        'character if character.isprintable() or character in "\\n\\t" else "\\ufffd"',
        "character",
        "tests/unit/test_hostile_hosts.py",
    ),
)


def is_found(mutant: Mutant) -> bool:
    """Make the mistake in a copy; return whether its check fails there."""
    with TemporaryDirectory() as name:
        copy = Path(name)
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        for path in filter(None, listed.stdout.split("\0")):
            if (ROOT / path).is_file():
                (copy / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / path, copy / path)
        file = copy / mutant.file
        text = file.read_text(encoding="utf-8")
        if mutant.old not in text:
            raise ValueError(f"{mutant.file} no longer has {mutant.old!r}")
        file.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
        argv = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", mutant.test]
        done = subprocess.run(argv, cwd=copy, capture_output=True, text=True, check=False)
        # 1: a test failed. 2 and more: there was no test.
        return done.returncode == 1


def main() -> int:
    """Print each mistake and its check; return whether one was missed."""
    missed = 0
    for mutant in MUTANTS:
        found = is_found(mutant)
        missed += not found
        verdict = "found by" if found else "MISSED by"
        print(f"{mutant.what}: {verdict} {mutant.test}", flush=True)
    print(f"{len(MUTANTS)} mistakes, {missed} missed")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
