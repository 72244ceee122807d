"""A build while it runs: finished steps stay, the running one shows its time and its last lines of output."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Group
from rich.live import Live
from rich.padding import Padding
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from d8.build.events import BuildEvent, CommandStarted, Notice, OutputLine, StepEnded, StepName, StepStarted
from d8.menu.views.durations import clock, duration
from d8.menu.views.printable import printable
from d8.menu.views.screen import MARGIN, Screen

LAST_LINES = 6
STEPS = list(StepName)
REFRESHES_PER_SECOND = 8
LONGEST_LINE = 160
OUTCOME_INDENT = 8  # below the title


class BuildProgress:
    """The observer of a build. Given the screen; live in a terminal, plain lines elsewhere. Use it as a context."""

    def __init__(self, screen: Screen, now: Callable[[], float] = time.monotonic) -> None:
        self._screen = screen
        self._now = now
        self._began = self._step_began = now()
        self._running: StepStarted | None = None
        self._command = ""
        self._lines: deque[str] = deque(maxlen=LAST_LINES)
        self._spinner = Spinner("dots" if screen.marks.ok == "✓" else "line", style="title")
        self.is_live = screen.console.is_terminal and not screen.console.is_dumb_terminal
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._refresher = threading.Thread(target=self._refresh, daemon=True)
        self._live = Live(
            console=screen.console,
            get_renderable=self._picture,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> BuildProgress:
        self._began = self._now()
        if self.is_live:
            self._live.start()
            self._refresher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.is_live:
            self._is_over.set()
            self._refresher.join()
            self._running = None
            self._live.stop()

    def __call__(self, event: BuildEvent) -> None:
        """Given what happened, show it."""
        with self._lock:
            self._show(event)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keep the screen still for a question; the build waits as soon as it has something to say."""
        with self._lock:
            if self.is_live:
                self._live.stop()
            try:
                yield
            finally:
                if self.is_live:
                    self._live.start()

    def _refresh(self) -> None:
        """Keep the times running. Rich's own thread may draw between two halves of a print; this one waits."""
        while not self._is_over.wait(1 / REFRESHES_PER_SECOND):
            with self._lock:
                self._live.refresh()

    def _show(self, event: BuildEvent) -> None:
        if isinstance(event, StepStarted):
            self._start(event)
        elif isinstance(event, StepEnded):
            self._end(event)
        elif isinstance(event, CommandStarted):
            self._show_command(event)
        elif isinstance(event, OutputLine):
            self._show_output(event)
        else:
            self._show_notice(event)

    def _start(self, event: StepStarted) -> None:
        self._running, self._step_began, self._command = event, self._now(), ""
        self._lines.clear()
        if not self.is_live:
            self._line(Text.assemble(_number(event.step), " ", self._screen.text(event.title, "name")))

    def _end(self, event: StepEnded) -> None:
        marks = self._screen.marks
        mark = Text(f"{marks.ok} ", style="ok") if event.ok else Text(f"{marks.bad} ", style="bad")
        title = self._screen.text(self._running.title, "name") if self._running else Text(event.step.value)
        took = Text(duration(event.duration_seconds), style="note")
        outcome = self._screen.text(event.outcome, "" if event.ok else "bad")
        self._running = None
        if self.is_live:
            self._screen.draw(_left_and_right(Text.assemble(mark, _number(event.step), " ", title), took), is_wide=True)
            self._screen.draw(outcome, indent=OUTCOME_INDENT)
        else:
            self._line(Text.assemble(_number(event.step), " ", mark, outcome, " (", took, ")"))

    def _show_command(self, event: CommandStarted) -> None:
        """What it is for says more than its text, which stands in the log."""
        first, *rest = event.command.strip().splitlines() or [""]
        words = self._cropped(printable(first)) + (f" {self._screen.marks.dots}" if rest else "")
        self._command = self._screen.text(event.purpose).plain if event.purpose else f"$ {words}"
        self._lines.clear()
        if not self.is_live:
            self._line(Text(f"  {self._command}", style="note"))

    def _show_output(self, event: OutputLine) -> None:
        self._lines.append(self._cropped(printable(event.text)))
        if not self.is_live:
            self._line(Text(f"  {self._screen.marks.bar} {self._lines[-1]}", style="note"))

    def _show_notice(self, event: Notice) -> None:
        if event.is_warning:
            self._screen.warn(event.message)
        else:
            self._screen.draw(
                Text.assemble((f"{self._screen.marks.point} ", "title"), self._screen.text(event.message))
            )

    def _cropped(self, line: str) -> str:
        """The beginning of a long line; the build log has it whole."""
        return line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE] + self._screen.marks.dots

    def _line(self, text: Text) -> None:
        elapsed = f"{clock(self._now() - self._began):>6}  "
        self._screen.console.print(Text.assemble((elapsed, "note"), text), soft_wrap=True)

    def _picture(self) -> Padding:
        """The part of the screen that changes: at most eight lines, so that it fits any terminal."""
        if not self._running:
            return Padding(Text(""), 0)
        marks = self._screen.marks
        now = self._now()
        title = Table.grid(padding=(0, 1))
        title.add_row(
            self._spinner,
            Text.assemble(_number(self._running.step), " ", self._screen.text(self._running.title, "name")),
        )
        times = Text(f"{clock(now - self._step_began)} / {clock(now - self._began)}", style="note")
        parts: list[Text | Table] = [_left_and_right(title, times)]
        if self._command:
            parts.append(Text(f"  {self._command}", style="command", no_wrap=True, overflow="ellipsis"))
        parts += [
            Text(f"  {marks.bar} {line}", style="note", no_wrap=True, overflow="ellipsis") for line in self._lines
        ]
        return Padding(Group(*parts), (0, 1, 0, MARGIN))


def _number(step: StepName) -> Text:
    return Text(f"[{STEPS.index(step) + 1}/{len(STEPS)}]", style="note")


def _left_and_right(left: Text | Table, right: Text) -> Table:
    grid = Table.grid(expand=True)
    grid.add_column(ratio=1, overflow="fold")
    grid.add_column(justify="right", no_wrap=True)
    grid.add_row(left, right)
    return grid
