"""The table of a slave's apps, kept up to date in place; in a pipe, one table after the other."""

from __future__ import annotations

from datetime import datetime
from types import TracebackType

from rich.live import Live
from rich.padding import Padding

from d8.actions.apps import SlaveApps
from d8.menu.views.apps import apps_picture
from d8.menu.views.screen import MARGIN, Screen
from d8.messages import Message, message


class AppsWatch:
    """A context manager. Given the screen."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._is_live = screen.console.is_terminal and not screen.console.is_dumb_terminal
        self._live = Live(console=screen.console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)

    def __enter__(self) -> AppsWatch:
        if self._is_live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_live:
            self._live.stop()

    def __call__(self, found: SlaveApps, trouble: Message) -> None:
        """Show the apps; with `trouble` they are those that were seen last."""
        clock = f"{datetime.now().astimezone():%H:%M:%S}"
        note = (
            message("{clock} · {trouble}", clock=clock, trouble=trouble)
            if trouble
            else message("{clock} · every 2 s · Ctrl+C ends", clock=clock)
        )
        picture = Padding(apps_picture(self._screen, found, note), (0, 0, 0, MARGIN), expand=False)
        if self._is_live:
            self._live.update(picture, refresh=True)
        else:
            self._screen.print(picture)
