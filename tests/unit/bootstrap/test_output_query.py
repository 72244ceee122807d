"""The query of a job's output: what it may hold, and what is refused by name."""

from __future__ import annotations

import pytest

from slave_agent.bootstrap.errors import InvalidRequest
from slave_agent.bootstrap.output_query import OutputQuery, read_output_query


def test_a_query_has_defaults() -> None:
    assert read_output_query({}) == OutputQuery(0, 0, 65536, 0)
    asked = {"offset": "5", "stderr_offset": "6", "limit": "7", "wait": "2.5"}
    assert read_output_query(asked) == OutputQuery(5, 6, 7, 2.5)


@pytest.mark.parametrize(("name", "largest"), [("offset", 2**40), ("limit", 1024 * 1024), ("wait", 30)])
def test_the_ends_of_a_range_belong_to_it(name: str, largest: int) -> None:
    assert largest in read_output_query({name: str(largest)})
    with pytest.raises(InvalidRequest, match=f"field {name} "):
        read_output_query({name: str(largest + 1)})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("offset", "-1"),
        ("offset", "x"),
        ("offset", "1.5"),
        ("offset", ""),
        ("offset", "٣"),
        ("stderr_offset", "1e3"),
        ("limit", "0"),
        ("limit", "99999999999"),
        ("wait", "nan"),
        ("wait", "-1"),
        ("wait", "30.5"),
        ("size", "3"),
    ],
)
def test_a_wrong_field_is_named(name: str, text: str) -> None:
    with pytest.raises(InvalidRequest, match=name):
        read_output_query({name: text})
