"""Each message leads to a section of the troubleshooting page, which has the code's messages."""

import re

import pytest

from commands import stack
from hosts.errors import HostError
from procedures.parallel import HostErrors
from procedures.preflight.checks import SKIPPABLE
from procedures.troubleshooting import TOPICS, Topic, explained, topic
from scripts import troubleshooting
from settings import SettingsError

TEXT = troubleshooting.PAGE.read_text(encoding="utf-8")
STEPS = troubleshooting.steps()


def test_the_page_has_the_messages_of_the_code() -> None:
    assert troubleshooting.page(TEXT) == TEXT, "make docs writes another docs/troubleshooting.md"


def test_messages_of_python_and_of_scripts_are_on_the_page() -> None:
    for part in (
        "| expected another server in the zone, saw … alone | destroy the stack to take",
        "| expected a signed package repository at …, saw …",
        "`skip_checks` skips it as `memory`",
        "| `opennebula-ha:ensure_keys_for` | oneadmin's keys belong to the zone",
    ):
        assert part in TEXT


@pytest.mark.parametrize("step", sorted(STEPS))
def test_each_step_of_the_program_belongs_to_a_section(step: str) -> None:
    if not step.startswith("…"):
        names = topic(step).steps
        assert step in names or any(
            name.endswith("…") and step.startswith(name[:-1]) for name in names
        ), f"name it in procedures/troubleshooting.py: {step}"


@pytest.mark.parametrize("section", TOPICS, ids=lambda section: section.anchor)
def test_each_section_is_of_steps_that_exist(section: Topic) -> None:
    for name in section.steps:
        beginning = name.removesuffix("…")
        assert any(step == name or step.startswith(beginning) for step in STEPS), name


def test_each_section_has_one_anchor() -> None:
    heads = re.findall(r"^#{2,} (.+)$", TEXT, re.M)
    assert len(heads) == len(set(heads))
    assert {section.title for section in TOPICS} < set(heads)


def test_each_check_that_can_be_skipped_has_a_section() -> None:
    lines = re.findall(r"^`skip_checks` skips it as (.*):", TEXT, re.M)
    assert sorted(re.findall(r"`(\w+)`", " ".join(lines))) == sorted(SKIPPABLE)


def test_each_section_says_what_it_means_and_what_causes_it() -> None:
    for section in re.findall(r"^### (.*?)(?=^##|\Z)", TEXT, re.M | re.S):
        assert re.search(r"\n\n(?!Steps: |\[Signs).+\n\n\*\*Usual cause\.\*\* \S", section), section


def test_a_section_without_a_topic_and_one_that_is_missing_are_faults() -> None:
    for other in ("### Connected\n", ""):
        with pytest.raises(KeyError, match="Connect"):
            troubleshooting.page(TEXT.replace("### Connect\n", other))


def error(host: str, step: str) -> HostError:
    return HostError(host, step, expected="this", seen="that", remedy="do so")


def test_several_errors_name_each_section_once() -> None:
    steps = ("connect", "check the memory", "connect")
    errors = HostErrors([error("n1a1", step) for step in steps])
    text = explained(errors)
    assert text.startswith(f"{errors}\n")
    assert text.endswith("\n  see docs/troubleshooting.md#connect, #memory")


def test_the_longest_beginning_counts() -> None:
    assert topic("install OpenNebula 7.4").title == "Upgrade"
    assert topic("install nginx").title == "Web server"
    assert topic("install packages").title == "Packages"


def test_a_command_names_the_section(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> stack.Target:
        raise error("n1a1", "log in")

    monkeypatch.setattr(stack, "_settings", fail)
    assert stack.run(lambda _: 0, failed=3) == 3
    assert capsys.readouterr().err.endswith("\n  see docs/troubleshooting.md#log-in\n")


def test_faults_of_the_config_name_the_section() -> None:
    said = str(SettingsError(["opennebula-ha:one_pass: missing"]))
    assert said.endswith("\n  see docs/troubleshooting.md#config-faults")
