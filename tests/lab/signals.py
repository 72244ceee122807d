"""Ctrl+C and SIGTERM: both end a lab in order, and neither ends the tidying up half-way."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM)


class Terminated(KeyboardInterrupt):
    """SIGTERM, raised as Ctrl+C is, so that whoever tidies up after one does so after the other."""


@contextlib.contextmanager
def terminated_as_interrupt() -> Iterator[None]:
    """For the length of the block, SIGTERM raises Terminated in the main thread."""
    if not _is_main_thread():
        yield
        return

    def stop(signum: int, frame: FrameType | None) -> None:
        raise Terminated(f"signal {signum}")

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """For the length of the block, Ctrl+C and SIGTERM wait; the first that came is delivered at its end."""
    if not _is_main_thread():
        yield
        return
    arrived: list[int] = []

    def note(signum: int, frame: FrameType | None) -> None:
        arrived.append(signum)

    previous = {number: signal.signal(number, note) for number in STOPPING}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        if arrived:
            signal.raise_signal(arrived[0])


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
