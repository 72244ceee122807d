"""The table of requests to people. One open request a slave: the database sees to it. SQL of requests stays here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from d8.errors import UsageError
from d8.models import Category, HumanRequest, Priority, RequestStatus

REQUESTS = sa.Table(
    "requests",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("slave_id", sa.String, nullable=False),
    sa.Column("title", sa.String, nullable=False),
    sa.Column("description", sa.String, nullable=False),
    sa.Column("cause", sa.String, nullable=False),
    sa.Column("log_file", sa.String, nullable=False),
    sa.Column("priority", sa.String, nullable=False),
    sa.Column("category", sa.String, nullable=False),
    sa.Column("status", sa.String, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("created", sa.DateTime, nullable=False),
    sa.Column("updated", sa.DateTime, nullable=False),
    sa.Column("notified", sa.DateTime),
    sa.Column("reason", sa.String),
    sa.Column("next_try", sa.DateTime),
    sa.Column("closed", sa.DateTime),
    sa.Column("closed_by", sa.String),
    sqlite_autoincrement=True,  # a number once told to a person never means another request
)
IS_OPEN = REQUESTS.c.closed.is_(None)
sa.Index("requests_one_open", REQUESTS.c.slave_id, unique=True, sqlite_where=IS_OPEN)
MOMENTS = ("created", "updated", "notified", "next_try", "closed")


class RequestStore:
    """The requests of one master. Given the database's engine. Every write is one transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def all(self) -> list[HumanRequest]:
        """Return every request: open ones first, each group newest first."""
        query = sa.select(REQUESTS).order_by(REQUESTS.c.closed.is_not(None), REQUESTS.c.id.desc())
        with self._engine.connect() as connection:
            return [_request(row) for row in connection.execute(query).mappings()]

    def get(self, number: int) -> HumanRequest:
        """Given a request's number, return it. Raises UsageError for an unknown one."""
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(REQUESTS).where(REQUESTS.c.id == number)).mappings().first()
        if row is None:
            raise UsageError(
                "there is no request {number}", "List them: start_d8.py requests (option 8).", number=number
            )
        return _request(row)

    def report(self, request: HumanRequest) -> HumanRequest:
        """Given a new request, store it, or bring the slave's open one up to date; return it as it stands now.

        A person who was told of the same cause is not told again: the request stays as it was sent.
        """
        values = {**asdict(request), "log_file": str(request.log_file)}
        values = {name: _naive(value) if name in MOMENTS and value else value for name, value in values.items()}
        del values["id"]
        fresh = insert(REQUESTS).values(**values)
        is_known = sa.and_(REQUESTS.c.status == RequestStatus.SENT, REQUESTS.c.cause == fresh.excluded.cause)
        statement = fresh.on_conflict_do_update(
            index_elements=[REQUESTS.c.slave_id],
            index_where=IS_OPEN,
            set_={
                **{name: fresh.excluded[name] for name in ("title", "description", "cause", "log_file", "updated")},
                "failures": REQUESTS.c.failures + 1,
                "status": sa.case((is_known, RequestStatus.SENT.value), else_=RequestStatus.PENDING.value),
                "reason": None,
                "next_try": None,
            },
        )
        with self._engine.begin() as connection:
            connection.execute(statement)
            query = sa.select(REQUESTS).where(IS_OPEN, REQUESTS.c.slave_id == request.slave_id)
            return _request(connection.execute(query).mappings().one())

    def claim(self, request: HumanRequest, now: datetime, lease: timedelta) -> bool:
        """Given a pending request, reserve its delivery until now + lease; False when somebody else is at it."""
        before = _naive(request.next_try) if request.next_try else None
        is_free = REQUESTS.c.next_try.is_not_distinct_from(before)
        return self._change(request, {"next_try": _naive(now + lease), "reason": None}, is_free)

    def mark_sent(self, request: HumanRequest, now: datetime) -> bool:
        """Given a request whose message a person got, remember that; False when it has failed again meanwhile."""
        values = {"status": RequestStatus.SENT.value, "notified": _naive(now), "reason": None, "next_try": None}
        return self._change(request, values)

    def mark_unsent(self, request: HumanRequest, reason: str, next_try: datetime) -> None:
        """Given a request that Telegram did not take, remember why and when to try again."""
        self._change(request, {"reason": reason, "next_try": _naive(next_try)})

    def close(self, number: int, by: str, now: datetime) -> HumanRequest:
        """Given a request's number and who or what settled it, close it; a closed one stays as it is."""
        self.get(number)
        self._close(REQUESTS.c.id == number, by, now)
        return self.get(number)

    def close_for(self, slave_id: str, by: str, now: datetime) -> bool:
        """Given a slave that works now, close its open request; return whether there was one."""
        return self._close(REQUESTS.c.slave_id == slave_id, by, now)

    def _close(self, which: sa.ColumnElement[bool], by: str, now: datetime) -> bool:
        values = {"status": RequestStatus.CLOSED.value, "closed": _naive(now), "closed_by": by, "next_try": None}
        with self._engine.begin() as connection:
            return connection.execute(sa.update(REQUESTS).where(IS_OPEN, which).values(**values)).rowcount > 0

    def _change(self, request: HumanRequest, values: dict[str, Any], *conditions: sa.ColumnElement[bool]) -> bool:
        """Change a pending request that is still the one that was read: same number of failures, not closed."""
        still = (
            IS_OPEN,
            REQUESTS.c.id == request.id,
            REQUESTS.c.failures == request.failures,
            REQUESTS.c.status == RequestStatus.PENDING.value,
        )
        with self._engine.begin() as connection:
            return connection.execute(sa.update(REQUESTS).where(*still, *conditions).values(**values)).rowcount > 0


def _naive(moment: datetime) -> datetime:
    """UTC without a zone: SQLite keeps none."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def _request(row: sa.RowMapping) -> HumanRequest:
    moments = {name: row[name].replace(tzinfo=UTC) if row[name] else None for name in MOMENTS}
    known: dict[str, Callable[[str], object]] = {
        "status": lambda text: _member(RequestStatus, text),
        "priority": lambda text: _member(Priority, text),
        "category": lambda text: _member(Category, text),
        "log_file": Path,
    }
    return HumanRequest(**{**row, **moments, **{name: read(row[name]) for name, read in known.items()}})


def _member(kind: type[RequestStatus] | type[Priority] | type[Category], text: str) -> object:
    """A word that a newer master wrote is unknown here, not an error."""
    return kind(text) if text in {member.value for member in kind} else kind.UNKNOWN
