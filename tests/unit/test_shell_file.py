"""Words of shell variables, such as kvmrc's."""

import pytest

from opennebula.shell_file import with_value, with_word

SHOWN = "export LANG=C\n\n# as in:\n#OPTIONS=--unsafe\nOTHER=1\n"


@pytest.mark.parametrize(
    ("before", "wanted", "after"),
    [
        (
            SHOWN,
            True,
            SHOWN.replace("#OPTIONS=--unsafe\n", "#OPTIONS=--unsafe\nOPTIONS=--unsafe\n"),
        ),
        (SHOWN, False, SHOWN),
        ("A=1", True, "A=1\nOPTIONS=--unsafe\n"),
        ("", True, "OPTIONS=--unsafe\n"),
        ("OPTIONS=\n", True, "OPTIONS=--unsafe\n"),
        ("OPTIONS=--unsafe # why\n", False, "OPTIONS= # why\n"),
        ("export OPTIONS='--a --b'\n", True, "export OPTIONS='--a --b --unsafe'\n"),
        ('OPTIONS="--a --unsafe"\nB=2\n', False, "OPTIONS=--a\nB=2\n"),
        ('OPTIONS="--a --unsafe"\n', True, 'OPTIONS="--a --unsafe"\n'),
        # The last one counts.
        ("OPTIONS=--unsafe\nOPTIONS=--a\n", True, "OPTIONS=--unsafe\nOPTIONS='--a --unsafe'\n"),
        ("MY_OPTIONS=--unsafe\n", False, "MY_OPTIONS=--unsafe\n"),
    ],
)
def test_a_word_is_added_and_removed_and_others_stay(before: str, wanted: bool, after: str) -> None:
    written = with_word(before, "OPTIONS", "--unsafe", wanted=wanted)
    assert written == after
    assert with_word(written, "OPTIONS", "--unsafe", wanted=wanted) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "LANG=C.UTF-8\n"),
        ("#  File\nLANG=de_DE\nLC_TIME=C\n", "#  File\nLANG=C.UTF-8\nLC_TIME=C\n"),
        ('LANG="C.UTF-8"\n', 'LANG="C.UTF-8"\n'),
    ],
)
def test_a_value_is_set_in_its_place(before: str, after: str) -> None:
    assert with_value(before, "LANG", "C.UTF-8") == after
