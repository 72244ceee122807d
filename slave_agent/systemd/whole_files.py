"""Files that are there whole or not at all, with their mode from the first byte, in folders that only their owner
writes. The temporary file has a fixed name: what a killed writer left is overwritten, or removed with the file.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Optional

LONGEST_FILE_BYTES = 1024 * 1024


def write_whole(path: Path, text: str, mode: int) -> None:
    """Replace `path` in one rename: temporary file beside it, mode, fsync, rename, fsync of the folder."""
    temporary = temporary_of(path)
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(text.encode())
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def read_whole(path: Path) -> Optional[str]:
    """Return a file's text, or None where there is none. Raises OSError for a link or anything but a plain file."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    with os.fdopen(handle, "rb") as stream:
        content = stream.read(LONGEST_FILE_BYTES + 1)
    if len(content) > LONGEST_FILE_BYTES:
        raise OSError(errno.EFBIG, "the file is too large", str(path))
    return content.decode("utf-8", "replace")


def remove_whole(path: Path) -> None:
    """Remove a file and what a killed writer left of it; nothing there is fine."""
    temporary_of(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    if path.parent.is_dir():
        sync_folder(path.parent)


def temporary_of(path: Path) -> Path:
    """The name under which a file is written before it takes its place."""
    return path.with_name(f".{path.name}.d8-new")


def sync_folder(folder: Path) -> None:
    """Have the disk keep what was renamed and removed in a folder."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
