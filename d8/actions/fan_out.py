"""Asks many slaves at the same time and keeps their order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def fan_out(
    work: Callable[[Item], Result], items: Sequence[Item], at_once: int, stop: threading.Event | None = None
) -> list[Result]:
    """Given work that handles its own errors, its items and how many at once, return the results in their order.

    Ctrl+C reaches the main thread alone: `stop` is set for the others, and what has not begun never begins.
    """
    if not items:
        return []
    with ThreadPoolExecutor(max_workers=min(at_once, len(items))) as pool:
        try:
            return list(pool.map(work, items))
        except BaseException:
            if stop:
                stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
