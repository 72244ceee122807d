"""Numbers in the query of a URL. Pure."""

from __future__ import annotations

from urllib.parse import parse_qs

from slave_agent.errors import HttpProblem


def whole_number(query: str, name: str, default: int, at_most: int) -> int:
    """Given a query as it was sent, return the number of that name; a larger one is the largest.

    Raises HttpProblem 422 if it is no whole number, negative, too long, or stands there twice.
    """
    values = parse_qs(query, keep_blank_values=True).get(name, [])
    if not values:
        return default
    if len(values) > 1 or not (values[0].isascii() and values[0].isdigit() and len(values[0]) <= 16):
        raise HttpProblem(422, f"{name} must be one whole number of at most 16 digits", f"For instance {name}=0.")
    return min(int(values[0]), at_most)
