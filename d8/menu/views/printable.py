"""Text from elsewhere made safe for a terminal. Pure."""

from __future__ import annotations

import unicodedata

# Bidirectional overrides can make a line read as something that it is not.
_BIDIRECTIONAL = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(text: str) -> str:
    """Given text from a slave, return one line in which control characters are visible: ESC as \\x1b, tab as spaces."""
    return "".join(_shown(character) for character in text.expandtabs(4))


def printable_lines(text: str) -> list[str]:
    """Given text of several lines, return them, each printable."""
    return [printable(line) for line in text.replace("\r\n", "\n").split("\n")]


def without_controls(text: str) -> str:
    """Given text of a slave for a pipe, return it as it is but for control characters, which become visible: what reads
    the pipe may be a terminal in the end. Tabs and line ends stay."""
    return "".join(character if character in "\t\n" else _shown(character) for character in text)


def _shown(character: str) -> str:
    if unicodedata.category(character) not in ("Cc", "Cs") and character not in _BIDIRECTIONAL:
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
