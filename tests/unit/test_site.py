"""The web site of the documentation."""

from pathlib import Path

import pytest

from scripts import site


def test_the_site_is_built_without_a_warning_and_has_every_page(tmp_path: Path) -> None:
    site.write(tmp_path / "site")
    for page in site.pages():
        place = page.relative_to(site.ROOT).with_suffix("")
        folder = place.parent if place.name == "README" else place
        assert (tmp_path / "site" / "html" / folder / "index.html").exists()


def test_a_link_to_a_missing_heading_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for page in site.pages():
        copy = tmp_path / "project" / page.relative_to(site.ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(page.read_text(encoding="utf-8"), encoding="utf-8")
    with (tmp_path / "project" / "docs" / "drift.md").open("a", encoding="utf-8") as file:
        file.write("\n[Elsewhere](config.md#no-such-heading)\n")
    monkeypatch.setattr(site, "ROOT", tmp_path / "project")
    with pytest.raises(SystemExit):
        site.write(tmp_path / "site")
