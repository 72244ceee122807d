"""What the master remembers, in one database: slaves, credentials, audit. SQL stays here and in request_store."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from d8.errors import D8Error, UsageError
from d8.files import private_folder
from d8.fleet.audit_store import AUDIT, AuditStore
from d8.fleet.database import RegistryUnusable, open_database
from d8.fleet.pending_store import PENDING, PendingStore
from d8.fleet.request_store import REQUESTS, RequestStore
from d8.models import Credential, CredentialKind, Scope, Slave, StrategyName

METADATA = sa.MetaData()
SLAVES = sa.Table(
    "slaves",
    METADATA,
    sa.Column("slave_id", sa.String, primary_key=True),
    sa.Column("address", sa.String, nullable=False),
    sa.Column("port", sa.Integer, nullable=False),
    sa.Column("machine_id", sa.String, nullable=False),
    sa.Column("hostname", sa.String, nullable=False),
    sa.Column("commit", sa.String, nullable=False),
    sa.Column("strategy", sa.String, nullable=False),
    sa.Column("scope", sa.String, nullable=False),
    sa.Column("survives_reboot", sa.Boolean, nullable=False),
    sa.Column("registered", sa.DateTime, nullable=False),
    sa.Column("tls", sa.Boolean, nullable=False),
    sa.Column("persistence_command", sa.String),
)
CREDENTIALS = sa.Table(
    "credentials",
    METADATA,
    sa.Column("fingerprint", sa.String, primary_key=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("token", sa.String, nullable=False),
    sa.Column("slave_id", sa.String, index=True),
    sa.Column("expires", sa.DateTime),
    sa.Column("created", sa.DateTime, nullable=False),
    sa.Column("authority", sa.String),
    sa.Column("ends", sa.DateTime),
    sa.Column("next_token", sa.String),
)
TABLES = (*METADATA.sorted_tables, REQUESTS, AUDIT, PENDING)


class Registry:
    """The master's database. Given its folder (made with mode 0700); d8.db has mode 0600 for it holds the tokens.

    Everything here raises RegistryUnusable where the file can't be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self._engine = open_database(private_folder(folder) / "d8.db")
        self._make_tables()
        self.requests = RequestStore(self._engine)
        self.pending = PendingStore(self._engine)
        self.audit = AuditStore(self._engine)

    def _make_tables(self) -> None:
        """Make what is missing; two masters that start at once on an empty folder do not trip over each other."""
        with self._engine.begin() as connection:
            for table in TABLES:
                connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
                for index in table.indexes:
                    connection.execute(sa.schema.CreateIndex(index, if_not_exists=True))
        for table in TABLES:
            self._add_columns(table)

    def _add_columns(self, table: sa.Table) -> None:
        """A database of an earlier version has fewer columns; what was added later may be empty."""
        for column in self._missing_columns(table):
            kind = column.type.compile(self._engine.dialect)
            statement = sa.text(f'ALTER TABLE "{table.name}" ADD COLUMN "{column.name}" {kind}')
            try:
                with self._engine.begin() as connection:
                    connection.execute(statement)
            except RegistryUnusable:  # another master of this folder was faster
                if column in self._missing_columns(table):
                    raise

    def _missing_columns(self, table: sa.Table) -> list[sa.Column[Any]]:
        there = {column["name"] for column in sa.inspect(self._engine).get_columns(table.name)}
        return [column for column in table.columns if column.name not in there]

    def close(self) -> None:
        """Give the database's file handles back."""
        self._engine.dispose()

    def slaves(self) -> list[Slave]:
        """Return every registered slave, by name, numbers in it as numbers: slave-10-0-0-2 before slave-10-0-0-10."""
        with self._engine.connect() as connection:
            found = [_slave(row) for row in connection.execute(sa.select(SLAVES)).mappings()]
        return sorted(found, key=lambda slave: _in_order(slave.slave_id))

    def slaves_besides(self, slave_id: str) -> list[Slave]:
        """Given a slave_id, return the other registered slaves."""
        return [slave for slave in self.slaves() if slave.slave_id != slave_id]

    def slave(self, name: str) -> Slave:
        """Given a slave_id, an address or a host name, return that slave. Raises UsageError listing the known."""
        everything = self.slaves()
        found = [slave for slave in everything if name in (slave.slave_id, slave.address, slave.hostname)]
        if len(found) == 1:
            return found[0]
        if len(found) > 1:
            choices = ", ".join(slave.slave_id for slave in found)
            raise UsageError(
                "'{name}' means more than one slave: {choices}", "Use the slave_id.", name=name, choices=choices
            )
        known = ", ".join(slave.slave_id for slave in everything) or "-"
        raise UsageError(
            "no slave is called '{name}' (registered: {known})", "Option 1 shows the fleet.", name=name, known=known
        )

    def find_machine(self, machine_id: str) -> list[Slave]:
        """Given a machine-id, return the slaves registered with it: the same machine at another address, or a clone."""
        return [slave for slave in self.slaves() if slave.machine_id == machine_id]

    def save_slave(self, slave: Slave) -> None:
        """Given a slave, register it or replace what was known of it."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(SLAVES).where(SLAVES.c.slave_id == slave.slave_id))
            connection.execute(sa.insert(SLAVES).values(**asdict(slave) | {"registered": _naive(slave.registered)}))

    def rename_slave(self, slave_id: str, new_id: str) -> None:
        """Given a slave's name and another one, call it by that, credentials included."""
        with self._engine.begin() as connection:
            for table in (SLAVES, CREDENTIALS):
                connection.execute(sa.update(table).where(table.c.slave_id == slave_id).values(slave_id=new_id))
        self.pending.rename(slave_id, new_id)

    def remove_slave(self, slave_id: str, keeps_credentials: bool = False) -> None:
        """Given a slave_id, forget the slave and, unless something is still owed to it, its credentials."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(SLAVES).where(SLAVES.c.slave_id == slave_id))
            if not keeps_credentials:
                connection.execute(sa.delete(CREDENTIALS).where(CREDENTIALS.c.slave_id == slave_id))

    def drop_credentials(self, slave_id: str, kind: CredentialKind, kept: str) -> None:
        """Given a slave, a kind and the fingerprint of the one that stays, forget the slave's others of that kind."""
        with self._engine.begin() as connection:
            mine = (CREDENTIALS.c.slave_id == slave_id, CREDENTIALS.c.kind == kind, CREDENTIALS.c.fingerprint != kept)
            connection.execute(sa.delete(CREDENTIALS).where(*mine))

    def save_credential(self, credential: Credential, now: datetime) -> None:
        """Given a credential, remember it by the fingerprint of its certificate. Done before anything of it is sent."""
        values = asdict(credential) | {
            "expires": _naive(credential.expires) if credential.expires else None,
            "ends": _naive(credential.ends) if credential.ends else None,
            "created": _naive(now),
        }
        with self._engine.begin() as connection:
            connection.execute(sa.delete(CREDENTIALS).where(CREDENTIALS.c.fingerprint == credential.fingerprint))
            connection.execute(sa.insert(CREDENTIALS).values(**values))

    def offer_token(self, slave_id: str, kind: CredentialKind, token: str) -> None:
        """Given a token that will take the place of those of a slave and a kind, remember it before it is sent."""
        mine = (CREDENTIALS.c.slave_id == slave_id, CREDENTIALS.c.kind == kind)
        with self._engine.begin() as connection:
            connection.execute(sa.update(CREDENTIALS).where(*mine).values(next_token=token))

    def take_token(self, slave_id: str, kind: CredentialKind) -> None:
        """Given a slave that has taken the token offered for a kind, forget those before it."""
        mine = (CREDENTIALS.c.slave_id == slave_id, CREDENTIALS.c.kind == kind, CREDENTIALS.c.next_token.is_not(None))
        taken = {"token": CREDENTIALS.c.next_token, "next_token": None}
        with self._engine.begin() as connection:
            connection.execute(sa.update(CREDENTIALS).where(*mine).values(**taken))

    def credential(self, fingerprint: str) -> Credential | None:
        """Given the fingerprint of a presented certificate, return what belongs to it; None for an unknown server."""
        with self._engine.connect() as connection:
            query = sa.select(CREDENTIALS).where(CREDENTIALS.c.fingerprint == fingerprint)
            row = connection.execute(query).mappings().first()
            return _credential(row) if row else None

    def credentials(self, kind: CredentialKind, slave_id: str | None = None) -> list[Credential]:
        """Given a kind (and a slave), return its credentials, newest first."""
        query = sa.select(CREDENTIALS).where(CREDENTIALS.c.kind == kind).order_by(CREDENTIALS.c.created.desc())
        if slave_id is not None:
            query = query.where(CREDENTIALS.c.slave_id == slave_id)
        with self._engine.connect() as connection:
            return [_credential(row) for row in connection.execute(query).mappings()]

    def record(self, action: str, subject: str, result: str) -> None:
        """Given what was done to whom and how it ended, add a line to the audit log, with who D8 runs as."""
        self.audit.record(account_name(os.getuid(), os.environ), action, subject, result, datetime.now(UTC))

    @contextmanager
    def recording(self, action: str, subject: str) -> Iterator[Deed]:
        """Given what is about to be done to whom, record how it ended: the deed's result, or the kind of its error, or
        "unknown" when it was cut short.
        """
        deed = Deed()
        try:
            yield deed
        except D8Error as error:
            deed.result = error.exit_code.name.lower()
            raise
        except BaseException:
            deed.result = "unknown"
            raise
        finally:
            self.record(action, subject, deed.result)


