"""Files that must never be half written, readable by others, or written by two at once. Nothing here knows what is in
them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from d8.errors import D8Error


def private_folder(path: Path) -> Path:
    """Given a path, make the folder with mode 0700 (also when it was there with another mode) and return it.

    Raises D8Error.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o700)
    except OSError as error:
        raise _unusable(path, error) from error
    return path


def write_private(path: Path, content: str | bytes) -> None:
    """Given a path and its whole content, replace the file at once, mode 0600: temporary file, fsync, rename.

    Raises D8Error.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        _replace(path, data)
    except OSError as error:
        raise _unusable(path, error) from error


def _replace(path: Path, data: bytes) -> None:
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


def _unusable(path: Path, error: OSError) -> D8Error:
    return D8Error(
        "{path} can't be written: {reason}",
        "Is there room, and may you write there? D8_DATA_DIR says where D8 keeps its data.",
        path=path,
        reason=error.strerror or error,
    )


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
