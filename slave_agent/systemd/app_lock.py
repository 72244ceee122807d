"""One operation at a time on one app, whoever asks: a lock in the file system that dies with its holder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from slave_agent.systemd.errors import Busy

PATIENCE_SECONDS = 15.0
LOOK_SECONDS = 0.05


@contextlib.contextmanager
def locked(
    path: Path,
    patience_seconds: float = PATIENCE_SECONDS,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    """Hold the lock at `path` for the length of the block. Raises Busy when another holds it for too long.

    The file goes with its holder; who waited for a file that is gone takes the new one.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    deadline = clock() + patience_seconds
    handle = _try(path)
    while handle is None:
        if clock() >= deadline:
            raise Busy("Another operation on this app is still running.", "Try again in a few seconds.")
        sleep(LOOK_SECONDS)
        handle = _try(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def _try(path: Path) -> int | None:
    """Return the locked file's descriptor, or None while another holds it or has just let it go."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with contextlib.suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(handle), path.stat()):
            return handle
    os.close(handle)
    return None
