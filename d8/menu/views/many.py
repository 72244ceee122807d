"""Many builds at once: a line for each that runs, a line that stays for each that ended, a table at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType

from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from d8.build.events import BuildEvent, CommandStarted, Notice, Observer, OutputLine, StepEnded, StepName, StepStarted
from d8.fleet.names import Address
from d8.menu.views.durations import clock, duration
from d8.menu.views.printable import printable
from d8.menu.views.screen import MARGIN, Screen
from d8.menu.views.tables import build_word
from d8.messages import message
from d8.models import BuildReport, BuildStatus
from d8.paths import home_short

STEPS = list(StepName)
REFRESHES_PER_SECOND = 4
LINES_KEPT_FREE = 4


@dataclass
class Line:
    """What stands in a host's line: since when it runs (monotonic seconds), its step, the last that it said."""

    began: float
    step: StepName = StepName.CONNECTIVITY
    words: str = ""


class ManyProgress:
    """The observers of many builds. Given the screen; live in a terminal, plain lines elsewhere. A context manager."""

    def __init__(self, screen: Screen, addresses: Sequence[Address], now: Callable[[], float] = time.monotonic) -> None:
        self._screen = screen
        self._now = now
        self._began = now()
        self._waiting = len(addresses)
        self._width = max((len(str(address)) for address in addresses), default=0)
        self._lines: dict[Address, Line] = {}
        self._lock = threading.RLock()
        self._is_over = threading.Event()
        self.is_live = screen.console.is_terminal and not screen.console.is_dumb_terminal
        self._refresher = threading.Thread(target=self._refresh, daemon=True)
        self._live = Live(
            console=screen.console,
            get_renderable=self._picture,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> ManyProgress:
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
            self._lines.clear()
            self._waiting = 0
            self._live.stop()

    def observer_of(self, address: Address) -> Observer:
        """Given an address whose build begins, return who watches it."""
        with self._lock:
            self._lines[address] = Line(self._now())
            self._waiting -= 1
        return lambda event: self._observe(address, event)

    def tell(self, address: Address, report: BuildReport) -> None:
        """Given a build that ended, say how; its line stays."""
        with self._lock:
            line = self._lines.pop(address)
            style = {BuildStatus.SUCCESS: "ok", BuildStatus.FAILED: "bad"}.get(report.status, "warn")
            marks = self._screen.marks
            mark = {"ok": marks.ok, "bad": marks.bad, "warn": marks.warn}[style]
            outcome = self._screen.text(report.error) if report.error else self._screen.text(message("ready"))
            took = Text(f" ({duration(self._now() - line.began)})", style="note")
            self._print(Text.assemble((f"{mark} ", style), (self._name(address), "name"), "  ", outcome, took))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keep the screen still for a question; who has something to say waits."""
        with self._lock:
            if self.is_live:
                self._live.stop()
            try:
                yield
            finally:
                if self.is_live:
                    self._live.start()

    def _refresh(self) -> None:
        while not self._is_over.wait(1 / REFRESHES_PER_SECOND):
            with self._lock:
                self._live.refresh()

    def _observe(self, address: Address, event: BuildEvent) -> None:
        with self._lock:
            line = self._lines[address]
            if isinstance(event, StepStarted):
                line.step, line.words = event.step, event.title.text(self._screen.translate)
            elif isinstance(event, StepEnded):
                line.words = event.outcome.text(self._screen.translate)
                if not self.is_live:
                    mark = self._screen.marks.ok if event.ok else self._screen.marks.bad
                    self._print(self._spoken(address, event.step, f"{mark} {line.words}"))
            elif isinstance(event, CommandStarted):
                if event.purpose:
                    line.words = event.purpose.text(self._screen.translate)
            elif isinstance(event, OutputLine):
                line.words = event.text
            elif event.is_warning:
                self._warn(address, event)

    def _warn(self, address: Address, event: Notice) -> None:
        text = event.message.text(self._screen.translate)
        marks = self._screen.marks
        self._print(Text.assemble((f"{marks.warn} ", "warn"), (self._name(address), "name"), f"  {printable(text)}"))

    def _print(self, text: Text) -> None:
        """A line that stays."""
        elapsed = f"{clock(self._now() - self._began):>6}  "
        self._screen.print(Padding(Text.assemble((elapsed, "note"), text), (0, 0, 0, MARGIN)))

    def _spoken(self, address: Address, step: StepName, words: str) -> Text:
        return Text.assemble((self._name(address), "name"), (f"  {_number(step)}  ", "note"), printable(words))

    def _picture(self) -> Padding:
        """The running builds, as many as fit, and how many besides."""
        table = Table.grid(padding=(0, 2))
        for _ in range(3):
            table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        table.expand = True
        room = max(1, self._screen.console.height - LINES_KEPT_FREE)
        for address, line in list(self._lines.items())[:room]:
            table.add_row(
                Text(str(address), style="name"),
                Text(_number(line.step), style="note"),
                Text(clock(self._now() - line.began), style="note"),
                Text(printable(line.words)),
            )
        if more := max(0, len(self._lines) - room) + self._waiting:
            waiting = self._screen.text(message("{count} more", count=more), "note")
            table.add_row(waiting, Text(""), Text(""), Text(""))
        return Padding(table, (0, 1, 0, MARGIN))

    def _name(self, address: Address) -> str:
        return str(address).ljust(self._width)


def draw_summary(screen: Screen, addresses: Sequence[Address], reports: Sequence[BuildReport | None]) -> None:
    """Given the addresses and their reports (None: not begun), show a table, then what to do where it went wrong."""
    screen.gap()
    rows: list[list[Text | str]] = []
    for address, report in zip(addresses, reports, strict=True):
        if report is None:
            rows.append([str(address), screen.text(message("not begun"), "warn"), "-", "-"])
            continue
        took = report.document.get("duration_seconds")
        rows.append(
            [
                str(address),
                build_word(screen, report.status),
                report.strategy.value if report.strategy else "-",
                duration(took) if isinstance(took, (int, float)) else "-",
            ]
        )
    screen.table([message("Host"), message("Result"), message("Strategy"), message("Took")], rows, 0)
    for address, report in zip(addresses, reports, strict=True):
        if report and report.error and report.status is BuildStatus.FAILED:
            screen.gap()
            screen.error(message("{host}: {reason}", host=address, reason=report.error), report.hint)
            screen.say_with_commands(message("Log:\n{path}", path=home_short(report.log_file)), indent=2)
    open_ones = [str(address) for address, report in zip(addresses, reports, strict=True) if _is_open(report)]
    if open_ones:
        screen.gap()
        screen.say(message("Go on with what is not finished:"))
        screen.command(f"python3 start_d8.py build {' '.join(open_ones)} --resume")


def _is_open(report: BuildReport | None) -> bool:
    return report is None or report.status is BuildStatus.DETACHED


def _number(step: StepName) -> str:
    return f"[{STEPS.index(step) + 1}/{len(STEPS)}]"
