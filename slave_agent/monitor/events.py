"""What happened to apps and chosen processes: numbered, bounded, and still there after a restart."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from slave_agent.json_lines import JsonLines
from slave_agent.models import JsonObject
from slave_agent.monitor.host_facts import timestamp
from slave_agent.monitor.incidents import EventKind, Observation

EVENTS_KEPT = 1000
PAGE = 200
_NO_LONGER_WATCHED = "it is not watched any more"


def event_log(state_dir: Path) -> JsonLines:
    """Given the agent's state folder, return the log of events in it."""
    return JsonLines(state_dir / "events.jsonl", EVENTS_KEPT)


def record(events: JsonLines, kind: EventKind, subject: str, name: str, now: Observation | None) -> dict[str, Any]:
    """Given the log, what happened to whom, and how it looks now (None: it is gone), write it down and return it."""
    return events.append(
        {
            "time": timestamp(time.time()),
            "kind": kind.value,
            "type": subject,
            "name": name,
            "status": None if now is None else now.status.value,
            "unit_state": None if now is None else now.unit_state.value,
            "pid": None if now is None else now.pid,
            "restarts": None if now is None else now.restarts,
            "detail": _NO_LONGER_WATCHED if now is None else now.detail,
        }
    )


def page_of(events: JsonLines, after: int, limit: int = PAGE) -> JsonObject:
    """Given the number of the last event that a client knows, return the next ones. A client whose number is below
    `first_id` - 1 has missed some that are not kept any more; one above `last_id` knows another log: it begins anew.
    """
    return {
        "events": events.after(0 if after > events.last_id else after, limit),
        "first_id": events.first_id,
        "last_id": events.last_id,
    }
