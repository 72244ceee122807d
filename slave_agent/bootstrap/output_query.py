"""Reads the query of GET /api/jobs/ID. The bootstrap and the agent refuse the same things with the same words."""

from __future__ import annotations

import re
from typing import Mapping, NamedTuple

from slave_agent.bootstrap.errors import InvalidRequest

LARGEST_OFFSET = 2**40
"""Far beyond any output that is kept, and within what every file system lets a reader seek to."""

LARGEST_WINDOW_BYTES = 1024 * 1024
LONGEST_WAIT_SECONDS = 30
DEFAULT_WINDOW_BYTES = 65536

WHOLE_NUMBER = re.compile(r"[0-9]{1,19}\Z")
SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?\Z")


class OutputQuery(NamedTuple):
    """Which part of a job's output is wanted, in bytes, and how long to wait for something new, in seconds."""

    offset: int = 0
    stderr_offset: int = 0
    limit: int = DEFAULT_WINDOW_BYTES
    wait_seconds: float = 0.0


def read_output_query(query: Mapping[str, str]) -> OutputQuery:
    """Given the fields of the query, return what is asked for. Raises InvalidRequest, which names the field."""
    unknown = sorted(set(query) - {"offset", "stderr_offset", "limit", "wait"})
    if unknown:
        raise InvalidRequest(
            f"Unknown field {unknown[0]!r} in the query.", "The fields are offset, stderr_offset, limit, wait."
        )
    return OutputQuery(
        offset=_whole(query, "offset", 0, 0, LARGEST_OFFSET),
        stderr_offset=_whole(query, "stderr_offset", 0, 0, LARGEST_OFFSET),
        limit=_whole(query, "limit", DEFAULT_WINDOW_BYTES, 1, LARGEST_WINDOW_BYTES),
        wait_seconds=_seconds(query.get("wait", "0")),
    )


def _whole(query: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = query.get(name, str(default))
    if not WHOLE_NUMBER.match(text) or not least <= int(text) <= most:
        raise InvalidRequest(f"The field {name} must be a whole number from {least} to {most}.")
    return int(text)


def _seconds(text: str) -> float:
    if not SECONDS.match(text) or float(text) > LONGEST_WAIT_SECONDS:
        raise InvalidRequest(f"The field wait must be a number of seconds from 0 to {LONGEST_WAIT_SECONDS}.")
    return float(text)
