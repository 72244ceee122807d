"""The output of a job on disk: written up to a quota, read by byte offset and cut where characters end."""

from __future__ import annotations

import codecs
import os
from pathlib import Path
from typing import NamedTuple

from slave_agent.bootstrap.host_system import OPEN_FLAGS

DEFAULT_QUOTA_BYTES = 64 * 1024 * 1024
SMALLEST_WINDOW_BYTES = 4
"""The longest UTF-8 character: a smaller window could never move on."""


class Window(NamedTuple):
    """A piece of output and the byte offset that follows it."""

    text: str
    next_offset: int


class SpoolWriter:
    """Appends to one file. Beyond the quota, or when the disk is full, it drops what comes and remembers that
    it did.
    """

    def __init__(self, path: Path, quota_bytes: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | OPEN_FLAGS
        self._descriptor = os.open(path, flags, 0o600)
        self._room_bytes = quota_bytes
        self.is_truncated = False

    def write(self, data: bytes) -> None:
        """Append `data` as far as there is room."""
        accepted = data[: self._room_bytes]
        if len(accepted) < len(data):
            self.is_truncated = True
        try:
            while accepted:
                written = os.write(self._descriptor, accepted)
                self._room_bytes -= written
                accepted = accepted[written:]
        except OSError:
            self._room_bytes = 0
            self.is_truncated = True

    def close(self) -> None:
        os.close(self._descriptor)


def spool_size(path: Path) -> int:
    """Return the bytes that `path` holds by now; 0 where it does not exist yet."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def shorten(path: Path, count: int) -> None:
    """Give up the last `count` bytes, so that the disk has room for something that matters more."""
    os.truncate(path, max(0, spool_size(path) - count))


def read_window(path: Path, offset: int, limit: int, is_final: bool) -> Window:
    """Given a byte offset and a limit in bytes, return the text from there.

    A character whose bytes are not all there yet is left for the next window, unless `is_final` says that no more
    will come.
    Bytes that are not UTF-8 become U+FFFD; offsets always count the original bytes.
    """
    try:
        with path.open("rb") as stream:
            stream.seek(offset)
            data = stream.read(max(limit, SMALLEST_WINDOW_BYTES))
            is_end = is_final and stream.tell() >= os.fstat(stream.fileno()).st_size
    except FileNotFoundError:
        return Window("", offset)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(data, is_end)
    undecoded = len(decoder.getstate()[0])
    return Window(text, offset + len(data) - undecoded)


def read_tail(path: Path, limit: int) -> str:
    """Return the last `limit` bytes as text, starting at the beginning of a character."""
    size = spool_size(path)
    start = max(0, size - limit)
    if size == 0:
        return ""
    with path.open("rb") as stream:
        stream.seek(start)
        data = stream.read(limit)
    if start > 0:
        data = data[_continuation_bytes(data) :]
    return data.decode("utf-8", "replace")


def _continuation_bytes(data: bytes) -> int:
    """Return how many bytes at the beginning belong to a character that was cut (at most 3)."""
    count = 0
    while count < min(3, len(data)) and data[count] & 0b1100_0000 == 0b1000_0000:
        count += 1
    return count
