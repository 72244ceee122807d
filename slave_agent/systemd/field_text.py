"""What text a field may hold at all, before its grammar: nothing that ends a line or misleads who reads it. Pure."""

from __future__ import annotations

import unicodedata
from typing import Any, Optional

# Cc ends lines and moves cursors; Cs can't be written as UTF-8; Zl and Zp end lines for some readers.
_REFUSED_KINDS = {
    "Cc": "a control character",
    "Cs": "half of a character (a lone surrogate)",
    "Zl": "a line separator",
    "Zp": "a paragraph separator",
}
_TURNS_TEXT = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def text_problem(value: Any, most: int, may_turn: bool = False) -> Optional[str]:
    """Given a value and how many characters it may have, return what keeps it from being one line of text, or None.

    `may_turn` allows the marks of right-to-left text, for what no person reads as part of a unit.
    """
    if not isinstance(value, str):
        return "not text"
    if len(value) > most:
        return f"{len(value)} characters, more than {most}"
    for sign in value:
        kind = _REFUSED_KINDS.get(unicodedata.category(sign)) or _noncharacter(ord(sign))
        if kind is None and sign in _TURNS_TEXT and not may_turn:
            kind = "a mark that turns the direction of the text"
        if kind is not None:
            return f"holds {kind} (U+{ord(sign):04X})"
    return None


def _noncharacter(code: int) -> Optional[str]:
    """systemd takes these for broken UTF-8, and then ignores the whole line."""
    return "a code that is no character" if 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE else None
