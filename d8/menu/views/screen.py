"""The screen: a console, a language, and the few ways in which everything here is written."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

from d8.menu.views.printable import printable, printable_lines
from d8.menu.views.widths import column_widths
from d8.messages import Message, Translate

THEME = Theme(
    {
        "title": "bold cyan",
        "ok": "green",
        "bad": "bold red",
        "warn": "yellow",
        "note": "dim",
        "name": "bold",
        "command": "cyan",
    }
)
MARGIN = 2
GAP = 2  # between the columns of a table


@dataclass(frozen=True)
class Marks:
    """The signs at the beginning of lines; plain ones where the terminal can't show others."""

    ok: str = "✓"
    bad: str = "✗"
    warn: str = "!"
    point: str = "▸"
    bar: str = "│"
    rule: str = "─"
    dots: str = "…"


PLAIN_MARKS = Marks("+", "x", "!", ">", "|", "-", "...")


class Screen:
    """Writes for people. Given a translation and a console (stdout unless told otherwise)."""

    def __init__(self, translate: Translate = str, console: Console | None = None) -> None:
        self.translate = translate
        self.console = console or make_console()
        encoding = (self.console.encoding or "").lower().replace("-", "")
        self.marks = Marks() if encoding.startswith("utf") else PLAIN_MARKS

    def text(self, message: Message, style: str = "") -> Text:
        """Given a message, return it translated and printable."""
        return Text("\n".join(printable_lines(message.text(self.translate))), style=style)

    def say(self, message: Message, style: str = "") -> None:
        """Write one message as a paragraph of its own."""
        self.draw(self.text(message, style))

    def title(self, message: Message) -> None:
        """Write a heading."""
        heading = self.text(message, "title")
        self.console.print()
        self.draw(heading)
        self.draw(Text(self.marks.rule * min(heading.cell_len, self.console.width - 2 * MARGIN), style="note"))

    def good(self, message: Message) -> None:
        """Write that something went well."""
        self._marked(self.marks.ok, "ok", message)

    def warn(self, message: Message) -> None:
        """Write a warning."""
        self._marked(self.marks.warn, "warn", message)

    def note(self, message: Message) -> None:
        """Write something worth knowing."""
        self._marked(self.marks.point, "title", message)

    def error(self, message: Message, hint: Message | None = None) -> None:
        """Write what failed and what to do about it."""
        self._marked(self.marks.bad, "bad", message)
        if hint and hint.text(self.translate):
            self.say_with_commands(hint, indent=2)

    def say_with_commands(self, message: Message, indent: int = 0) -> None:
        """Write a message whose first line is a paragraph and whose further lines are to be copied."""
        first, *commands = message.text(self.translate).split("\n")
        self.draw(Text(printable(first)), indent)
        for command in commands:
            self.command(command, indent)

    def command(self, line: str, indent: int = 2) -> None:
        """Write a line to be copied: never wrapped by us, so that it stays one line."""
        self.console.print(Text(" " * (MARGIN + indent) + printable(line), style="command"), soft_wrap=True)

    def draw(self, renderable: RenderableType, indent: int = 0, is_wide: bool = False) -> None:
        """Write anything, within the margin; `is_wide` up to the right edge."""
        right = 1 if is_wide else 0
        self.print(Padding(renderable, (0, right, 0, MARGIN + indent), expand=is_wide))

    def print(self, renderable: RenderableType) -> None:
        """Write anything as it is; outside of a terminal without the blanks that fill its lines up."""
        if self.console.is_terminal:
            self.console.print(renderable)
            return
        with self.console.capture() as captured:
            self.console.print(renderable)
        self.console.file.write("\n".join(line.rstrip(" ") for line in captured.get().split("\n")))
        self.console.file.flush()

    @contextmanager
    def waiting(self, message: Message) -> Iterator[None]:
        """Show on a terminal what is being waited for, for as long as it takes; a pipe gets nothing of it."""
        if not self.console.is_terminal:
            yield
        elif self.console.is_dumb_terminal:
            self.note(message)
            yield
        else:
            spinner = "dots" if self.marks.ok == Marks.ok else "line"
            with self.console.status(self.text(message), spinner=spinner, spinner_style="title"):
                yield

    def gap(self) -> None:
        """Write an empty line."""
        self.console.print()

    def raw(self, stream: str, text: str) -> None:
        """Write output of a remote command as it comes: made visible in a terminal, untouched in a pipe."""
        target = sys.stderr if stream == "stderr" else self.console.file
        target.write("\n".join(printable_lines(text)) if target.isatty() else text)
        target.flush()

    def facts(self, rows: Sequence[tuple[Message, Text | str]]) -> None:
        """Write names and values in two columns."""
        table = Table.grid(padding=(0, 2))
        table.add_column(style="note", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in rows:
            table.add_row(self.text(name), Text(printable(value)) if isinstance(value, str) else value)
        self.draw(table, indent=2)

    def table(self, headings: Sequence[Message], rows: Sequence[Sequence[Text | str]], *flexible: int) -> None:
        """Write a table without lines; the columns `flexible` give way first when the screen is narrow."""
        titles = [self.text(heading) for heading in headings]
        lines = [[Text(printable(cell)) if isinstance(cell, str) else cell for cell in row] for row in rows]
        columns = [[cell.plain for cell in column] for column in zip(titles, *lines, strict=True)]
        room = self.console.width - MARGIN - GAP * (len(columns) - 1)
        table = Table(box=None, padding=(0, GAP, 0, 0), header_style="note", pad_edge=False)
        for title, width in zip(titles, column_widths(columns, flexible, room), strict=True):
            table.add_column(title, width=width, overflow="fold")
        for line in lines:
            table.add_row(*line)
        self.draw(table)

    def _marked(self, mark: str, style: str, message: Message) -> None:
        """A paragraph with a sign; further lines of the message are commands to copy, and so are not wrapped."""
        first, *commands = message.text(self.translate).split("\n")
        grid = Table.grid(padding=(0, 1))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        grid.add_row(Text(mark, style=style), Text(printable(first), style=style if style == "bad" else ""))
        self.draw(grid)
        for command in commands:
            self.command(command, indent=2)


def make_console(stderr: bool = False, environ: Mapping[str, str] | None = None) -> Console:
    """Return a console for stdout or stderr; NO_COLOR and TERM=dumb are respected, nothing is highlighted by guess."""
    environment = os.environ if environ is None else environ
    return Console(
        stderr=stderr, theme=THEME, highlight=False, markup=False, emoji=False, no_color="NO_COLOR" in environment
    )
