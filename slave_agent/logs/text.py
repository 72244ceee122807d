"""Entries as lines for people at a terminal. Pure."""

from __future__ import annotations

import re

from slave_agent.systemd.journal import JournalEntry
from slave_agent.systemd.names import unit_name

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_INDENT = "\n    "


def line_of(entry: JournalEntry, name: str) -> str:
    """Given an entry and the app's name, return `TIME NAME[PID]: message`. What could steer a terminal is written as an
    escape; further lines of a message are indented, so that none passes for an entry. What systemd says of the app, be
    it the system's or a user's, has systemd's name.
    """
    is_own = entry.unit == unit_name(name) if entry.unit else entry.pid != 1
    who = name if is_own else entry.identifier or name
    pid = "" if entry.pid is None else f"[{entry.pid}]"
    return f"{entry.time} {printable(who)}{pid}: {printable(entry.message).replace(chr(10), _INDENT)}"


def printable(text: str) -> str:
    """Given a text, return it with escapes in place of control characters, but for tab and newline."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)