@dataclass
class Deed:
    """What goes on while it is recorded; `result` can be said more closely."""

    result: str = "done"


def account_name(user_id: int, environ: Mapping[str, str]) -> str:
    """Given whom this process runs as and its environment, return the account; through sudo, of who called it.

    The environment is believed of root alone: anybody else writes into his own what he likes.
    """
    caller = environ.get("SUDO_UID", "")
    if user_id == 0 and caller.isdecimal():
        user_id = int(caller)
    try:
        return pwd.getpwuid(user_id).pw_name
    except (KeyError, OverflowError):
        return f"uid {user_id}"


def _naive(moment: datetime) -> datetime:
    """UTC without a zone: SQLite keeps none."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def _slave(row: sa.RowMapping) -> Slave:
    values = dict(row)
    values["registered"] = values["registered"].replace(tzinfo=UTC)
    return Slave(**values | {"strategy": StrategyName(row["strategy"]), "scope": Scope(row["scope"])})


def _credential(row: sa.RowMapping) -> Credential:
    return Credential(
        kind=CredentialKind(row["kind"]),
        fingerprint=row["fingerprint"],
        token=row["token"],
        slave_id=row["slave_id"],
        expires=row["expires"].replace(tzinfo=UTC) if row["expires"] else None,
        authority=row["authority"],
        ends=row["ends"].replace(tzinfo=UTC) if row["ends"] else None,
        next_token=row["next_token"],
    )


def _in_order(slave_id: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split("([0-9]+)", slave_id)]
