"""The documentation agrees with the code."""

import re
import tomllib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from opennebula.families import supported
from procedures.preflight.checks import SKIPPABLE
from providers.base import DRIFT_PAGE, Provider
from scripts import site, structure
from settings import table
from settings.table import ROOT
from tests import reliability
from tests.mutants import MUTANTS

# Its variables that concern front-ends.
ONE_DEPLOY = {
    *("one_version", "one_token", "one_pass", "one_vip", "one_vip_cidr", "one_vip_if", "force_ha"),
    *("leader_hook", "follower_hook", "zone_name", "db_backend", "db_name", "db_owner"),
    *("db_password", "gate_endpoint", "features", "features.gui", "features.flow"),
    *("features.gate", "features.form", "ensure_keys_for", "rsa_key_size", "ensure_hosts"),
    *("ensure_hostname", "unattend_disable", "update_pkg_cache", "pkg_cache_proxy", "ds", "fstab"),
    *("one_fqdn", "ssl", "opennebula_repo_url", "opennebula_repo_key_url", "admin_pubkey"),
    *("unsafe_migrations", "keep_empty_bridge", "auth", "sched_drs", "sched_rank", "ntp"),
}


def test_config_table_and_declarations_follow_the_model() -> None:
    for file, made in ((table.PAGE, table.page), (table.PROJECT_FILE, table.project_file)):
        text = file.read_text(encoding="utf-8")
        assert made(text) == text, f"make docs writes another {file.name}"


def test_the_table_has_type_default_meaning_and_one_deploys_name() -> None:
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


def test_every_key_of_one_deploy_is_a_key_or_listed_as_missing() -> None:
    names = {row.one_deploy for row in table.rows()}
    page = table.PAGE.read_text(encoding="utf-8").partition("## Not supported from one-deploy")[2]
    lacking = set(re.findall(r"`([a-z_]+)`", page.partition("\n## ")[0]))
    assert ONE_DEPLOY - names == lacking


def test_the_distributions_are_those_of_the_families_tables() -> None:
    page = table.PAGE.read_text(encoding="utf-8")
    for version in ("7.0", "7.2", "7.4"):
        assert f"| {version} | {supported(version)} |\n" in page


PAGES = site.pages()
CODE = re.compile(r"^```.*?^```$", re.M | re.S)


def test_named_files_exist() -> None:
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")):
        for path in re.findall(
            r"`((?!stacks/|raft/)(?:[a-z_]+/)+[\w.]*)`", page.read_text(encoding="utf-8")
        ):
            assert (ROOT / path).exists(), f"{page.name}: {path}"


def anchors(page: Path) -> set[str]:
    """Return the anchors that code hosts give the headings of a page."""
    heads = re.findall(r"^#+ (.*)$", CODE.sub("", page.read_text(encoding="utf-8")), re.M)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def test_links_between_documents_have_a_target() -> None:
    for page in PAGES:
        text = CODE.sub("", page.read_text(encoding="utf-8"))
        for target in re.findall(r"\]\(\s*([^):]+)\)", text):
            path, _, anchor = target.partition("#")
            other = page.parent / path if path else page
            assert other.exists(), f"{page.name}: {target}"
            assert not anchor or anchor in anchors(other), f"{page.name}: {target}"


MAKE = re.compile(
    r"(?:^ *(?:\$ )?|`|&& )make((?: -\w+)* [a-z-]+(?: [A-Z]+=(?:'[^']*'|\"[^\"]*\"|\S*))*)", re.M
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_commands_in_the_documents_exist_with_their_variables(page: Path) -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    rules: dict[str, str] = {}
    for names, recipe in re.findall(r"^([a-z -]+):(?!=).*\n((?:\t.*\n)*)", text, re.M):
        rules |= dict.fromkeys(names.split(), recipe)
    for command in MAKE.findall(page.read_text(encoding="utf-8")):
        target = re.sub(r" -\w+", "", command).split()[0].strip("`")
        assert target in rules, command
        for variable in re.findall(r" ([A-Z]+)=", command):
            assert f"$({variable})" in rules[target] or f"$(or $({variable})" in rules[target], (
                command
            )


def test_commands_of_the_package_in_the_documents_exist() -> None:
    for page in PAGES:
        for module in re.findall(
            r"python -m ((?:commands|lab|bench|policy)[\w.]*)", page.read_text("utf-8")
        ):
            assert find_spec(module), f"{page.name}: {module}"


def test_the_structure_diagram_follows_the_imports() -> None:
    text = structure.PAGE.read_text(encoding="utf-8")
    assert structure.page(text) == text, "make docs draws another picture"
    assert "components --> providers" in text


def test_the_deliberate_mistakes_are_those_of_the_tests() -> None:
    text = reliability.PAGE.read_text(encoding="utf-8")
    assert reliability.page(text) == text, "make docs writes another table"
    assert len({mutant.what for mutant in MUTANTS}) == len(MUTANTS) >= 10
    for mutant in MUTANTS:
        assert mutant.old in (ROOT / mutant.file).read_text(encoding="utf-8"), mutant.what


def test_the_diagram_has_every_package_of_the_program() -> None:
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = set(rules["tool"]["importlinter"]["root_packages"]) - {"lab"}
    assert set(structure.PURPOSES) - {structure.PROGRAM} == packages


def test_arrows_that_follow_from_others_are_left_out() -> None:
    graph = {"a": {"b", "c"}, "b": {"c"}, "c": set[str]()}
    assert structure.reduced(graph) == {"a": {"b"}, "b": {"c"}, "c": set()}


def test_each_kind_of_resource_that_reports_drift_has_a_section() -> None:
    kinds = {
        kind.__name__.removesuffix("Provider").lower()
        for module in (ROOT / "providers").glob("*.py")
        for kind in vars(import_module(f"providers.{module.stem}")).values()
        if isinstance(kind, type) and issubclass(kind, Provider)
    }
    abstract = {"", "zonespec", "everywhere", "bootstrap"}
    assert kinds - abstract == anchors(ROOT / DRIFT_PAGE) - {"drift", "how-data-are-compared"}


def test_every_preflight_check_that_can_be_skipped_has_a_row() -> None:
    rows = (ROOT / "docs" / "preflight.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", rows, re.M)) == set(SKIPPABLE)
