"""Which entries a viewer wants. Pure; equal filters share their frames."""

from __future__ import annotations

from dataclasses import dataclass, field

from slave_agent.logs.items import Item


@dataclass(frozen=True)
class LogFilter:
    """Entries at least as severe as `priority` (0 is the worst) whose message holds `text` in any case; None is all.

    What journald says of lines it dropped passes every filter: nobody knows what they were.
    """

    priority: int | None = None
    text: str | None = None
    _folded: str | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_folded", self.text.casefold() if self.text else None)

    def matches(self, item: Item) -> bool:
        """Given an item, return whether it passes."""
        if item.entry.is_suppression:
            return True
        if self.priority is not None and item.entry.priority > self.priority:
            return False
        return self._folded is None or self._folded in item.folded

    @property
    def is_open(self) -> bool:
        """Whether everything passes."""
        return self.priority is None and self._folded is None
