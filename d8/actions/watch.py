"""Looks at the apps of a slave again and again, over one line as long as it holds."""

from __future__ import annotations

import time
from collections.abc import Callable

from d8.actions.apps import AppsRoom, SlaveApps
from d8.actions.workplace import Workplace
from d8.errors import SlaveUnreachable
from d8.messages import NOTHING, Message

PAUSE_SECONDS = 2.0
Show = Callable[[SlaveApps, Message], None]  # the apps as last seen; why they could not be seen just now


def watch_apps(workplace: Workplace, slave_name: str, show: Show, sleep: Callable[[float], None] = time.sleep) -> None:
    """Given a slave and who shows its apps, show them every two seconds until Ctrl+C.

    Raises what goes wrong with the first look; later, a slave that does not answer is waited for.
    """
    last: SlaveApps | None = None
    while True:
        try:
            with AppsRoom(workplace, slave_name) as room:
                while True:
                    last = room.all()
                    show(last, NOTHING)
                    sleep(PAUSE_SECONDS)
        except SlaveUnreachable as error:
            if last is None:
                raise
            show(last, error.message)
        sleep(PAUSE_SECONDS)
