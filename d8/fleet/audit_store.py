"""The master's audit log: who did what to whom, when, and how it ended. SQL of it stays here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

AUDIT = sa.Table(
    "audit",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("time", sa.DateTime, nullable=False),
    sa.Column("action", sa.String, nullable=False),
    sa.Column("subject", sa.String, nullable=False),
    sa.Column("result", sa.String, nullable=False),
    sa.Column("actor", sa.String),
)


@dataclass(frozen=True)
class AuditEntry:
    """One deed of this master. `actor` is the account that D8 ran as."""

    id: int
    time: datetime
    action: str
    subject: str
    result: str
    actor: str

    def as_json(self) -> dict[str, Any]:
        """Return the entry as `audit --json` shows it; the moment is ISO-8601 in UTC."""
        return {**self.__dict__, "time": self.time.isoformat()}


class AuditStore:
    """Given the database's engine."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def record(self, actor: str, action: str, subject: str, result: str, now: datetime) -> None:
        """Given who did what to whom and how it ended, add a line."""
        moment = now.astimezone(UTC).replace(tzinfo=None)
        values = {"time": moment, "action": action, "subject": subject, "result": result, "actor": actor}
        with self._engine.begin() as connection:
            connection.execute(sa.insert(AUDIT).values(**values))

    def newest(self, limit: int) -> list[AuditEntry]:
        """Return the newest entries, at most `limit`, oldest first."""
        query = sa.select(AUDIT).order_by(AUDIT.c.id.desc()).limit(limit)
        with self._engine.connect() as connection:
            found = [_entry(row) for row in connection.execute(query).mappings()]
        return found[::-1]


def _entry(row: sa.RowMapping) -> AuditEntry:
    return AuditEntry(**{**row, "time": row["time"].replace(tzinfo=UTC), "actor": row["actor"] or ""})
