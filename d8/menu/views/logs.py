"""How journal entries look: a time, a word for the priority, the app's text; readable without colour."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.cells import cell_len
from rich.text import Text

from d8.actions.logs import FollowedItem, LinkBack, LinkLost
from d8.app_models import LogEnd, LogEntry, LogSkipped, LogSuppressed
from d8.menu.views.printable import printable, printable_lines, without_controls
from d8.menu.views.screen import MARGIN, Screen
from d8.messages import message

WORDS = ("EMERG", "ALERT", "CRIT", "ERROR", "WARN", "NOTE", "info", "debug")
STYLES = ("bad", "bad", "bad", "bad", "warn", "name", "", "note")
LONGEST_WORD = max(map(len, WORDS))
TIME = "HH:MM:SS"
NARROWEST = 20


class LogView:
    """Shows an app's entries as they come. Given the screen, where notices go, and the app's name.

    In a terminal each entry has the local time and stands clear of the next one; in a pipe it is one line with the
    moment in UTC, and of its text only control characters are changed.
    """

    def __init__(self, screen: Screen, notices: Screen, name: str) -> None:
        self._screen = screen
        self._notices = screen if screen.console.is_terminal else notices
        self._name = name
        self._day = ""
        self.count = 0

    def __call__(self, items: Sequence[FollowedItem]) -> None:
        """Show what has come."""
        waiting: list[LogEntry] = []
        for item in items:
            if isinstance(item, LogEntry):
                waiting.append(item)
                continue
            self._show(waiting)
            waiting = []
            self._notice(item)
        self._show(waiting)

    def _show(self, entries: Sequence[LogEntry]) -> None:
        self.count += len(entries)
        if not entries:
            return
        if not self._screen.console.is_terminal:
            self._screen.console.file.write("".join(self._plain(entry) for entry in entries))
            self._screen.console.file.flush()
            return
        lines: list[Text] = []
        for entry in entries:
            self._draw(entry, lines)
        self._screen.console.print(Text("\n").join(lines), soft_wrap=True)  # wrapped below, once for all

    def _draw(self, entry: LogEntry, lines: list[Text]) -> None:
        day, clock = local_moment(entry.time)
        if day != self._day:
            self._day = day
            rule = self._screen.marks.rule * 2
            lines.append(Text(f"{' ' * MARGIN}{rule} {day} {rule}", style="note"))
        style = STYLES[entry.priority]
        head = Text.assemble(
            " " * MARGIN, (clock, "note"), " ", (WORDS[entry.priority].ljust(LONGEST_WORD), style), "  "
        )
        room = max(NARROWEST, self._screen.console.width - head.cell_len)
        for text in self._wrapped(entry.message, room):
            lines.append(Text.assemble(head, (text, style)))
            head = Text(" " * head.cell_len)

    def _wrapped(self, text: str, room: int) -> list[str]:
        """The text in lines that fit; almost all do at once."""
        found: list[str] = []
        for line in printable_lines(text):
            if cell_len(line) <= room:
                found.append(line)
            else:
                wrapped = Text(line).wrap(self._screen.console, room, overflow="fold")
                found += [part.plain.rstrip() for part in wrapped]
        return found

    def _plain(self, entry: LogEntry) -> str:
        process = f"[{entry.pid}]" if entry.pid is not None else ""
        line = f"{entry.time} {WORDS[entry.priority]} {self._name}{process}: {entry.message}"
        return without_controls(line) + "\n"

    def _notice(self, item: FollowedItem) -> None:
        notices = self._notices
        if isinstance(item, LogSkipped):
            notices.warn(message("{count} lines skipped: they came faster than they could be shown", count=item.count))
        elif isinstance(item, LogSuppressed):
            notices.warn(message("the journal left lines out: {text}", text=item.message))
        elif isinstance(item, LinkLost):
            seconds = f"{item.pause_seconds:g}"
            notices.warn(message("{reason}; next attempt in {seconds} s", reason=item.reason, seconds=seconds))
        elif isinstance(item, LinkBack):
            notices.note(message("connected again: it goes on after the last line"))
        elif isinstance(item, LogEnd):
            notices.note(message("the slave ended the log: {reason}", reason=item.reason))

    def close(self) -> None:
        """Say how much was shown, after Ctrl+C."""
        self._notices.gap()
        self._notices.note(message("ended after {count} lines", count=self.count))


def local_moment(text: str) -> tuple[str, str]:
    """Given a moment in ISO-8601, return its day and its time here; as they stand where they can't be read. Pure."""
    try:
        local = datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        return "", printable(text)[: len(TIME)].ljust(len(TIME))
    return f"{local:%Y-%m-%d}", f"{local:%H:%M:%S}"
