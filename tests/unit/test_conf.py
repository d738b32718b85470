"""Editing oned.conf: only the requested change is made, and OpenNebula reads the intended value."""

import difflib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opennebula import conf
from opennebula.conf_grammar import ConfError
from tests.unit import oned_reader
from tests.unit.oned_files import FILES, files

SAMPLE = """\
# The daemon's own log, and who may see it
LOG = [
  SYSTEM      = "file",   # or "syslog" = elsewhere
  # DEBUG_LEVEL = 5,
  DEBUG_LEVEL = 3
]

STATE_DIR=/var/tmp/state   # no quotes
PORT = 2633
EMPTY =
NOTE = "a # that is none, and a \\"quoted\\" word"

STORE = [ BACKEND = "sqlite",
          TIMEOUT = 2500 ]   # in milliseconds

DRIVER = [ NAME = "kvm", EXECUTABLE = "one_vmm" ]
DRIVER = [ NAME = "lxc", EXECUTABLE = "one_vmm" ]

PLACE = [
    SERVER_ID        = -1,
    MODE             = "STANDALONE"  # the last one
]
"""


def changed(before: str, after: str) -> list[str]:
    """Return the removed and added lines, with their sign."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


# Reading


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOG", {"SYSTEM": "file", "DEBUG_LEVEL": "3"}),
        ("STATE_DIR", "/var/tmp/state"),  # noqa: S108
        ("PORT", "2633"),
        ("EMPTY", ""),
        ("NOTE", 'a # that is none, and a "quoted" word'),
        ("STORE", {"BACKEND": "sqlite", "TIMEOUT": "2500"}),
        ("PLACE", {"SERVER_ID": "-1", "MODE": "STANDALONE"}),
        ("place", {"SERVER_ID": "-1", "MODE": "STANDALONE"}),
        ("ABSENT", None),
    ],
)
def test_a_value_is_read_without_its_quotes_and_comments(
    name: str, value: str | dict[str, str] | None
) -> None:
    assert conf.read(SAMPLE, name) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A = 1\nA = 2\n", "1"),
        ("A = [ K = 1, K = 2 ]\n", {"K": "1"}),
        ("A = []\n", {}),
        ("A = [ # nothing yet\n]\n", {}),
        ('A = "two\nlines"\n', "two\nlines"),
        ("A = 1 B = 2\n", "1"),
        ("B = [ K = 1 ] A = 1\n", "1"),
        ('A = "back\\slash \\n"\n', "back\\slash \\n"),
        ('A = "C:\\\\dir"\n', "C:\\\\dir"),
        ('A = in"side\n', 'in"side'),
        ("A\n= 1\n", "1"),
        ("a = 1\n", "1"),
        ("A = 1", "1"),
        ("A = 1 # the end", "1"),
    ],
)
def test_reading_follows_opennebulas_own_parser(text: str, value: str | dict[str, str]) -> None:
    assert conf.read(text, "A") == value


def test_a_backslash_escapes_the_closing_quote() -> None:
    assert conf.read('A = "x\\"\n', "A") == "x\\"
    assert conf.read('A = "x\\" B = "\n', "A") == 'x" B = '
    with pytest.raises(ConfError, match="line 2: expected '='"):
        conf.read('A = "x\\"\nB = "y"\n', "A")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A = 1\nB\n", "line 2: expected '=', saw '\\n'"),
        ("A = 1\n\n= 2\n", "line 3: expected an attribute's name, saw '='"),
        ("A = two words\n", "line 1: expected '=', saw '\\n'"),
        ("A = x,y\n", "line 1: expected an attribute's name, saw ','"),
        ("# \nA = # nothing\n", "line 2: expected a value, saw '#'"),
        ("A = 1\nV = [\n X = 1\n", "line 2: expected a vector that is closed with ], saw '['"),
        ("V = [\n X = 1\n Y = 2 ]\n", "line 3: expected ',' or ']', saw 'Y'"),
        ("V = [\n X = 1,\n]\n", "line 3: expected an attribute's name, saw ']'"),
        ("V = [\n X = , Y = 1 ]\n", "line 2: expected a value, saw ','"),
        ("V =\n[ X = 1 ]\n", "line 2: expected an attribute's name, saw '['"),
        ('A = 1\nB = "open\n', "line 2: expected a value that ends with its closing quote"),
        ('B = "shut"too\n', "line 1: expected a value that ends with its closing quote"),
        ('A = "x]]>y"\n', "line 1: expected a line without ]]>"),
    ],
)
def test_a_text_outside_the_grammar_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ConfError) as caught:
        conf.read(text, "Z")
    assert str(caught.value).startswith(message)
    with pytest.raises(ConfError):
        conf.write(text, "Z", 1)
    with pytest.raises(ConfError):
        conf.remove(text, "Z")


def test_an_error_shows_at_most_one_character_of_a_secret() -> None:
    with pytest.raises(ConfError) as caught:
        conf.read('DB = [ PASSWD = "canary, USER = "x" ]\n', "DB")
    assert "canary" not in str(caught.value)


# Writing


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", 2633),
        ("PORT", "2633"),
        ("EMPTY", ""),
        ("LOG", {"DEBUG_LEVEL": 3}),
        ("LOG", {}),
        ("NOTE", 'a # that is none, and a "quoted" word'),
        ("STORE", {"backend": "sqlite", "timeout": "2500"}),
    ],
)
def test_an_existing_value_changes_nothing(name: str, value: conf.Scalar) -> None:
    assert conf.write(SAMPLE, name, value) == SAMPLE


@pytest.mark.parametrize(
    ("name", "value", "lines"),
    [
        ("PORT", 2700, ["-PORT = 2633", "+PORT = 2700"]),
        ("EMPTY", "full", ["-EMPTY =", '+EMPTY ="full"']),
        (
            "STATE_DIR",
            "/srv",
            ["-STATE_DIR=/var/tmp/state   # no quotes", '+STATE_DIR="/srv"   # no quotes'],
        ),
        ("LOG", {"debug_level": 4}, ["-  DEBUG_LEVEL = 3", "+  DEBUG_LEVEL = 4"]),
        (
            "LOG",
            {"SYSTEM": "std"},
            [
                '-  SYSTEM      = "file",   # or "syslog" = elsewhere',
                '+  SYSTEM      = "std",   # or "syslog" = elsewhere',
            ],
        ),
        (
            "STORE",
            {"TIMEOUT": 5},
            [
                "-          TIMEOUT = 2500 ]   # in milliseconds",
                "+          TIMEOUT = 5 ]   # in milliseconds",
            ],
        ),
        (
            "DRIVER",
            {"EXECUTABLE": "other"},
            [
                '-DRIVER = [ NAME = "kvm", EXECUTABLE = "one_vmm" ]',
                '+DRIVER = [ NAME = "kvm", EXECUTABLE = "other" ]',
            ],
        ),
        ("PLACE", {"SERVER_ID": 0}, ["-    SERVER_ID        = -1,", "+    SERVER_ID        = 0,"]),
    ],
)
def test_one_changed_attribute_is_one_changed_line(
    name: str, value: conf.Scalar | conf.Vector, lines: list[str]
) -> None:
    assert changed(SAMPLE, conf.write(SAMPLE, name, value)) == lines


def test_a_new_key_follows_the_last_and_leaves_its_comment() -> None:
    written = conf.write(SAMPLE, "PLACE", {"MASTER": "http://m", "ZONE": 0})
    assert changed(SAMPLE, written) == [
        '-    MODE             = "STANDALONE"  # the last one',
        '+    MODE             = "STANDALONE",  # the last one',
        '+    MASTER = "http://m",',
        "+    ZONE = 0",
    ]


def test_a_new_key_in_a_vector_of_one_line_is_aligned() -> None:
    assert conf.write('V = [ X = "1" ] # why\n', "V", {"Y": 2}) == (
        'V = [ X = "1",\n      Y = 2 ] # why\n'
    )


@pytest.mark.parametrize("text", ["V = []\n", "V = [ ]\n", "V = [\n  # none yet\n]\n"])
def test_a_key_is_added_to_an_empty_vector(text: str) -> None:
    written = conf.write(text, "V", {"X": 1, "Y": "b"})
    assert oned_reader.read(written) == [("V", {"X": "1", "Y": "b"})]


def test_a_missing_attribute_is_appended() -> None:
    assert conf.write(SAMPLE, "NEW", True) == SAMPLE + 'NEW = "YES"\n'
    assert conf.write(SAMPLE, "new", {"key": "v", "Other": 1}) == (
        SAMPLE + 'NEW = [\n    KEY = "v",\n    OTHER = 1\n]\n'
    )
    assert conf.write("A = 1", "B", 2) == "A = 1\nB = 2\n"
    assert conf.write("", "B", 2) == "B = 2\n"


def test_an_attribute_of_the_other_kind_is_replaced_in_its_place() -> None:
    assert conf.write("A = 1 # one\nB = 2\n", "A", {"K": 1}) == "A = [\n    K = 1\n] # one\nB = 2\n"
    assert conf.write("A = [ K = 1 ]\nB = 2\n", "A", "x") == 'A = "x"\nB = 2\n'


def test_the_effective_one_of_several_attributes_is_written() -> None:
    assert conf.write("A = 1\nA = 2\n", "A", 3) == "A = 3\nA = 2\n"
    assert conf.write("V = [ K = 1, K = 2 ]\n", "V", {"K": 3}) == "V = [ K = 3, K = 2 ]\n"


def test_removing_deletes_all_attributes_of_a_name_but_no_comment() -> None:
    assert changed(SAMPLE, conf.remove(SAMPLE, "driver")) == [
        '-DRIVER = [ NAME = "kvm", EXECUTABLE = "one_vmm" ]',
        '-DRIVER = [ NAME = "lxc", EXECUTABLE = "one_vmm" ]',
    ]
    assert conf.remove(SAMPLE, "ABSENT") == SAMPLE
    assert conf.remove("A = 1 # why\nB = 2", "A") == "# why\nB = 2"
    assert conf.remove("EMPTY =\nB = 2\n", "EMPTY") == "B = 2\n"
    assert conf.remove("B = 2\nA = 1", "A") == "B = 2\n"


@pytest.mark.parametrize("value", ["ends in \\", "\\", "a]]>b"])
def test_a_value_that_cannot_be_read_back_is_refused_and_not_shown(value: str) -> None:
    assert not conf.expressible(value)
    with pytest.raises(ConfError, match=r"^PASSWD: expected") as caught:
        conf.write(SAMPLE, "DB", {"PASSWD": value})
    assert value not in str(caught.value).replace("without ]]>", "")


# Every written value is read back, by a reader built like OpenNebula's

NAMES = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=6)
TEXTS = st.text(
    st.sampled_from(string.ascii_letters + string.digits + " \t\"\\#=,[]-/'$%\nä"), max_size=12
).filter(conf.expressible)
SCALARS = TEXTS | st.integers(-(2**31), 2**31)
VECTORS = st.dictionaries(NAMES.map(str.upper), SCALARS, min_size=1, max_size=3)
VALUES = SCALARS | VECTORS


def as_read(value: conf.Scalar | conf.Vector) -> oned_reader.Value:
    if isinstance(value, dict):
        return {key: str(item) for key, item in value.items()}
    return str(value)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=4))
def test_opennebula_reads_the_written_value(
    attributes: list[tuple[str, conf.Scalar | conf.Vector]],
) -> None:
    text, expected = SAMPLE, dict(reversed(oned_reader.read(SAMPLE)))
    for name, value in attributes:
        text = conf.write(text, name, value)
        present = expected.get(name.upper())
        merged = as_read(value)
        if isinstance(present, dict) and isinstance(merged, dict):
            merged = {**present, **merged}
        expected[name.upper()] = merged
    assert dict(reversed(oned_reader.read(text))) == expected
    for name, wanted in expected.items():
        assert conf.read(text, name) == wanted


@given(NAMES, VALUES)
def test_writing_twice_changes_nothing_more(name: str, value: conf.Scalar | conf.Vector) -> None:
    once = conf.write(SAMPLE, name, value)
    assert conf.write(once, name, value) == once


@given(NAMES.filter(lambda name: conf.read(SAMPLE, name) is None), VALUES)
def test_removing_undoes_writing(name: str, value: conf.Scalar | conf.Vector) -> None:
    assert conf.remove(conf.write(SAMPLE, name, value), name) == SAMPLE


# Any file: we read what OpenNebula reads, and all other attributes stay


def replaced(text: str, name: str) -> dict[str, list[oned_reader.Value]]:
    """Return all but the first attribute of that name, as the independent reader finds it."""
    found: dict[str, list[oned_reader.Value]] = {}
    for other, value in oned_reader.read(text):
        found.setdefault(other, []).append(value)
    found[name] = found.get(name, [""])[1:]
    return found


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_every_attribute_of_a_file_is_read_as_opennebula_reads_it(text: str) -> None:
    assert conf.attributes(text) == oned_reader.read(text)


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_writing_an_existing_value_changes_nothing(text: str) -> None:
    for name, value in reversed(conf.attributes(text)):
        which = value.get("NAME") if isinstance(value, dict) else value
        assert conf.write(text, conf.Position(name, which), value) == text


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_each_value_of_a_file_can_be_changed_in_its_own_line(text: str) -> None:
    for name, value in conf.attributes(text):
        keys = value if isinstance(value, dict) else {"": value}
        which = keys.get("NAME") if isinstance(value, dict) else value
        for key, was in keys.items():
            wanted: conf.Scalar | conf.Vector = {key: "new"} if key else "new"
            lines = changed(text, conf.write(text, conf.Position(name, which), wanted))
            height = was.count("\n") + 1
            assert [line[0] for line in lines] == ["-"] * height + ["+"], (name, key, lines)


def test_windows_line_endings_are_refused_as_in_opennebula() -> None:
    with pytest.raises(ConfError, match="line 1: expected a value that ends with its closing"):
        conf.read('A = "x"\r\nB = 1\r\n', "B")


@given(files())
def test_any_file_is_read_as_opennebula_reads_it(text: str) -> None:
    assert conf.attributes(text) == oned_reader.read(text)


@given(files(), st.sampled_from(["A", "v", "B_ATTR"]) | NAMES, VALUES)
def test_writing_to_any_file_changes_only_that_attribute(
    text: str, name: str, value: conf.Scalar | conf.Vector
) -> None:
    written = conf.write(text, name, value)
    assert replaced(written, name.upper()) == replaced(text, name.upper())
    assert conf.read(written, name) == dict(reversed(oned_reader.read(written)))[name.upper()]
    if isinstance(conf.read(text, name), dict) == isinstance(value, dict):
        assert oned_reader.comments(written) == oned_reader.comments(text)


@given(files(), st.sampled_from(["K", "NAME", "M", "NONE"]))
def test_a_key_is_removed_from_any_vector_without_a_comment(text: str, key: str) -> None:
    for name in {name for name, _ in conf.attributes(text)}:
        before = conf.read(text, name)
        after = conf.remove(text, conf.Position(name, key=key))
        assert replaced(after, name) == replaced(text, name)
        if isinstance(before, dict):
            assert conf.read(after, name) == {k: v for k, v in before.items() if k != key}
        assert oned_reader.comments(after) == oned_reader.comments(text)


@given(files(), st.sampled_from(["K", "NEW"]), TEXTS)
def test_an_added_key_is_removed_without_a_trace(text: str, key: str, value: str) -> None:
    for name in {name for name, _ in conf.attributes(text)}:
        place, content = conf.Position(name, key=key), conf.read(text, name)
        if isinstance(content, dict) and content and key not in content:
            assert conf.remove(conf.write(text, name, {key: value}), place) == text
