"""Tokens for others than the master: made here, shown once, kept on the slave as a hash; and what was done there."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from d8.actions.workplace import Workplace
from d8.errors import UsageError
from d8.fleet.agent_client import SlaveClient
from d8.fleet.connection import connect_to_slave
from d8.fleet.trust import new_token, token_hash
from d8.models import Slave, TokenScope

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,47}\Z")


@dataclass(frozen=True)
class Granted:
    """A token that was just made; nobody can show it again."""

    slave: Slave
    name: str
    scope: TokenScope
    token: str = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """Return the object of `trust SLAVE grant --json`."""
        return {"slave_id": self.slave.slave_id, "name": self.name, "scope": self.scope.value, "token": self.token}


def check_token_name(name: str) -> None:
    """Given a name for a token, accept it. Raises UsageError."""
    if not _NAME.match(name):
        raise UsageError(
            "'{name}' is no name for a token",
            "Use 1 to 48 of a-z, 0-9, - and _, beginning with a letter or a digit.",
            name=name,
        )


def grant(workplace: Workplace, slave: Slave, name: str, scope: TokenScope) -> Granted:
    """Given a slave, a name and a scope, let a new token in there; one of the same name is dead. Raises D8Error."""
    check_token_name(name)
    token = new_token()
    with (
        workplace.registry.recording("trust-grant", f"{slave.slave_id}/{name}") as deed,
        _client(workplace, slave) as client,
    ):
        client.grant(name, scope, token_hash(token))
        deed.result = scope.value
    return Granted(slave, name, scope, token)


def granted(workplace: Workplace, slave: Slave) -> list[dict[str, Any]]:
    """Given a slave, return what is granted there. Raises D8Error."""
    with _client(workplace, slave) as client:
        return client.granted()


def revoke_token(workplace: Workplace, slave: Slave, name: str) -> None:
    """Given a slave and the name of a granted token, let nobody in with it. Raises UsageError if there is none."""
    check_token_name(name)
    with (
        workplace.registry.recording("trust-revoke-token", f"{slave.slave_id}/{name}"),
        _client(workplace, slave) as client,
    ):
        if not client.revoke_token(name):
            raise UsageError(
                "{slave} has no token called '{name}'",
                "List them: start_d8.py trust {slave} tokens",
                slave=slave.slave_id,
                name=name,
            )


def slave_audit(workplace: Workplace, slave: Slave, limit: int) -> list[dict[str, Any]]:
    """Given a slave and how many, return the newest entries of its audit log, oldest first. Raises D8Error."""
    with _client(workplace, slave) as client:
        return client.audit(limit)


def _client(workplace: Workplace, slave: Slave) -> closing[SlaveClient]:
    return closing(connect_to_slave(slave, workplace.settings, workplace.registry))
