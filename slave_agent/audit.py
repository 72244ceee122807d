"""Who did what, when, and how it ended: a bounded file in the state folder, written in a thread of its own.

No body, no query and no token is ever in it. What is worth a line is decided by a pure function.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from slave_agent.bootstrap.throttle import network_of
from slave_agent.json_lines import JsonLines
from slave_agent.states import Right

AUDIT_NAME = "audit.jsonl"
ENTRIES_KEPT = 2000
STRANGER = "unknown"
QUIET_SECONDS = 60.0
_ADDRESSES = 256
_CHANGING = frozenset({Right.OPERATE, Right.EXECUTE, Right.MANAGE})


@dataclass(frozen=True)
class Deed:
    """One answered request: by whom (None: a token that nobody knows), from where, what, and the HTTP status."""

    who: str | None
    address: str
    method: str
    path: str
    right: Right | None
    status: int


def is_worth_a_line(deed: Deed) -> bool:
    """Given a deed, tell whether it is kept: whatever changes something, a login, and whatever was refused. Pure."""
    if deed.who is None or deed.status == 403:
        return deed.status in (401, 403, 429)
    return (deed.right in _CHANGING and deed.method != "GET") or (deed.right is Right.NONE and deed.method == "POST")


class AuditLog:
    """Given the state folder and clocks. Strangers get a line a minute and address, and one more at what is open to
    them (login, webhook): guessing must not wear the disk, and whoever asks for anything else first must not hide it.
    """

    def __init__(
        self, state_dir: Path, now: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.lines = JsonLines(state_dir / AUDIT_NAME, ENTRIES_KEPT, share_by="who")
        self._now = now
        self._monotonic = monotonic
        self._writer = ThreadPoolExecutor(1, "audit")
        self._strangers: OrderedDict[tuple[str, Right | None], float] = OrderedDict()

    def record(self, deed: Deed) -> None:
        """Given a deed, write it down if it is worth it. Returns at once; a disk that is slow holds nobody up."""
        if is_worth_a_line(deed) and not (deed.who is None and self._was_there(deed)):
            entry = {
                "time": _moment(self._now()),
                "who": deed.who or STRANGER,
                "address": deed.address,
                "what": f"{deed.method} {deed.path}",
                "status": deed.status,
            }
            self._writer.submit(self.lines.append, entry)

    def close(self) -> None:
        """Write what is waiting."""
        self._writer.shutdown()

    def _was_there(self, deed: Deed) -> bool:
        """Whether this address has such a line of the last minute; if not, it has one now."""
        stranger, now = (network_of(deed.address), deed.right), self._monotonic()
        last = self._strangers.get(stranger)
        if last is not None and now - last < QUIET_SECONDS:
            return True
        self._strangers[stranger] = now
        self._strangers.move_to_end(stranger)
        if len(self._strangers) > _ADDRESSES:
            self._strangers.popitem(last=False)
        return False


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
