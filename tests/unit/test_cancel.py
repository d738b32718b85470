"""The CLI cannot read a state with an incomplete checksum: cancel removes the checksum alone."""

from pathlib import Path

import pytest

from commands.cancel import make_readable

COMPLETE = '{"user.content_type":"text/plain","md5":"rL0Y20zC+Fzt72VPzMSk2A=="}\n'


@pytest.fixture
def states(tmp_path: Path) -> Path:
    folder = tmp_path / "my backend" / ".pulumi" / "stacks" / "opennebula-ha"
    folder.mkdir(parents=True)
    for name in ("lab", "production"):
        (folder / f"{name}.json").write_text("{}")
        (folder / f"{name}.json.attrs").write_text(COMPLETE)
    return folder


@pytest.mark.parametrize("text", ["", '{"user.content_ty'])
@pytest.mark.parametrize("form", ["file://{}", "file://{}?metadata=", "file://{}/"])
def test_an_incomplete_checksum_is_removed(states: Path, form: str, text: str) -> None:
    broken = states / "lab.json.attrs"
    broken.write_text(text)
    left = {*states.iterdir()} - {broken}
    assert make_readable(form.format(states.parents[2])) == [broken]
    assert {*states.iterdir()} == left


def test_complete_checksums_stay(states: Path) -> None:
    before = {*states.iterdir()}
    assert make_readable(f"file://{states.parents[2]}") == []
    assert {*states.iterdir()} == before


def test_the_backend_can_be_in_the_home_folder_or_relative(
    states: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = states / "lab.json.attrs"
    monkeypatch.setenv("HOME", str(states.parents[3]))
    monkeypatch.chdir(states.parents[3])
    for backend in ("file://~/my backend", "file://./my backend", "file://my backend"):
        broken.write_text("")
        assert make_readable(backend) == [broken]


@pytest.mark.parametrize("backend", ["s3://states/opennebula", "https://api.pulumi.com"])
def test_other_backends_have_no_such_files(backend: str) -> None:
    assert make_readable(backend) == []
