"""A bounded file of JSON lines, each with a number that only grows: what happened, readable again after a crash.

A line is appended and fsynced; a line that a crash cut short is dropped at the next start. When the file has twice as
many lines as are kept it is written anew with the ones that are kept, in one rename.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from slave_agent.durable_files import write_atomically

_log = logging.getLogger(__name__)


class JsonLines:
    """Given the file and how many entries are kept, holds them in memory too. Numbers begin at 1 and are never used
    twice while one of their entries is kept.

    Where there is no room for all the oldest goes; given a field to share by, the oldest of those who have most
    entries, told apart by that field: then nobody pushes out what is known of others.
    """

    def __init__(self, path: Path, keep: int, share_by: str | None = None) -> None:
        self._path = path
        self.keep = keep
        self._share_by = share_by
        self._lock = threading.Lock()
        self._entries: list[dict[str, Any]] = list(_read(path))
        self._make_room()
        self._lines = 0
        self._last_id = int(self._entries[-1]["id"]) if self._entries else 0
        self._needs_rewrite = True  # what another process left may end in half a line

    @property
    def last_id(self) -> int:
        """The number of the newest entry; 0 before the first."""
        return self._last_id

    def append(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Given an entry's fields, number and store it; return it. A disk that takes nothing is logged: what happened
        stays known until the process ends.
        """
        with self._lock:
            self._last_id += 1
            entry = {"id": self._last_id, **fields}
            self._entries.append(entry)
            self._make_room()
            try:
                self._write(entry)
            except OSError as error:
                self._needs_rewrite = True
                _log.error("%s can't be written: %s", self._path, error)
            return entry

    def after(self, last_seen: int, limit: int) -> list[dict[str, Any]]:
        """Given the number of the last entry that somebody knows, return at most `limit` later ones, oldest first."""
        with self._lock:
            return list(islice((entry for entry in self._entries if entry["id"] > last_seen), limit))

    def before(self, number: int, limit: int) -> list[dict[str, Any]]:
        """Given an entry's number, return at most `limit` entries right before it, oldest first. Numbers have gaps
        where entries were dropped.
        """
        with self._lock:
            earlier = [entry for entry in self._entries if entry["id"] < number]
            return earlier[-limit:] if limit else []

    def newest(self, limit: int) -> list[dict[str, Any]]:
        """The newest entries, at most `limit`, oldest first."""
        with self._lock:
            return self._entries[-limit:] if limit else []

    @property
    def first_id(self) -> int:
        """The number of the oldest entry that is kept; 0 where there is none."""
        with self._lock:
            return int(self._entries[0]["id"]) if self._entries else 0

    def _make_room(self) -> None:
        while len(self._entries) > self.keep:
            del self._entries[leaving(self._entries, self._share_by)]

    def _write(self, entry: Mapping[str, Any]) -> None:
        if self._needs_rewrite or self._lines >= 2 * self.keep:
            write_atomically(self._path, b"".join(map(_line, self._entries)))
            self._lines, self._needs_rewrite = len(self._entries), False
            return
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(_line(entry))
            stream.flush()
            os.fsync(stream.fileno())
        self._lines += 1


def leaving(entries: Sequence[Mapping[str, Any]], share_by: str | None) -> int:
    """Given entries, oldest first, and the field that says whose each is, return the place of the one to drop. Pure."""
    if share_by is None:
        return 0
    owners = [entry.get(share_by) for entry in entries]
    counts = Counter(owners)
    most = max(counts.values())
    return next(place for place, owner in enumerate(owners) if counts[owner] == most)


def _line(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(entry, ensure_ascii=True).encode("ascii") + b"\n"


def _read(path: Path) -> Iterator[dict[str, Any]]:
    """The entries of a file, in order; what is no entry is left out."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return
    except OSError as error:
        _log.error("%s can't be read: %s", path, error)
        return
    last = 0
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and isinstance(entry.get("id"), int) and entry["id"] > last:
            last = entry["id"]
            yield entry
