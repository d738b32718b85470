"""Texts and the names of tests are in plain words; the glossary lists the words not to use."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from settings import table
from settings.table import ROOT

GLOSSARY = ROOT / "docs" / "glossary.md"
UNUSED = "## Words that we do not use"
PAGES = (
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob("lab/*/README.md"),
    *ROOT.glob("stacks/*.yaml*"),
    ROOT / "Pulumi.yaml",
)
SPEAKING = (
    *("settings", "commands", "components", "providers", "procedures", "opennebula", "hosts"),
    *("opennebula_ha", "lab", "bench", "scripts"),
)
"""Packages whose docstrings, messages and comments are checked."""
CODE = re.compile(
    r"^```.*?^```$|`[^`\n]*`|<!-- make bench: begin.*?make bench: end -->", re.M | re.S
)


def unused() -> list[str]:
    """Return the words in the first column of the glossary's last table."""
    rows = GLOSSARY.read_text(encoding="utf-8").partition(UNUSED)[2].splitlines()
    first = [row.split("|")[1] for row in rows if row.startswith("| `")]
    return [word for cell in first for word in re.findall(r"`([^`]+)`", cell)]


def found_in(text: str) -> list[str]:
    """Return the unused words in a text, outside code."""
    prose = " ".join(CODE.sub("", text).split())
    return [word for word in unused() if re.search(rf"(?i)\b{re.escape(word)}\b", prose)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_has_an_unused_word(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert found_in(text.partition(UNUSED)[0] if page == GLOSSARY else text) == []


def test_no_description_of_a_key_has_an_unused_word() -> None:
    found = {row.key: found_in(row.meaning) for row in table.rows()}
    assert {key: words for key, words in found.items() if words} == {}


MODULES = [
    ROOT / "__main__.py",
    *(
        path
        for name in SPEAKING
        for path in sorted(ROOT.glob(f"{name}/**/*.*"))
        if path.suffix in (".py", ".sh")
    ),
    *(ROOT / "scripts" / name for name in ("setup", "install-pulumi", "pulumi")),
]


def texts(module: Path) -> Iterator[str]:
    """Return the docstrings, messages and comments of a module, or the comments of a script."""
    source = module.read_text(encoding="utf-8")
    if module.suffix != ".py":
        yield from (line for line in source.splitlines() if line.lstrip().startswith("#"))
        return
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
        elif token.type == tokenize.STRING and not (
            # The stand-in quotes OpenNebula's messages.
            "standin" in module.parts and not token.string.startswith('"""')
        ):
            # Without the names in an f-string.
            yield re.sub(r"\{[^{}]*\}", "", token.string)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_docstring_message_or_comment_has_an_unused_word(module: Path) -> None:
    found = {text: found_in(text) for text in texts(module) if " " in text.strip()}
    assert {text: words for text, words in found.items() if words} == {}


TESTS = sorted(ROOT.glob("tests/**/*.py"))
LONGEST = 60
"""Characters of a test's name after ``test_``."""


def names_in(source: str) -> list[str]:
    """Return the names of a module's functions and classes."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [node.name for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]


def texts_of_tests(source: str) -> Iterator[str]:
    """Return names, docstrings and comments; other strings quote the program and its hosts."""
    for name in names_in(source):
        yield name.replace("_", " ")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield str(node.value.value)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


@pytest.mark.parametrize("module", TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_name_docstring_or_comment_of_tests_has_an_unused_word(module: Path) -> None:
    found = {text: found_in(text) for text in texts_of_tests(module.read_text(encoding="utf-8"))}
    assert {text: words for text, words in found.items() if words} == {}


def test_names_of_tests_are_short() -> None:
    names = [name for module in TESTS for name in names_in(module.read_text(encoding="utf-8"))]
    long = [name for name in names if re.match(rf"test_.{{{LONGEST + 1}}}", name)]
    assert long == []


def test_a_word_is_found_in_any_case_across_lines_but_not_in_code() -> None:
    assert "mend" in unused()
    assert len(unused()) > 30
    assert found_in("Mend\nit. What is\nto be done?") == ["mend", "is to be"]
    assert found_in("Amend `mend`\n```\nmend\n```\n") == []


def test_descriptions_in_the_project_file_have_no_broken_links() -> None:
    for key, one in table.declarations().items():
        assert not re.search(r"[,;:]\.|\]\(|#", str(one["description"])), key
