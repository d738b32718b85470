"""The documents say what the code says."""

import re

from settings import table
from settings.table import ROOT


def test_the_table_and_the_declarations_of_the_config_are_the_model_s() -> None:
    for file, made in ((table.PAGE, table.page), (table.PROJECT_FILE, table.project_file)):
        text = file.read_text(encoding="utf-8")
        assert made(text) == text, f"make docs writes another {file.name}"


def test_the_table_says_type_default_meaning_and_one_deploys_name_of_each_key() -> None:
    rows = {row.key: row for row in table.rows()}
    assert rows["one_pass"].kind == "secret"
    assert (rows["one_version"].default, rows["one_version"].one_deploy) == (
        "required",
        "one_version",
    )
    assert (rows["keep_dumps"].kind, rows["keep_dumps"].default) == ("number", "10")
    assert rows["frontends.NAME.address"].one_deploy == "ansible_host"
    assert rows["fstab"].kind == "list"
    assert rows["fstab.opts"].default == "rw,relatime"
    assert rows["lost"].one_deploy == ""
    assert all(row.meaning.endswith((".", ")")) for row in rows.values())


def test_files_that_are_named_are_there() -> None:
    for page in (ROOT / "README.md", *ROOT.glob("docs/*.md")):
        for path in re.findall(
            r"`((?!stacks/)(?:[a-z_]+/)+[\w.]*)`", page.read_text(encoding="utf-8")
        ):
            assert (ROOT / path).exists(), f"{page.name}: {path}"


def test_links_between_documents_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("lab/*/README.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
