"""Option 7: the build logs, newest first, and one of them whole."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d8.errors import D8Error, UsageError
from d8.messages import message

FOLDER = "build_logs"
UNREADABLE = "Is it yours? A damaged one can be removed: the others do not need it."
_STEM = re.compile(r"build_(?P<slave>.+)_(?P<moment>\d{4}-\d\d-\d\d_\d{6})(?:_(?P<number>\d+))?\Z")


@dataclass(frozen=True)
class BuildSummary:
    """One line of the list. `build_id` names the log: its file name without .json."""

    build_id: str
    slave_id: str
    status: str
    strategy: str | None
    timestamp: str
    duration_seconds: float | None
    error: str | None
    log_file: Path

    def as_json(self) -> dict[str, Any]:
        """Return this build's object in `builds --json`."""
        return {**self.__dict__, "log_file": str(self.log_file)}


def list_builds(data_dir: Path) -> list[BuildSummary]:
    """Given the data folder, return its builds, newest first. A log that can't be read is left out."""
    summaries = []
    for path in sorted((data_dir / FOLDER).glob("build_*.json"), key=_order, reverse=True):
        try:
            summaries.append(summary_of(path, read_log(path)))
        except (D8Error, KeyError):
            continue
    return summaries


def find_build(data_dir: Path, name: str) -> dict[str, Any]:
    """Given a build's id, with or without `build_`, or a slave's name (its newest), return the log's object.

    Raises UsageError for an unknown one.
    """
    summaries = list_builds(data_dir)
    exact = [entry for entry in summaries if name in (entry.build_id, entry.build_id.removeprefix("build_"))]
    found = exact or [entry for entry in summaries if entry.slave_id == name]
    if not found:
        raise UsageError("there is no build called '{name}'", "List them: start_d8.py builds (option 7).", name=name)
    return read_log(found[0].log_file)


def read_log(path: Path) -> dict[str, Any]:
    """Given a log file, return its object. Raises D8Error when it can't be read."""
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise D8Error("the log {path} can't be read: {reason}", UNREADABLE, path=path, reason=error) from error
    if not isinstance(document, dict):
        raise D8Error(
            "the log {path} can't be read: {reason}", UNREADABLE, path=path, reason=message("it holds no build")
        )
    return document


def summary_of(path: Path, document: dict[str, Any]) -> BuildSummary:
    """Given a log file and its object, return its line in the list. Raises KeyError without the mission's fields."""
    return BuildSummary(
        build_id=path.stem,
        slave_id=str(document["slave_id"]),
        status=str(document["status"]),
        strategy=document.get("strategy"),
        timestamp=str(document["timestamp"]),
        duration_seconds=document.get("duration_seconds"),
        error=document.get("error"),
        log_file=path,
    )


def _order(path: Path) -> tuple[str, int, str]:
    found = _STEM.match(path.stem)
    return (found["moment"], int(found["number"] or 1), path.stem) if found else ("", 0, path.stem)
