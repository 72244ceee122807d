"""Tokens that the master granted to others, each with a scope: a file of hashes in the state folder, changed in one
rename.
"""

from __future__ import annotations

import json
import re
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from slave_agent.durable_files import write_atomically
from slave_agent.errors import AgentError, CredentialsError
from slave_agent.models import AccessToken, Credential
from slave_agent.states import RIGHTS_OF, CredentialKind, TokenScope
from slave_agent.token_hashes import problem_with_hash

FILE_NAME = "access_tokens.json"
TOKENS_AT_MOST = 50
TOKEN_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,47}\Z")
RESERVED_NAMES = frozenset({"master", "installer", "webhook", "unknown"})  # what the audit log calls others
_LOOK_AT_DISK = "Look at the disk of this slave."


class TooManyTokens(AgentError):
    """The list is full."""


class AccessTokens:
    """Given the state folder. `load` reads and checks it all."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / FILE_NAME
        self._tokens: tuple[AccessToken, ...] = ()
        self._accepted: tuple[Credential, ...] = ()
        self._change = threading.Lock()

    @property
    def tokens(self) -> tuple[AccessToken, ...]:
        """What is granted, by name."""
        return self._tokens

    @property
    def accepted(self) -> tuple[Credential, ...]:
        """The same as credentials that open the door, each with its rights."""
        return self._accepted

    def load(self) -> None:
        """Read the file; where there is none, nothing is granted. Raises CredentialsError naming every problem."""
        try:
            document = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            raise CredentialsError(f"{self.path} can't be read: {error}", f"Remove it: {self.path}") from error
        entries = document if isinstance(document, list) else [document]
        problems = [problem for entry in entries if (problem := _problem_in(entry)) is not None]
        if problems:
            raise CredentialsError(f"{self.path} can't be used: {'; '.join(problems)}", f"Remove it: {self.path}")
        self._use(tuple(AccessToken(**entry | {"scope": TokenScope(entry["scope"])}) for entry in entries))

    def grant(self, token: AccessToken) -> bool:
        """Given a token, accept it from now on instead of the one of the same name; tell whether that is new.

        Raises CredentialsError for a hash that can't be used or is granted already under another name, TooManyTokens.
        """
        if (problem := problem_with_hash(token.token_sha256)) is not None:
            raise CredentialsError(f"token_sha256 {problem}", "Send the SHA-256 of a random token.")
        with self._change:
            others = tuple(one for one in self._tokens if one.name != token.name)
            if any(one.token_sha256 == token.token_sha256 for one in others):
                raise CredentialsError("this token is granted already under another name", "Make a new one.")
            if len(others) >= TOKENS_AT_MOST:
                raise TooManyTokens(f"there are {TOKENS_AT_MOST} tokens already", "Revoke one that nobody needs.")
            is_new = len(others) == len(self._tokens)
            self._save((*others, token))
            return is_new

    def revoke(self, name: str) -> bool:
        """Given a name, refuse its token from now on; tell whether there was one. Raises CredentialsError."""
        with self._change:
            left = tuple(one for one in self._tokens if one.name != name)
            was_there = len(left) < len(self._tokens)
            if was_there:
                self._save(left)
            return was_there

    def clear(self) -> None:
        """Refuse all of them from now on. Raises CredentialsError."""
        with self._change:
            if self._tokens:
                self._save(())

    def _save(self, tokens: tuple[AccessToken, ...]) -> None:
        tokens = tuple(sorted(tokens, key=lambda one: one.name))
        try:
            write_atomically(self.path, json.dumps([asdict(one) for one in tokens], indent=2).encode())
        except OSError as error:
            raise CredentialsError(f"{self.path} can't be written: {error}", _LOOK_AT_DISK) from error
        self._use(tokens)

    def _use(self, tokens: tuple[AccessToken, ...]) -> None:
        self._tokens = tokens
        self._accepted = tuple(
            Credential(one.token_sha256, None, None, CredentialKind.ACCESS, RIGHTS_OF[one.scope], one.name)
            for one in tokens
        )


def _problem_in(entry: Any) -> str | None:
    if not isinstance(entry, dict) or entry.keys() != {"name", "scope", "token_sha256", "created"}:
        return "an entry must have name, scope, token_sha256 and created"
    if not isinstance(entry["name"], str) or not TOKEN_NAME.match(entry["name"]):
        return f"{str(entry['name'])[:60]!r} is no name of a token"
    if entry["scope"] not in list(TokenScope):
        return f"the scope of {entry['name']} must be one of {', '.join(TokenScope)}"
    problem = problem_with_hash(entry["token_sha256"])
    return None if problem is None else f"token_sha256 of {entry['name']} {problem}"
