"""Keys and settings that are links: what they lead to is seen, and kept before it is replaced."""

import re
import shlex
import subprocess
import tarfile
from pathlib import Path

import pytest

from procedures.script_text import script_text, shared_shell


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """Make a host whose ``.one`` and ``.ssh`` are links, with links of each kind inside."""
    for folder in ("etc/one/auth", "safe/one", "safe/ssh", "var/lib/one/datastores", "var/lib/x"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc/one/oned.conf").write_text("oned")
    (tmp_path / "etc/one/auth/ldap.conf").write_text("ldap")
    (tmp_path / "safe/one/one_auth").write_text("oneadmin:x")
    (tmp_path / "safe/key").write_text("key")
    (tmp_path / "safe/ssh/id_rsa").write_text("rsa")
    (tmp_path / "var/lib/one/datastores/disk").write_text("disk")
    links = {
        "var/lib/one/.one": "../../../safe/one",
        "var/lib/one/.ssh": str(tmp_path / "safe/ssh"),
        "safe/one/one_key": "../key",
        "safe/one/copy_key": "one_key",
        "safe/one/lost_key": "nowhere",
        "safe/ssh/known_hosts": "/dev/null",
        "safe/ssh/loop": "loop",
        "safe/ssh/home": str(tmp_path / "var/lib/one"),
        "safe/ssh/up": "..",
    }
    for name, target in links.items():
        (tmp_path / name).symlink_to(target)
    return tmp_path


def run(host: Path, text: str) -> str:
    """Run this with the functions for dumps, with the host's folder in place of the root."""
    text = f"{shared_shell({'x': '#: use dumps'})}\nzstd() {{ cat; }}\n{text}"
    text = re.sub(r"(?<![\w.$}/*])/(?=(?:etc|run|var)/)", f"{host}/", text)
    text = text.replace("cd / &&", f"cd {shlex.quote(str(host))} &&")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"db_name=x; step() {{ :; }}\n{text}"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def content(path: Path) -> dict[str, str | None]:
    """Return what each file of a tar file holds; None for a folder."""
    with tarfile.open(path) as archive:
        files = {member.name: archive.extractfile(member) for member in archive}
        return {name: file.read().decode() if file else None for name, file in files.items()}


KEYS = {
    "one_auth": "oneadmin:x",
    "one_key": "key",
    "copy_key": "key",
}


def test_settings_behind_links_are_kept_once(host: Path) -> None:
    run(host, "keep_settings copy; keep_settings configuration")
    (kept,) = (host / "var/backups/opennebula").iterdir()
    assert content(kept) == {
        "etc/one": None,
        "etc/one/auth": None,
        "etc/one/auth/ldap.conf": "ldap",
        "etc/one/oned.conf": "oned",
        "var/lib/one/.one": None,
        **{f"var/lib/one/.one/{name}": text for name, text in KEYS.items()},
        "var/lib/one/.ssh": None,
        "var/lib/one/.ssh/id_rsa": "rsa",
    }
    assert kept.stat().st_mode & 0o777 == 0o600
    # A key that was only touched is not another one.
    (host / "safe/ssh/id_rsa").touch()
    run(host, "keep_settings copy")
    assert list((host / "var/backups/opennebula").iterdir()) == [kept]
    (host / "safe/key").write_text("new key")
    run(host, "keep_settings copy")
    assert len(list((host / "var/backups/opennebula").iterdir())) == 2


def test_a_link_counts_as_the_settings_of_others(host: Path) -> None:
    """Only what came with our own packages is not kept: a key has another origin."""
    (host / "var/lib/opennebula-ha").mkdir()
    (host / "var/lib/opennebula-ha/claimed").write_text("new\n")
    run(host, "keep_settings copy")
    assert (host / "var/backups/opennebula").exists()


def test_the_keys_of_a_dump_are_those_that_links_lead_to(host: Path) -> None:
    run(host, f"cd {host}/var/lib/one && archive .one .ssh >{host}/keys.tar")
    found = content(host / "keys.tar")
    assert {name: found[f".one/{name}"] for name in KEYS} == KEYS
    assert found[".ssh/id_rsa"] == "rsa"
    (host / "var/lib/one/.one").unlink()
    (host / "var/lib/one/.ssh").unlink()
    run(host, f"cd {host}/var/lib/one && archive .one .ssh >{host}/none.tar")
    assert content(host / "none.tar") == {}


def test_a_transfer_sends_what_folders_lead_to(host: Path) -> None:
    """The receiver takes no link in place of one of them."""
    (host / "var/lib/one/remotes").mkdir()
    (host / "var/lib/one/remotes/link").symlink_to("vips.sh")
    (files,) = re.findall(r'(?s)through "\$way" incoming/ (.*?) 2>&1', script_text("send"))
    run(host, f"rsync -a {files} {host}/incoming")
    incoming = host / "incoming"
    assert (incoming / ".one/one_auth").read_text() == "oneadmin:x"
    assert (incoming / ".ssh/id_rsa").read_text() == "rsa"
    assert not any((incoming / name).is_symlink() for name in (".one", ".ssh", "remotes"))
    assert (incoming / "remotes/link").readlink() == Path("vips.sh")
    assert sorted(path.name for path in incoming.iterdir()) == [".one", ".ssh", "remotes"]


def test_keys_behind_links_are_signs(host: Path) -> None:
    """A host is blank only without any."""
    (function,) = re.findall(r"(?ms)^keys\(\) \{.*?^\}", script_text("observe"))
    found = run(host, f"{function}\nkeys -printf '%P\\n' | sort").split()
    assert found == ["copy_key", "id_rsa", "one_auth", "one_key"]


def test_a_bootstrap_leaves_no_key_of_an_earlier_one(host: Path) -> None:
    """oned refuses an empty database next to them; what links lead to stays."""
    (command,) = re.findall(r"(?m)^find .*/\.one .*-delete$", script_text("bootstrap"))
    run(host, command)
    assert [path.name for path in (host / "safe/one").iterdir()] == ["one_auth"]
    assert (host / "safe/key").read_text() == "key"
