"""Unit tests of the stand-in's parts."""

import subprocess
from pathlib import Path

import pytest

from lab.standin.build import CURRENT, HERE, Release, build_repository
from lab.standin.guest import conf
from lab.standin.guest.pace import Pace

SHIPPED = HERE / "packages/opennebula/root/etc/one"


def test_the_grammar() -> None:
    template = conf.parse(
        '# a comment\nPORT = 2633 # and another\nNAME="with \\" and # inside"\n'
        'DB = [ BACKEND = "mysql", PASSWD = "p#,]", # here too\n  PORT = 0 ]\n'
        "IM = [ NAME = one ]\nIM = [ NAME = two ]\n"
    )
    assert template.text("PORT") == "2633"
    assert template.text("NAME") == 'with " and # inside'
    assert template.vector("DB") == {"BACKEND": "mysql", "PASSWD": "p#,]", "PORT": "0"}
    assert [vector["NAME"] for vector in template.vectors("IM")] == ["one", "two"]


@pytest.mark.parametrize("text", ["PORT", "PORT =", "DB = [ A = 1", 'NAME = "open', "= 3"])
def test_a_syntax_error_names_its_line(text: str) -> None:
    with pytest.raises(conf.SyntaxFault, match="line 2"):
        conf.parse(f"\n{text}")


@pytest.mark.parametrize("name", ["oned.conf", "monitord.conf"])
def test_the_packaged_file_matches_the_grammar(name: str) -> None:
    assert conf.parse((SHIPPED / name).read_text()).attributes


def test_a_lab_with_scaled_waits_gives_servers_time_to_answer() -> None:
    assert Pace(1.0).election(5.0) == 5.0
    assert Pace(0.01).election(5.0) == 1.0
    assert Pace(0.01).broadcast(0.5) == 0.1
    assert Pace(0.01).call(0) == 0


def test_a_repository_with_several_versions(tmp_path: Path) -> None:
    patch = Release(version="7.2.1", db_version="7.2.0", series="7.2")
    next_one = Release(version="7.4.0", db_version="7.4.0", series="7.4")
    build_repository(tmp_path, (CURRENT, patch, next_one))
    index = (tmp_path / "7.2/Debian/12/dists/stable/opennebula/binary-amd64/Packages").read_text()
    assert index.count("Package: opennebula\n") == 2
    assert "Version: 7.2.0-1" in index
    assert "Version: 7.2.1-1" in index
    assert (tmp_path / "7.4/Debian/12/dists/stable/InRelease").exists()
    assert (tmp_path / "repo2.key").read_text().startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----")
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    keyring = home / "key.gpg"
    subprocess.run(
        ["gpg", "--homedir", home, "--dearmor", "--output", keyring, tmp_path / "repo2.key"],
        check=True,
        capture_output=True,
    )
    release = tmp_path / "7.4/Debian/12/dists/stable/InRelease"
    subprocess.run(["gpgv", "--keyring", keyring, release], check=True, capture_output=True)
