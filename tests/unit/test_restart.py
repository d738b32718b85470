"""An oned that does not start with new configuration returns to the file of its last start."""

from pathlib import Path

import pytest

from tests.unit.sandbox import Sandbox

OSES = 'ID=debian\nVERSION_ID="12"\n'
# oned starts only with a file that says "good".
ONED = r"""
"systemctl start opennebula.service")
    grep -q good /ROOT/etc/one/oned.conf && touch /ROOT/active ;;
"systemctl stop opennebula.service" | "systemctl --no-block stop opennebula.service")
    rm -f /ROOT/active ;;
"systemctl show -p ActiveState "*)
    [ -e /ROOT/active ] && echo active || echo inactive ;;
"systemctl -q is-active "*) [ -e /ROOT/active ] ;;
"""
CONF, NEXT, BEFORE = (f"/etc/one/oned.conf{end}" for end in ("", ".next", ".before"))


@pytest.fixture
def host(tmp_path: Path) -> Sandbox:
    host = Sandbox(tmp_path / "host", OSES, ONED, new="7.2.0-1")
    host.file(CONF, "good and old\n")
    return host


def restart(host: Sandbox, oned_conf: str = "") -> tuple[bool, list[str]]:
    """Return whether the restart succeeded, and the three files."""
    output = host.run("restart", {"oned_conf": oned_conf})
    files = [host.file(path).strip() for path in (CONF, NEXT, BEFORE)]
    return "remedy" not in output.values, files


def test_new_configuration_replaces_the_former_one(host: Sandbox) -> None:
    assert restart(host, "good and new") == (True, ["good and new", "", ""])
    assert restart(host) == (True, ["good and new", "", ""])


def test_refused_configuration_stays_staged(host: Sandbox) -> None:
    assert restart(host, "bad") == (False, ["good and old", "bad", ""])
    assert restart(host, "good and new") == (True, ["good and new", "", ""])


@pytest.mark.parametrize(
    ("given", "well", "files"),
    [
        ("", False, ["good and old", "bad", ""]),
        ("worse", False, ["good and old", "worse", ""]),
        ("good and new", True, ["good and new", "", ""]),
    ],
)
def test_after_an_interrupted_try_the_former_file_counts(
    host: Sandbox, given: str, well: bool, files: list[str]
) -> None:
    host.file(CONF, "bad\n")
    host.file(BEFORE, "good and old\n")
    assert restart(host, given) == (well, files)
    assert (host.root / "active").exists()


def test_if_oned_was_started_with_the_tried_file_it_counts(host: Sandbox) -> None:
    host.file(CONF, "good and tried\n")
    host.file(BEFORE, "good and old\n")
    (host.root / "active").touch()
    host.answer("systemctl show -p ActiveEnterTimestamp *", "date -d '+1 minute'")
    assert restart(host, "bad") == (False, ["good and tried", "bad", ""])
