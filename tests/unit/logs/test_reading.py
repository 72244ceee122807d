"""Reading the journal with a journalctl that is scripted in memory: splitting, following, looking back."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from slave_agent.logs.errors import JournalUnreadable
from slave_agent.logs.filters import LogFilter
from slave_agent.logs.follower import DEATHS_IN_A_ROW, Follower, pauses
from slave_agent.logs.items import Item, item_of
from slave_agent.logs.journal_reader import JournalReader
from slave_agent.logs.lines import LineSplitter
from slave_agent.logs.log_request import MOST_LINES, LogRequest
from slave_agent.logs.past import Past, Recent
from slave_agent.logs.text import line_of
from slave_agent.models import CommandResult
from slave_agent.systemd.cursors import is_cursor, is_later
from slave_agent.systemd.journal import JournalEntry, JournalQuery, parse_entry
from tests.support.scripted_journal import cursor_of, entry_line

UNIT = "d8-app-web.service"


def test_lines_are_whole_however_they_are_cut() -> None:
    text = b"".join(b"line %d\n" % number for number in range(1000)) + b"\n\nlast\n"
    dice = random.Random(7)
    for _ in range(20):
        splitter, found, left = LineSplitter(), [], text
        while left:
            size = dice.randint(1, 400)
            found += splitter.feed(left[:size])
            left = left[size:]
        assert found == text.split(b"\n")[:-1]
        assert splitter.take_left_out() == 0


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_lines_that_are_too_long_are_left_out_and_counted(size: int) -> None:
    splitter = LineSplitter(longest_bytes=5)
    text = b"ok\n" + b"x" * 50 + b"\nfive5\nsixsix\nend\n"
    found = [line for start in range(0, len(text), size) for line in splitter.feed(text[start : start + size])]
    assert found == [b"ok", b"five5", b"end"]
    assert (splitter.take_left_out(), splitter.take_left_out()) == (2, 0)


@dataclass
class Script:
    """What a journalctl that is started next writes, and how it ends; None as the last piece: it goes on for ever."""

    pieces: Sequence[bytes | None]
    exit_code: int = 0
    said: str = ""
    is_ended: bool = False

    async def read(self) -> bytes:
        if not self.pieces:
            return b""
        piece, *self.pieces = self.pieces
        if piece is None:
            await asyncio.sleep(3600)
        return piece or b""

    async def end(self) -> CommandResult:
        self.is_ended = True
        return CommandResult(self.exit_code, "", self.said)


@dataclass
class Scripts:
    """Gives out the scripts in their order, and remembers the argvs; one more than there are is a mistake."""

    scripts: list[Script]
    argvs: list[Sequence[str]] = field(default_factory=list)

    async def start(self, argv: Sequence[str]) -> Script:
        self.argvs.append(argv)
        return self.scripts[len(self.argvs) - 1]


def lines(*numbers: int) -> bytes:
    return b"".join(entry_line(number, f"line {number}") for number in numbers)


def item(number: int) -> Item:
    entry = parse_entry(entry_line(number, f"line {number}"))
    assert entry is not None
    return item_of(entry)


def messages(found: Sequence[Item]) -> list[str]:
    return [one.entry.message for one in found]


def follow(scripts: Scripts, cursor: str | None) -> tuple[list[str], list[float]]:
    """Follow until a script goes on for ever; return what came, and the pauses."""
    seen: list[str] = []
    slept: list[float] = []
    is_idle = asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    def take(found: Sequence[Item]) -> None:
        seen.extend(messages(found))
        if "line 99" in seen:
            is_idle.set()

    async def main() -> None:
        following = asyncio.create_task(Follower(JournalReader(scripts.start), UNIT, False, sleep).follow(cursor, take))
        waiting = asyncio.create_task(is_idle.wait())
        await asyncio.wait({following, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if following.done():
            await following
        following.cancel()
        await asyncio.gather(following, waiting, return_exceptions=True)

    asyncio.run(main())
    return seen, slept


def test_a_journalctl_that_dies_is_started_again_after_the_last_line() -> None:
    scripts = Scripts([Script([lines(1, 2)], 1, "corrupt"), Script([]), Script([lines(3, 99), None])])
    seen, slept = follow(scripts, cursor_of(0))
    assert seen == ["line 1", "line 2", "line 3", "line 99"]
    assert slept == [0.5, 1.0]
    cursors = [next(word for word in argv if word.startswith("--after-cursor=")) for argv in scripts.argvs]
    assert cursors == [f"--after-cursor={cursor_of(number)}" for number in (0, 2, 2)]
    assert all(script.is_ended for script in scripts.scripts)


def test_a_journalctl_that_never_works_is_given_up() -> None:
    scripts = Scripts([Script([], 1, "no access\nmore") for _ in range(DEATHS_IN_A_ROW)])
    with pytest.raises(JournalUnreadable, match="no access"):
        follow(scripts, None)
    assert len(scripts.argvs) == DEATHS_IN_A_ROW
    assert list(pauses()) == [0.5, 1, 2, 4, 8]


def look_back(request: LogRequest, recent: Recent, *scripts: Script) -> tuple[list[str], int, Scripts]:
    given = Scripts(list(scripts))

    async def main() -> tuple[list[str], int]:
        backlog = await Past(JournalReader(given.start), UNIT, False).backlog(request, recent)
        return messages(backlog.items), backlog.skipped

    return *asyncio.run(main()), given


RECENT = Recent(tuple(item(number) for number in range(10, 20)), is_all=False)


def test_what_is_in_memory_needs_no_journalctl() -> None:
    found, _, scripts = look_back(LogRequest(lines=3), RECENT)
    assert found == ["line 17", "line 18", "line 19"]
    assert scripts.argvs == []


def test_what_is_missing_is_read_backwards_from_the_oldest_in_memory() -> None:
    found, _, scripts = look_back(LogRequest(lines=12), RECENT, Script([lines(9, 8, 7), None]))
    assert found == [f"line {number}" for number in range(8, 20)]
    [argv] = scripts.argvs
    assert {"--reverse", f"--after-cursor={cursor_of(10)}"} <= set(argv)


def test_with_all_in_memory_nothing_is_read() -> None:
    recent = Recent(RECENT.items, is_all=True)
    assert look_back(LogRequest(lines=100), recent)[0] == messages(RECENT.items)
    assert look_back(LogRequest(lines=100), Recent((), is_all=True))[0] == []


def test_a_cursor_in_memory_continues_after_it() -> None:
    found, skipped, _ = look_back(LogRequest(lines=1, cursor=cursor_of(16)), RECENT)
    assert (found, skipped) == (["line 17", "line 18", "line 19"], 0)
    assert look_back(LogRequest(cursor=cursor_of(19)), RECENT)[0] == []


def test_an_older_cursor_is_looked_for_and_nothing_is_filtered_out_on_the_way() -> None:
    request = LogRequest(LogFilter(text="line 1"), cursor=cursor_of(6))
    found, skipped, scripts = look_back(request, RECENT, Script([lines(9, 8, 7, 6, 5), None]))
    assert (found, skipped) == ([f"line {number}" for number in range(10, 20)], 0)
    assert not any(word.startswith("--grep") for word in scripts.argvs[0])


def test_a_cursor_that_is_gone_ends_the_search_at_what_came_before_it() -> None:
    found, _, _ = look_back(LogRequest(cursor=cursor_of(7)), RECENT, Script([lines(9, 8, 4), None]))
    assert found == [f"line {number}" for number in range(8, 20)]


def test_more_than_a_viewer_takes_is_counted() -> None:
    far = lines(*range(MOST_LINES + 1000, 1000, -1))
    recent = Recent((item(MOST_LINES + 1001),), is_all=False)
    found, skipped, _ = look_back(LogRequest(cursor=cursor_of(1000)), recent, Script([far, lines(1000), None]))
    assert (len(found), skipped) == (MOST_LINES, 1)
    assert found[-1] == f"line {MOST_LINES + 1001}"


def test_nothing_matched_is_no_error_and_a_failure_is_one() -> None:
    request = LogRequest(LogFilter(text="nowhere"), lines=5)
    assert look_back(request, RECENT, Script([], 1))[0] == []
    with pytest.raises(JournalUnreadable, match="denied"):
        look_back(request, RECENT, Script([], 1, "denied"))


def test_entries_too_long_for_memory_are_told() -> None:
    async def main() -> list[Item]:
        script = Script([lines(1), b"x" * (1024 * 1024 + 1) + b"\n", lines(2)])
        reader = JournalReader(Scripts([script]).start)
        return [one async for batch in reader.batches(JournalQuery(UNIT)) for one in batch]

    found = asyncio.run(main())
    assert [one.entry.is_suppression for one in found] == [False, True, False]
    assert "left out" in found[1].text


def test_cursors() -> None:
    assert is_cursor(cursor_of(5))
    assert not any(is_cursor(text) for text in ("", "x", cursor_of(5) + "\n", "s=1;i=2", cursor_of(5) + ";--help"))
    assert is_later(cursor_of(6), cursor_of(5))
    assert not is_later(cursor_of(5), cursor_of(5))
    other = cursor_of(4).replace("s=5", "s=6")
    assert is_later(cursor_of(5), other), "by the clock where the sources differ"
    assert not is_later(other, cursor_of(5))


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("hello", "hello"),
        ("two\nlines", "two\n    lines"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("a\x00b\rc\x9bd\x7f", "a\\x00b\\rc\\x9bd\\x7f"),
        ("tab\tcafé", "tab\tcafé"),
        ("\u202eevil", "\\u202eevil"),
    ],
)
def test_a_line_of_text_steers_no_terminal(message: str, shown: str) -> None:
    entry = JournalEntry("c", "2026-01-01T00:00:00.000000Z", 6, message, 7, identifier="node")
    assert line_of(entry, "web") == f"2026-01-01T00:00:00.000000Z web[7]: {shown}"


def test_a_line_of_systemd_names_systemd() -> None:
    entry = JournalEntry("c", "2026-01-01T00:00:00.000000Z", 6, "Started web.", 1, identifier="systemd")
    assert line_of(entry, "web") == "2026-01-01T00:00:00.000000Z systemd[1]: Started web."


@pytest.mark.parametrize(
    ("unit", "pid", "identifier", "who"),
    [
        ("d8-app-web.service", 4711, "node", "web"),
        ("d8-app-web.service", 4711, "systemd", "web"),
        ("init.scope", 1, "systemd", "systemd"),
        ("init.scope", 812, "systemd", "systemd"),  # a user's manager
        ("systemd-coredump@0.service", 99, "systemd-coredump", "systemd-coredump"),
        (None, 4711, "node", "web"),
    ],
)
def test_a_line_has_the_name_of_whoever_wrote_it(unit: str | None, pid: int, identifier: str, who: str) -> None:
    entry = JournalEntry("c", "T", 6, "Started.", pid, unit=unit, identifier=identifier)
    assert line_of(entry, "web") == f"T {who}[{pid}]: Started."
