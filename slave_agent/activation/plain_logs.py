"""The logs of servers that no journal keeps: bounded, and read from their end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

LARGEST_BYTES = 4 * 1024 * 1024
TAIL_BYTES = 64 * 1024
FORMER = ".1"  # agent.log.1


def bound(logs: Iterable[Path]) -> None:
    """Given logs, empty those that have grown too large; what they held stays beside them until the next time, if the
    disk has room for it. Their writers append, so that they go on at the new end."""
    for log in logs:
        with suppress(OSError):
            if log.stat().st_size > LARGEST_BYTES:
                _turn_over(log, log.with_name(log.name + FORMER))


def last_lines(log: Path, count: int) -> list[str]:
    """Given a log, return its last lines; of a very long one only what is near its end is read."""
    if not log.exists():
        return []
    with log.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - TAIL_BYTES))
        text = stream.read(TAIL_BYTES).decode("utf-8", errors="replace")
    return text.splitlines()[-count:]


def _turn_over(log: Path, former: Path) -> None:
    with log.open("r+b") as held:
        held.seek(-LARGEST_BYTES, os.SEEK_END)
        try:
            with open(former, "wb", opener=_private) as kept:
                shutil.copyfileobj(held, kept)
        except OSError:
            former.unlink(missing_ok=True)
        held.truncate(0)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
