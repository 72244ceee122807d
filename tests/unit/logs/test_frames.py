from __future__ import annotations

import json
from typing import Any

from slave_agent.logs.filters import LogFilter
from slave_agent.logs.frames import FRAME_CHARACTERS, FrameQueue, Position, frames_of
from slave_agent.logs.items import LONGEST_MESSAGE, Item, item_of
from slave_agent.systemd.journal import JournalEntry


def item(number: int, message: str = "", priority: int = 6, is_suppression: bool = False) -> Item:
    entry = JournalEntry(
        f"cursor-{number}",
        "2026-01-01T00:00:00.000000Z",
        priority,
        message or f"line {number}",
        1,
        is_suppression=is_suppression,
    )
    return item_of(entry)


def read(queue: FrameQueue, position: Position) -> tuple[list[dict[str, Any]], Position]:
    """Everything after a position, as a viewer gets it."""
    items: list[dict[str, Any]] = []
    while (sending := queue.after(position)) is not None:
        items += json.loads(sending.text)
        position = sending.position
    return items, position


def test_everybody_reads_at_their_own_pace() -> None:
    queue = FrameQueue(10_000, 100)
    early = queue.end
    queue.append([item(0), item(1)])
    late = queue.end
    queue.append([item(2)])
    assert [one["cursor"] for one in read(queue, early)[0]] == ["cursor-0", "cursor-1", "cursor-2"]
    assert [one["cursor"] for one in read(queue, late)[0]] == ["cursor-2"]
    assert queue.after(queue.end) is None


def test_whoever_is_too_slow_hears_how_many_it_missed() -> None:
    queue = FrameQueue(10_000, 5)
    slow = queue.end
    for number in range(12):
        queue.append([item(number)])
    items, position = read(queue, slow)
    assert items[0] == {"type": "skipped", "count": 7}
    assert [one["cursor"] for one in items[1:]] == [f"cursor-{number}" for number in range(7, 12)]
    assert position == queue.end
    queue.append([item(12)])
    assert [one["type"] for one in read(queue, position)[0]] == ["entry"], "told once"


def test_the_limit_in_characters_holds_whatever_comes() -> None:
    queue = FrameQueue(5_000, 10_000)
    for number in range(200):
        queue.append([item(number, "x" * 100)])
        assert queue.characters <= 5_000


def test_an_item_larger_than_the_limit_is_missed_and_counted() -> None:
    queue = FrameQueue(1_000, 10)
    start = queue.end
    queue.append([item(0, "x" * 2_000)])
    queue.append([item(1)])
    assert [one["type"] for one in read(queue, start)[0]] == ["skipped", "entry"]


def test_what_all_have_seen_is_forgotten() -> None:
    queue = FrameQueue(10_000, 100)
    queue.append([item(0)])
    seen = queue.end
    queue.append([item(1)])
    queue.forget_before(seen)
    assert queue.start == seen
    assert [one["cursor"] for one in read(queue, seen)[0]] == ["cursor-1"]


def test_nothing_is_missed_or_doubled_however_items_are_split() -> None:
    queue = FrameQueue(10**9, 10**9)
    position, seen = queue.end, []
    for number in range(300):
        queue.append([item(number * 3 + offset) for offset in range(number % 4)])
        if number % 7 == 0:
            items, position = read(queue, position)
            seen += items
    seen += read(queue, position)[0]
    wanted = [f"cursor-{number * 3 + offset}" for number in range(300) for offset in range(number % 4)]
    assert [one["cursor"] for one in seen] == wanted


def test_frames_have_a_limited_size() -> None:
    frames = list(frames_of(item(number, "x" * 60_000) for number in range(20)))
    assert sum(frame.count for frame in frames) == 20
    assert all(len(frame.text) <= FRAME_CHARACTERS + 20 for frame in frames)
    [huge] = frames_of([item(0, "\x01" * LONGEST_MESSAGE)])
    assert json.loads(f"[{huge.text}]")[0]["message"] == "\x01" * LONGEST_MESSAGE


def test_a_frame_for_somebody_far_behind_is_limited_too() -> None:
    queue = FrameQueue(10**9, 10**9)
    start = queue.end
    for number in range(20):
        queue.append([item(number, "x" * 60_000)])
    sending = queue.after(start)
    assert sending is not None
    assert len(sending.text) < FRAME_CHARACTERS + 100
    assert len(read(queue, start)[0]) == 20


def test_a_very_long_message_is_cut_and_says_so() -> None:
    message = json.loads(item(0, "é" * (LONGEST_MESSAGE + 5)).text)["message"]
    assert message.startswith("é" * LONGEST_MESSAGE + "…")
    assert f"{LONGEST_MESSAGE + 5} characters" in message


def test_a_suppression_is_an_item_of_its_own_kind() -> None:
    told = json.loads(item(1, "Suppressed 9 messages", is_suppression=True).text)
    assert told == {
        "type": "suppressed",
        "cursor": "cursor-1",
        "time": "2026-01-01T00:00:00.000000Z",
        "message": "Suppressed 9 messages",
    }


def test_filters() -> None:
    error, info = item(0, "Straße: café FAILED", priority=3), item(1, "fine", priority=6)
    assert LogFilter().is_open
    assert [LogFilter(priority=3).matches(one) for one in (error, info)] == [True, False]
    assert [LogFilter(text="CAFÉ failed").matches(one) for one in (error, info)] == [True, False]
    assert LogFilter(text="strasse").matches(error)
    assert not LogFilter(priority=3, text="fine").matches(info)
    assert LogFilter(priority=0, text="x").matches(item(2, "Suppressed", is_suppression=True))
    assert LogFilter(3, "a") == LogFilter(3, "a")
    assert hash(LogFilter(3, "a")) == hash(LogFilter(3, "a"))
