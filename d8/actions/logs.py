"""Option 5: an app's journal, one page of it or followed; a lost line is taken up where it was lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from d8.actions.apps import checked_name
from d8.actions.workplace import Workplace
from d8.app_errors import UnknownApp
from d8.app_models import LogEntry, LogFilter, LogItem
from d8.errors import D8Error, SlaveUnreachable
from d8.fleet.agent_client import ProblemAnswer
from d8.fleet.apps_client import AppsClient
from d8.fleet.connection import connect_to_slave
from d8.fleet.log_stream import LogStream, open_log_stream
from d8.messages import Message
from d8.models import Slave

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
LOOK_SECONDS = 1.0
TRY_AGAIN = (429, 500, 502, 503, 504)


@dataclass(frozen=True)
class LinkLost:
    """The line to the slave broke, why, and after how many seconds the next attempt comes."""

    reason: Message
    pause_seconds: float


@dataclass(frozen=True)
class LinkBack:
    """The line is up again."""


FollowedItem = LogItem | LinkLost | LinkBack
Show = Callable[[Sequence[FollowedItem]], None]


def read_logs(workplace: Workplace, slave_name: str, name: str, wanted: LogFilter) -> tuple[Slave, list[LogItem]]:
    """Given a slave, an app and which entries are wanted, return the slave and the entries, oldest first."""
    checked_name(name)
    slave = workplace.registry.slave(slave_name)
    client = connect_to_slave(slave, workplace.settings, workplace.registry)
    try:
        return slave, AppsClient(client).logs(name, wanted)
    finally:
        client.close()


def pause_before(attempt: int) -> float:
    """Given which attempt in a row comes next (from 1), return the seconds to wait before it. Pure."""
    return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(attempt - 1, 10))


def follow_logs(
    workplace: Workplace,
    slave_name: str,
    name: str,
    wanted: LogFilter,
    show: Show,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Given a slave, an app, which entries are wanted and who shows them, follow the journal until Ctrl+C.

    A line that breaks is taken up after the last entry that was shown. Raises what went wrong with the first attempt;
    later only what does not mend itself: another server, or the app is not there any more.
    """
    checked_name(name)
    slave = workplace.registry.slave(slave_name)
    attempt, was_up = 0, False
    while True:
        try:
            with _open(workplace, slave, name, wanted) as stream:
                if attempt:
                    show([LinkBack()])
                was_up = True
                while True:
                    items = [one for one in stream.receive(LOOK_SECONDS) if not _is_repeated(one, wanted)]
                    attempt = 0  # it held for a look, or brought something
                    if items:
                        wanted = _after(items, wanted)
                        show(items)
        except UnknownApp as error:
            if not was_up:
                raise
            raise _gone(name) from error
        except (SlaveUnreachable, ProblemAnswer) as error:
            if not was_up or (isinstance(error, ProblemAnswer) and error.status not in TRY_AGAIN):
                raise
            attempt += 1
            show([LinkLost(error.message, pause_before(attempt))])
            sleep(pause_before(attempt))


def _open(workplace: Workplace, slave: Slave, name: str, wanted: LogFilter) -> LogStream:
    settings = workplace.settings
    client = connect_to_slave(slave, settings, workplace.registry)
    client.close()
    timeout = settings.connect_timeout_seconds
    return open_log_stream(client.address, client.credential, settings.tls, timeout, name, wanted)


def _after(items: Sequence[LogItem], wanted: LogFilter) -> LogFilter:
    """What is wanted after these items: what comes after the last entry."""
    cursors = [item.cursor for item in items if isinstance(item, LogEntry)]
    return replace(wanted, cursor=cursors[-1], since=None) if cursors else wanted


def _is_repeated(item: LogItem, wanted: LogFilter) -> bool:
    return isinstance(item, LogEntry) and item.cursor == wanted.cursor


def _gone(name: str) -> D8Error:
    return D8Error("the app {name} is not registered any more", "start_d8.py apps SLAVE lists its apps.", name=name)
