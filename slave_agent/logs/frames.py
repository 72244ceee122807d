"""The frames that the viewers of one filter have still to be sent: kept once for all of them, within a limit. Pure.

A viewer is nothing but a position in them, so that one that stops reading takes no memory of its own; what it missed
when it comes back is the difference of two counts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from slave_agent.logs import items
from slave_agent.logs.items import Item

FRAME_CHARACTERS = 256 * 1024


@dataclass(frozen=True)
class Frame:
    """Items that are sent together: their JSON texts with commas between them."""

    text: str
    count: int


@dataclass(frozen=True)
class Position:
    """Where a viewer is: the number of its next frame, and how many items were before that."""

    frame: int = 0
    items: int = 0


@dataclass(frozen=True)
class Sending:
    """What a viewer is sent next."""

    text: str
    position: Position


class FrameQueue:
    """Given its limits, keeps the newest frames. The oldest go first, whoever has not seen them yet."""

    def __init__(self, most_characters: int, most_items: int) -> None:
        self.most_characters = most_characters
        self._most_items = most_items
        self._frames: deque[Frame] = deque()
        self._start = Position()
        self._items = 0
        self._characters = 0

    @property
    def start(self) -> Position:
        """The position of the oldest frame that is left."""
        return self._start

    @property
    def end(self) -> Position:
        """The position of whoever has seen everything."""
        return Position(self._start.frame + len(self._frames), self._start.items + self._items)

    @property
    def characters(self) -> int:
        """How much is kept."""
        return self._characters

    def append(self, new: Iterable[Item]) -> None:
        """Given items, keep them as frames; drop the oldest beyond the limits."""
        for frame in frames_of(new):
            self._frames.append(frame)
            self._items += frame.count
            self._characters += len(frame.text)
        while self._frames and (self._characters > self.most_characters or self._items > self._most_items):
            self._drop_oldest()

    def forget_before(self, position: Position) -> None:
        """Given the position of the slowest viewer, drop what all have seen."""
        while self._frames and self._start.frame < position.frame:
            self._drop_oldest()

    def after(self, position: Position) -> Sending | None:
        """Given a viewer's position, return all that it has not seen as one frame (of a limited size), None if there
        is nothing. It begins with how many items the viewer missed, if any.
        """
        if position.frame >= self.end.frame:
            return None
        texts = []
        if position.frame < self._start.frame:
            if (missed := self._start.items - position.items) > 0:
                texts.append(items.skipped(missed))
            position = self._start
        size = 0
        for index in range(position.frame - self._start.frame, len(self._frames)):
            frame = self._frames[index]
            if size and size + len(frame.text) > FRAME_CHARACTERS:
                break
            texts.append(frame.text)
            size += len(frame.text)
            position = Position(position.frame + 1, position.items + frame.count)
        return Sending(array(texts), position)

    def _drop_oldest(self) -> None:
        frame = self._frames.popleft()
        self._start = Position(self._start.frame + 1, self._start.items + frame.count)
        self._items -= frame.count
        self._characters -= len(frame.text)


def frames_of(new: Iterable[Item]) -> Iterable[Frame]:
    """Given items, yield them as frames of a limited size; an item that is larger than that has one for itself."""
    texts: list[str] = []
    size = 0
    for item in new:
        if texts and size + item.size > FRAME_CHARACTERS:
            yield Frame(",".join(texts), len(texts))
            texts, size = [], 0
        texts.append(item.text)
        size += item.size
    if texts:
        yield Frame(",".join(texts), len(texts))


def array(texts: Sequence[str]) -> str:
    """Given JSON texts, return the text of the array that holds them."""
    return f"[{','.join(texts)}]"
