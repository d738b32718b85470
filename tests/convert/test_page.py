"""The page shows the output of a run."""

import re
from pathlib import Path

import pytest

from commands.convert.__main__ import main

PAGE = Path(__file__).parents[2] / "docs" / "convert.md"


def test_the_page_shows_the_report_of_its_inventory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = PAGE.read_text(encoding="utf-8")
    inventory = re.search(r"```yaml\n(.*?)```", text, re.S)
    report = re.search(r"```\n\$ make convert .*?\n(.*?)```", text, re.S)
    assert inventory
    assert report
    monkeypatch.chdir(tmp_path)
    Path("inventory.yml").write_text(inventory[1], encoding="utf-8")
    assert main(["inventory.yml"]) == 0
    assert capsys.readouterr().out == report[1]
