"""An environment comes back from its file, and a file written by hand is read as systemd reads it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slave_agent.systemd.environment_file import parse_environment, render_environment
from slave_agent.systemd.errors import SystemdError

TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cn")), max_size=50)


@given(st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True), TEXTS, max_size=8))
def test_every_environment_comes_back(environment: dict[str, str]) -> None:
    assert parse_environment(render_environment(environment)) == environment


@given(st.text(alphabet="\"'\\$`%# ;=ab\u00a0", max_size=30))
def test_signs_that_mean_something_come_back(value: str) -> None:
    assert parse_environment(render_environment({"A": value, "B": "after"})) == {"A": value, "B": "after"}


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\0b", "a\tb", "a\u2028b", "\ud800", "\uffff", "x" * 40_000])
def test_what_no_line_can_carry_is_refused_without_showing_it(value: str) -> None:
    with pytest.raises(SystemdError) as raised:
        render_environment({"TOKEN": f"s3cret{value}"})
    assert "s3cret" not in raised.value.message


BY_HAND = [
    ("A=b", {"A": "b"}),
    ("A = b c  \n", {"A": "b c"}),
    ("# A=b\n; B=c\nC=d", {"C": "d"}),
    ("A='b \"c\" $d\\n'", {"A": 'b "c" $d\\n'}),
    ('A="b \\"c\\" \\x"', {"A": 'b "c" \\x'}),
    ("A=b\\\nc", {"A": "bc"}),
    ('A="b\nc"', {"A": "b\nc"}),
    ("A='b'\"c\"d", {"A": "bcd"}),
    ("A=b # c", {"A": "b # c"}),
    ("export A=b\nB=c", {"B": "c"}),
    ("A\nB=", {"B": ""}),
    ("A=1\nA=2", {"A": "2"}),
    ("1A=b\n=c", {}),
    ('A="not ended', {"A": "not ended"}),
    ("A=b\\", {"A": "b"}),
    ("A='b", {"A": "b"}),
    ("", {}),
]


@pytest.mark.parametrize(("text", "environment"), BY_HAND)
def test_a_file_by_hand_is_read_as_systemd_reads_it(text: str, environment: dict[str, str]) -> None:
    assert parse_environment(text) == environment


@given(st.text(alphabet="AB=\"'\\ \n\r#;$`", max_size=40))
def test_no_file_is_an_exception(text: str) -> None:
    parse_environment(text)
