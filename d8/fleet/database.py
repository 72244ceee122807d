"""Opens the master's database file. What can't be read or written there is told as an error of the registry."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from d8.errors import D8Error

BUSY_SECONDS = 30


class RegistryUnusable(D8Error):
    """The database file can't be opened, read or written: another user's, no room, damaged, busy for too long."""


def open_database(path: Path) -> sa.Engine:
    """Given the file, made with mode 0600 where it is missing, return its engine. Raises RegistryUnusable.

    The engine raises it too, in place of SQLite's own errors about the file.
    """
    try:
        path.touch(mode=0o600)
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_SECONDS})

    def explain(context: sa.ExceptionContext) -> RegistryUnusable | None:
        error = context.original_exception
        is_of_the_file = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.IntegrityError)
        return _unusable(path, str(error)) if is_of_the_file else None

    sa.event.listen(engine, "connect", _use_write_ahead_log)
    sa.event.listen(engine.dialect, "handle_error", explain)
    return engine


def _unusable(path: Path, reason: str) -> RegistryUnusable:
    return RegistryUnusable(
        "the registry {path} can't be used: {reason}",
        "Is it yours (ls -l), and is there room? Where it is damaged: put d8.db back from a backup; or move it away "
        "and build every slave again.",
        path=path,
        reason=reason,
    )


def _use_write_ahead_log(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()
