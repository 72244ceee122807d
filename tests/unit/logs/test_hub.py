"""Who gets a place among the viewers."""

from __future__ import annotations

import pytest

from slave_agent.logs.hub import has_place


@pytest.mark.parametrize(
    ("taken", "has"),
    [
        ([], True),
        (["a"] * 55, True),
        (["a"] * 56, False),
        (["b"] * 56, True),
        (["b"] * 56 + ["a"] * 7, False),
        (["b"] * 56 + ["c"] * 7, True),
        (["b"] * 64, False),
    ],
)
def test_one_owner_leaves_places_for_others(taken: list[str], has: bool) -> None:
    assert has_place("a", taken, 64) is has
