"""Files that must never be half written, readable by others, or written by two at once. Nothing here knows what is in
them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def private_folder(path: Path) -> Path:
    """Given a path, make the folder with mode 0700 (also when it was there with another mode) and return it."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def write_private(path: Path, content: str | bytes) -> None:
    """Given a path and its whole content, replace the file at once, mode 0600: temporary file, fsync, rename."""
    data = content.encode() if isinstance(content, str) else content
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def locked(path: Path, waits: bool = True) -> Iterator[bool]:
    """Given a file to lock (made when missing), hold it for the block, against threads and processes of this machine.

    Yields True; or False at once, without `waits`, when somebody else holds it. The kernel lets go of it when the
    process ends, however that happens. Windows has no such lock: there nobody is kept out.
    """
    if os.name == "nt":
        yield True
        return
    import fcntl

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)
