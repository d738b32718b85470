"""Scripts sent to a host, and their answers: a script runs completely or not at all."""

import base64
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hosts.script import Output, Script, parse

SECRET = 'canary\'that "nobody" $may `see`'


def bash(text: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["bash", "-s"], input=text.encode(), capture_output=True, timeout=20, check=False
    )


def given(name: str, value: str) -> str:
    return f"@{name} {base64.b64encode(value.encode()).decode()}"


def test_a_script_returns_its_values_with_any_quoting() -> None:
    script = Script(
        "try",
        'step "look"\ntell plain "$plain"\ntell secret "$secret"\necho noise',
        {"plain": "two\nlines'"},
        {"secret": SECRET},
        exclusive=False,
    )
    done = bash(script.text())
    assert done.returncode == 0, done.stderr
    assert parse(done.stdout.decode()) == Output(
        {"plain": "two\nlines'", "secret": SECRET}, ("look",), "noise"
    )


@pytest.mark.parametrize(
    "value",
    ["", " ", "\n", "a\n\nb\n", "\\", "\\n", "\\\\n\n\\", "a\rb\x0bc\u2028d", "=a b", "ä*?[x]${y}"],
)
def test_any_text_is_returned_unchanged(value: str) -> None:
    script = Script("try", 'tell told "$value"\ntell then after', {"value": value}, exclusive=False)
    assert parse(bash(script.text()).stdout.decode()).values == {"told": value, "then": "after"}


def test_a_script_that_is_cut_anywhere_runs_nothing() -> None:
    text = Script("try", 'step "ran"', {"name": "value"}, exclusive=False).text().rstrip("\n")
    cuts = [*range(0, len(text) - 60, 97), *range(len(text) - 60, len(text))]
    with ThreadPoolExecutor(4) as workers:
        for done in workers.map(lambda cut: bash(text[:cut]), cuts):
            assert b"#ran" not in done.stdout
    assert b"#ran" in bash(text).stdout


def test_a_script_reads_nothing_of_the_next_one() -> None:
    script = Script("try", 'tell read "$(cat)"', exclusive=False)
    done = bash(script.text() + "echo leftover\n")
    assert parse(done.stdout.decode()) == Output({"read": ""})


def test_a_failing_command_ends_the_script() -> None:
    done = bash(Script("try", 'false\nstep "after"', exclusive=False).text())
    assert done.returncode != 0
    assert parse(done.stdout.decode()).steps == ()


def test_a_refusal_has_expected_seen_and_remedy() -> None:
    done = bash(Script("try", 'refuse "this" "that" "so"', exclusive=False).text())
    assert done.returncode == 65
    assert parse(done.stdout.decode()).values == {
        "expected": "this",
        "seen": "that",
        "remedy": "so",
    }


def test_only_a_script_that_changes_the_host_takes_its_lock() -> None:
    assert "\nexclusively 30\n" in Script("try", "true", timeout=30).text()
    assert "\nexclusively 30\n" not in Script("try", "true", timeout=30, exclusive=False).text()


def test_no_secret_shows_in_texts_or_in_the_scripts_repr() -> None:
    script = Script("try", "true", secrets={"one": SECRET, "many": "first line\nsecond line"})
    assert SECRET not in repr(script)
    text = script.redact(f"it said {SECRET}: second line and first line")
    assert text == "it said ********: ******** and ********"


@pytest.mark.parametrize("secret", ["", "]", "a\n\nb"])
def test_a_text_too_short_for_a_secret_is_not_hidden(secret: str) -> None:
    assert Script("try", "true", secrets={"one": secret}).redact("a [b] c") == "a [b] c"


def test_the_output_is_steps_values_and_noise() -> None:
    output = parse(
        "\n".join(["#first", "loose", given("name", "ä\nb"), "#second", given("empty", ""), "end"])
    )
    assert output == Output({"name": "ä\nb", "empty": ""}, ("first", "second"), "loose\nend")


@pytest.mark.parametrize(
    "line", ["@name abc", "@name not base64!", "@ YQ==", "name YQ==", "#", "=name", "= a"]
)
def test_a_line_similar_to_a_value_is_noise(line: str) -> None:
    assert parse(line) == Output({}, (), line)


def test_variables_of_the_login_do_not_reach_a_script() -> None:
    names = ("MYSQL_HOST", "MYSQL_UNIX_PORT", "ONE_XMLRPC", "BASH_ENV", "GREP_OPTIONS")
    text = "".join(f'echo "${{{name}-none}}"\n' for name in names)
    done = subprocess.run(
        ["bash", "-s"],
        input=Script("test", text, exclusive=False).text(),
        env={**os.environ, **dict.fromkeys(names, "x")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["none"] * len(names)


def test_a_file_is_on_the_disk_before_it_takes_its_place(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old\n")
    seen = f'[ "$(cat {file} {file}.opennebula-ha)" = "old"$\'\\n\'new ] && echo "=seen $1"'
    body = f'sync() {{ {seen}; command sync "$@"; }}\nput {file} new'
    done = bash(Script("try", body, exclusive=False).text())
    assert parse(done.stdout.decode()).values == {"seen": f"{file}.opennebula-ha"}, done.stderr
    assert file.read_text() == "new\n"
