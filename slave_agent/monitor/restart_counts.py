"""How often systemd had restarted each subject at the last look: kept on disk, so that what happens between two looks,
or while the agent is away, is not missed and not told twice.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from pathlib import Path

from slave_agent.durable_files import write_atomically
from slave_agent.monitor.incidents import Observation, SubjectKind

_log = logging.getLogger(__name__)


class RestartCounts:
    """Given the agent's state folder."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "restarts.json"
        self._counts = self._read()

    def before(self, now: Observation) -> int | None:
        """Given an observation, return the count of the look before. An app begins at 0, as its unit does; None for a
        process that was not seen before: its unit may be older than the choice.
        """
        return self._counts.get(_key(now), 0 if now.subject is SubjectKind.APP else None)

    def keep(self, seen: Iterable[Observation]) -> None:
        """Given a whole look, remember it; written only if something has changed. A full disk is logged."""
        counts = {_key(now): now.restarts for now in seen}
        if counts == self._counts:
            return
        self._counts = counts
        try:
            write_atomically(self._path, json.dumps(counts).encode())
        except OSError as error:
            _log.error("%s can't be written: %s", self._path, error)

    def _read(self) -> dict[str, int]:
        try:
            stored = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        found = stored.items() if isinstance(stored, dict) else ()
        return {str(name): count for name, count in found if isinstance(count, int)}


def _key(now: Observation) -> str:
    return f"{now.subject.value}/{now.name}"
