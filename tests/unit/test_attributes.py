"""The config key ``oned``: attributes are set, and restored when they leave the config."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opennebula import conf
from opennebula.managed_settings import Setting, apply, differences, known_by
from tests.unit import oned_reader
from tests.unit.oned_files import files
from tests.unit.test_conf import changed

SAMPLE = """\
# What is logged, and how much
LOG = [
  SYSTEM      = "file",
  DEBUG_LEVEL = 3   # 0 is least
]
PORT = 2633   # of the API

DRIVER = [
    NAME      = "kvm",
    ARGUMENTS = "-t 15"
]
DRIVER = [ NAME = "lxc", ARGUMENTS = "-t 15", KEEP = "no" ]

FORBIDDEN_ATTR = "NIC/MAC"
FORBIDDEN_ATTR = "DISK/SIZE"   # too large
"""

SETTINGS: list[tuple[dict[str, Setting], list[str]]] = [
    (
        {"PORT": 2700},
        ["-PORT = 2633   # of the API", "+PORT = 2700   # of the API"],
    ),
    (
        {"LOG": {"DEBUG_LEVEL": 5}},
        ["-  DEBUG_LEVEL = 3   # 0 is least", "+  DEBUG_LEVEL = 5   # 0 is least"],
    ),
    (
        {"log": {"Debug_Level": []}},
        [
            '-  SYSTEM      = "file",',
            "-  DEBUG_LEVEL = 3   # 0 is least",
            '+  SYSTEM      = "file"   # 0 is least',
        ],
    ),
    ({"SESSIONS": 5}, ["+SESSIONS = 5"]),
    ({"COST": {"CPU": 1, "DISK": []}}, ["+COST = [", "+    CPU = 1", "+]"]),
    ({"PORT": []}, ["-PORT = 2633   # of the API", "+   # of the API"]),
    (
        {"DRIVER": [{"NAME": "lxc", "KEEP": "yes"}]},
        [
            '-DRIVER = [ NAME = "lxc", ARGUMENTS = "-t 15", KEEP = "no" ]',
            '+DRIVER = [ NAME = "lxc", ARGUMENTS = "-t 15", KEEP = "yes" ]',
        ],
    ),
    (
        {"DRIVER": {"name": "lxc", "KEEP": []}},
        [
            '-DRIVER = [ NAME = "lxc", ARGUMENTS = "-t 15", KEEP = "no" ]',
            '+DRIVER = [ NAME = "lxc", ARGUMENTS = "-t 15" ]',
        ],
    ),
    (
        {"DRIVER": [{"NAME": "vz", "KEEP": "no"}]},
        ["+DRIVER = [", '+    NAME = "vz",', '+    KEEP = "no"', "+]"],
    ),
    (
        {"DRIVER": [{"remove": "kvm"}]},
        [
            "-DRIVER = [",
            '-    NAME      = "kvm",',
            '-    ARGUMENTS = "-t 15"',
            "-]",
            "+",
        ],
    ),
    ({"DRIVER": {"remove": "vz"}}, []),
    ({"FORBIDDEN_ATTR": ["RAW"]}, ['+FORBIDDEN_ATTR = "RAW"']),
    ({"FORBIDDEN_ATTR": ["NIC/MAC"]}, []),
    (
        {"FORBIDDEN_ATTR": [{"remove": "DISK/SIZE"}, {"remove": "NONE"}]},
        ['-FORBIDDEN_ATTR = "DISK/SIZE"   # too large', "+   # too large"],
    ),
    (
        {"FORBIDDEN_ATTR": []},
        [
            '-FORBIDDEN_ATTR = "NIC/MAC"',
            '-FORBIDDEN_ATTR = "DISK/SIZE"   # too large',
            "+",
            "+   # too large",
        ],
    ),
    (
        {"PORT": {"API": 1}},
        ["-PORT = 2633   # of the API", "+PORT = [", "+    API = 1", "+]   # of the API"],
    ),
    ({"LOG": {"DEBUG_LEVEL": 3}, "NONE": [], "PORT": 2633}, []),
]


def without_notes(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.startswith("+# opennebula-ha ")]


@pytest.mark.parametrize(("wanted", "lines"), SETTINGS)
def test_only_the_requested_attribute_changes(wanted: dict[str, Setting], lines: list[str]) -> None:
    assert without_notes(changed(SAMPLE, apply(SAMPLE, wanted))) == lines


@pytest.mark.parametrize(("wanted", "lines"), SETTINGS)
def test_a_removed_attribute_gets_its_original_value(
    wanted: dict[str, Setting], lines: list[str]
) -> None:
    back = apply(apply(SAMPLE, wanted), {})
    assert meaning(back) == meaning(SAMPLE)
    if "Debug_Level" not in str(wanted) and "KEEP': []" not in str(wanted):
        assert back == SAMPLE


@pytest.mark.parametrize(("earlier", "_"), SETTINGS)
@pytest.mark.parametrize(("wanted", "lines"), SETTINGS)
def test_earlier_settings_leave_nothing(
    earlier: dict[str, Setting], wanted: dict[str, Setting], lines: list[str], _: list[str]
) -> None:
    direct = apply(SAMPLE, wanted)
    assert meaning(apply(apply(SAMPLE, earlier), wanted)) == meaning(direct)


def test_the_order_of_settings_and_their_keys_does_not_matter() -> None:
    one: dict[str, Setting] = {
        "PORT": 1,
        "ADDED": {"NAME": "x", "B": 2, "A": 1},
        "LOG": {"SYSTEM": "std", "X": 1},
    }
    other: dict[str, Setting] = {
        "LOG": {"X": 1, "SYSTEM": "std"},
        "ADDED": {"A": 1, "B": 2, "NAME": "x"},
        "PORT": 1,
    }
    assert apply(SAMPLE, one) == apply(SAMPLE, other)


def test_the_file_records_the_original_values() -> None:
    written = apply(SAMPLE, {"PORT": 2700, "DRIVER": [{"remove": "lxc"}], "NEW": 1})
    assert [line for line in written.splitlines() if "opennebula-ha" in line] == [
        '# opennebula-ha changed: {"attribute": "PORT", "was": "PORT = 2633"}',
        '# opennebula-ha removed: {"attribute": "DRIVER", "which": "lxc", "was": "DRIVER = ['
        ' NAME = \\"lxc\\", ARGUMENTS = \\"-t 15\\", KEEP = \\"no\\" ]"}',
        '# opennebula-ha added: {"attribute": "NEW"}',
    ]


def test_other_manual_edits_are_kept() -> None:
    wanted: dict[str, Setting] = {"LOG": {"DEBUG_LEVEL": 5}, "NEW": 1}
    by_hand = apply(SAMPLE, wanted).replace('"file"', '"syslog"') + "MINE = 1\n"
    assert apply(by_hand, wanted) == by_hand
    assert apply(by_hand, {}) == SAMPLE.replace('"file"', '"syslog"') + "MINE = 1\n"


def test_an_attribute_that_has_the_value_already_keeps_it() -> None:
    written = apply(SAMPLE, {"PORT": 2633})
    assert apply(written, {}) == SAMPLE


def test_an_edited_setting_is_set_again_and_restored_to_the_original() -> None:
    by_hand = apply(SAMPLE, {"PORT": 2700}).replace("PORT = 2700", "PORT = 1")
    again = apply(by_hand, {"PORT": 2700})
    assert conf.read(again, "PORT") == "2700"
    assert apply(again, {}) == SAMPLE


def test_a_deleted_setting_is_set_again() -> None:
    wanted: dict[str, Setting] = {"PORT": 2700, "LOG": {"DEBUG_LEVEL": 5}}
    by_hand = conf.remove(conf.remove(apply(SAMPLE, wanted), "PORT"), "LOG")
    again = apply(by_hand, wanted)
    assert (conf.read(again, "PORT"), conf.read(again, "LOG")) == ("2700", {"DEBUG_LEVEL": "5"})
    assert conf.read(apply(again, {}), "PORT") == "2633"


def test_an_invalid_note_is_a_comment() -> None:
    text = "# opennebula-ha changed: {PORT}\n# opennebula-ha added: {}\nPORT = 1\n"
    assert apply(text, {}) == text


@pytest.mark.parametrize(
    ("before", "after", "names"),
    [
        ("A = 1\n", "# one\nA = 1\n", ()),
        ("A = 1\n", 'A = "1"', ()),
        ("A = 1\n", "A = 2\n", ("A",)),
        ("A = 1\nA = 2\n", "A = 1\n", ("A",)),
        ("V = [ K = 1, L = 2 ]\n", "V = [ K = 2 ]\n", ("V/K", "V/L")),
        ("V = [ K = 1 ]\n", "", ("V",)),
        ("V = [ K = 1 ]\n", "V = 1\n", ("V", "V/K")),
        ("V = [ NAME = a, K = 1 ]\nV = [ NAME = b ]\n", "V = [ NAME = a ]\n", ("V[a]/K", "V[b]")),
    ],
)
def test_differences_are_named_without_values(
    before: str, after: str, names: tuple[str, ...]
) -> None:
    assert differences(before, after) == names
    assert differences(after, before) == names
    assert differences(before, before) == ()


def test_a_setting_that_left_the_config_differs_by_name() -> None:
    written = apply(SAMPLE, {"DRIVER": [{"remove": "lxc"}], "LOG": {"SYSTEM": "std"}})
    assert differences(written, apply(written, {})) == (
        "DRIVER[lxc]",
        "LOG/SYSTEM",
    )


# Any file and any settings


NAMES = st.sampled_from(["A", "B_ATTR", "V", "NEW", "w"])
VALUES = st.sampled_from(["x", "", "y z", 'a "b"', "#", "two\nlines"]) | st.integers(0, 9)
KEYS: Any = st.dictionaries(st.sampled_from(["K", "L", "m"]), VALUES | st.just([]), min_size=1)
ENTRIES = (
    VALUES
    | KEYS.map(lambda keys: {"NAME": "x", **keys})
    | VALUES.map(lambda value: {"remove": value})
)
ANY_SETTINGS: Any = st.dictionaries(
    NAMES,
    VALUES | KEYS | st.lists(ENTRIES, max_size=3, unique_by=known_by),
    max_size=3,
)


def meaning(text: str) -> dict[str, list[Any]]:
    """Return what the independent reader finds, in the relevant order: that within a name."""
    found: dict[str, list[Any]] = {}
    for name, value in oned_reader.read(text):
        found.setdefault(name, []).append(value)
    return found


@given(files(), ANY_SETTINGS)
def test_applying_settings_twice_changes_nothing_more(
    text: str, wanted: dict[str, Setting]
) -> None:
    once = apply(text, wanted)
    assert apply(once, wanted) == once


@given(files(), ANY_SETTINGS)
def test_no_setting_leaves_a_trace(text: str, wanted: dict[str, Setting]) -> None:
    back = apply(apply(text, wanted), {})
    assert meaning(back) == meaning(text)
    assert "opennebula-ha" not in back


@given(files(), ANY_SETTINGS, ANY_SETTINGS)
def test_only_the_last_settings_count(
    text: str, earlier: dict[str, Setting], wanted: dict[str, Setting]
) -> None:
    applied = apply(apply(text, earlier), wanted)
    assert meaning(applied) == meaning(apply(text, wanted))
