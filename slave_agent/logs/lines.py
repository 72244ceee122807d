"""Bytes as they come from a pipe → whole lines, with a limit on how much of one line is ever kept. Pure."""

from __future__ import annotations

LONGEST_LINE_BYTES = 1024 * 1024


class LineSplitter:
    """Given chunks one after the other, gives whole lines. A line longer than the limit is left out and counted."""

    def __init__(self, longest_bytes: int = LONGEST_LINE_BYTES) -> None:
        self._left_out = 0
        self._longest = longest_bytes
        self._rest: list[bytes] = []
        self._rest_bytes = 0
        self._is_too_long = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Given the next chunk, return the lines that it completes, without their ends."""
        first, *others = chunk.split(b"\n")
        if not others:
            self._keep(first)
            return []
        *whole, rest = others
        begun = self._complete(first)
        lines = [line for line in whole if len(line) <= self._longest]
        self._left_out += len(whole) - len(lines)
        self._keep(rest)
        return lines if begun is None else [begun, *lines]

    def take_left_out(self) -> int:
        """Return how many lines were left out since this was asked last."""
        count, self._left_out = self._left_out, 0
        return count

    def _complete(self, end: bytes) -> bytes | None:
        self._keep(end)
        line = None if self._is_too_long else b"".join(self._rest)
        self._left_out += self._is_too_long
        self._rest, self._rest_bytes, self._is_too_long = [], 0, False
        return line

    def _keep(self, piece: bytes) -> None:
        self._rest_bytes += len(piece)
        self._is_too_long = self._is_too_long or self._rest_bytes > self._longest
        if self._is_too_long:
            self._rest = []
        elif piece:
            self._rest.append(piece)
