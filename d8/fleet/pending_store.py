"""What the master still owes to slaves' trust: one line a slave, kept until the slave has acknowledged it. SQL of these
lines stays here.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from d8.models import PendingKind, PendingTrust, Scope, Slave, StrategyName

PENDING = sa.Table(
    "pending_trust",
    sa.MetaData(),
    sa.Column("slave_id", sa.String, primary_key=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("slave", sa.String, nullable=False),
    sa.Column("since", sa.DateTime, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("last_try", sa.DateTime),
    sa.Column("reason", sa.String),
)


class PendingStore:
    """Given the database's engine. Every write is one transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def all(self) -> list[PendingTrust]:
        """Return what is pending, oldest first."""
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(PENDING).order_by(PENDING.c.since, PENDING.c.slave_id)).mappings()
            return [_pending(row) for row in rows]

    def find(self, name: str) -> PendingTrust | None:
        """Given a slave's id, address or host name, return what is pending for it."""
        found = [one for one in self.all() if name in (one.slave.slave_id, one.slave.address, one.slave.hostname)]
        return found[0] if len(found) == 1 else None

    def begin(self, slave: Slave, kind: PendingKind, now: datetime) -> None:
        """Given a slave as it is registered and what is owed to it, write it down. What weighs more replaces what
        weighs less, never the other way round.
        """
        weightier = [one for one in PendingKind if one.weight >= kind.weight and one is not kind]
        values = {
            "slave_id": slave.slave_id,
            "kind": kind,
            "slave": json.dumps(asdict(slave), default=datetime.isoformat),
            "since": _naive(now),
            "tries": 0,
            "last_try": None,
            "reason": None,
        }
        fresh = insert(PENDING).values(**values)
        statement = fresh.on_conflict_do_update(
            index_elements=[PENDING.c.slave_id],
            set_={name: fresh.excluded[name] for name in ("kind", "slave")},
            where=PENDING.c.kind.not_in(weightier),
        )
        with self._engine.begin() as connection:
            connection.execute(statement)

    def failed(self, slave_id: str, reason: str, now: datetime) -> None:
        """Given a slave's id and why it could not be done, remember the attempt."""
        values = {"tries": PENDING.c.tries + 1, "last_try": _naive(now), "reason": reason}
        with self._engine.begin() as connection:
            connection.execute(sa.update(PENDING).where(PENDING.c.slave_id == slave_id).values(**values))

    def settle(self, slave_id: str, kind: PendingKind | None = None) -> None:
        """Given a slave's id and what was done (None: what makes everything owed void), that is not owed any more."""
        done = [PENDING.c.slave_id == slave_id, *([] if kind is None else [PENDING.c.kind == kind])]
        with self._engine.begin() as connection:
            connection.execute(sa.delete(PENDING).where(*done))

    def rename(self, slave_id: str, new_id: str) -> None:
        """Given a slave's id and its new one, what is owed goes along."""
        for one in self.all():
            if one.slave.slave_id == slave_id:
                self.settle(slave_id)
                self.begin(replace(one.slave, slave_id=new_id), one.kind, one.since)


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def _pending(row: sa.RowMapping) -> PendingTrust:
    stored = json.loads(row["slave"])
    slave = Slave(
        **stored
        | {
            "strategy": StrategyName(stored["strategy"]),
            "scope": Scope(stored["scope"]),
            "registered": datetime.fromisoformat(stored["registered"]),
        }
    )
    return PendingTrust(
        slave=slave,
        kind=PendingKind(row["kind"]),
        since=row["since"].replace(tzinfo=UTC),
        tries=row["tries"],
        last_try=row["last_try"].replace(tzinfo=UTC) if row["last_try"] else None,
        reason=row["reason"],
    )
