"""What viewers are sent: an entry, or a word on what is missing; each encoded once, however many see it. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property

from slave_agent.systemd.journal import JournalEntry

LONGEST_MESSAGE = 64 * 1024  # characters; journald itself cuts the lines of an app at 48 KiB
LARGEST_ITEM_BYTES = 512 * 1024  # as JSON, where each character may become six
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True)
class Item:
    """An entry of the journal and its JSON text."""

    entry: JournalEntry
    text: str

    @property
    def cursor(self) -> str:
        return self.entry.cursor

    @cached_property
    def size(self) -> int:
        """What it takes in a frame, in bytes."""
        return len(self.text) if self.text.isascii() else len(self.text.encode("utf-8", "replace"))

    @cached_property
    def folded(self) -> str:
        """The message as searches compare it."""
        return self.entry.message.casefold()


def item_of(entry: JournalEntry) -> Item:
    """Given an entry, return its item: {"type": "entry", …}, or {"type": "suppressed", …} for journald's own word on
    lines that it dropped.
    """
    if len(entry.message) > LONGEST_MESSAGE:
        cut = f"{entry.message[:LONGEST_MESSAGE]}… ({len(entry.message)} characters in all)"
        entry = replace(entry, message=cut)
    document = entry.as_json()
    if entry.is_suppression:
        named = {name: document[name] for name in ("cursor", "time", "message")}
        document = {"type": "suppressed", **named}
    return Item(entry, _encode(document))


def skipped(count: int) -> str:
    """The text of the item that tells a viewer how many it missed."""
    return _encode({"type": "skipped", "count": count})


def end(reason: str) -> str:
    """The text of the item after which nothing comes."""
    return _encode({"type": "end", "reason": reason})
