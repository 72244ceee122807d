"""What can be told from journald's cursors without asking it. Pure."""

from __future__ import annotations

import re

_CURSOR = re.compile(
    r"s=(?P<source>[0-9a-f]{32});i=(?P<number>[0-9a-f]{1,16});b=[0-9a-f]{32};"
    r"m=[0-9a-f]{1,16};t=(?P<time>[0-9a-f]{1,16});x=[0-9a-f]{1,16}\Z"
)


def is_cursor(text: str) -> bool:
    """Given a text, return whether journald could have written it."""
    return _CURSOR.match(text) is not None


def is_later(cursor: str, other: str) -> bool:
    """Given two cursors, return whether the first one's entry came later. What is no cursor counts as later.

    Entries of one source are numbered; only between sources does the clock decide, which may have been set back.
    """
    one, two = _CURSOR.match(cursor), _CURSOR.match(other)
    if one is None or two is None:
        return True
    group = "number" if one["source"] == two["source"] else "time"
    return int(one[group], 16) > int(two[group], 16)
