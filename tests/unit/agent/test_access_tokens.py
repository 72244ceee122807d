"""Granted tokens: kept as hashes, each with the rights of its scope, changed whole or not at all."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from slave_agent.access_tokens import TOKENS_AT_MOST, AccessTokens, TooManyTokens
from slave_agent.errors import CredentialsError
from slave_agent.models import AccessToken
from slave_agent.states import RIGHTS_OF, Right, TokenScope
from slave_agent.token_hashes import credential_for


def sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def token(name: str, value: str = "", scope: TokenScope = TokenScope.READ) -> AccessToken:
    return AccessToken(name, scope, sha256(value or f"the token of {name}"), "2026-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("scope", "rights"),
    [
        (TokenScope.READ, {Right.NONE, Right.READ}),
        (TokenScope.OPERATE, {Right.NONE, Right.READ, Right.OPERATE}),
        (TokenScope.EXECUTE, {Right.NONE, Right.READ, Right.OPERATE, Right.EXECUTE}),
        (TokenScope.MANAGE, set(Right)),
    ],
)
def test_scopes(scope: TokenScope, rights: set[Right]) -> None:
    assert RIGHTS_OF[scope] == rights


def test_a_granted_token_opens_with_its_rights_until_it_is_revoked(tmp_path: Path) -> None:
    tokens = AccessTokens(tmp_path)
    assert tokens.grant(token("prometheus", "a secret"))
    opened = credential_for(b"a secret", tokens.accepted)
    assert opened is not None
    assert (opened.who, opened.rights) == ("prometheus", RIGHTS_OF[TokenScope.READ])
    again = AccessTokens(tmp_path)
    again.load()
    assert (again.tokens, again.accepted) == (tokens.tokens, tokens.accepted)
    assert tokens.revoke("prometheus")
    assert not tokens.revoke("prometheus")
    assert credential_for(b"a secret", tokens.accepted) is None
    again.load()
    assert again.tokens == ()


def test_only_the_hash_is_on_the_disk(tmp_path: Path) -> None:
    tokens = AccessTokens(tmp_path)
    tokens.grant(token("prometheus", "secret-value"))
    text = tokens.path.read_text()
    assert "secret-value" not in text
    assert sha256("secret-value") in text
    assert tokens.path.stat().st_mode & 0o777 == 0o600
    assert "secret" not in repr(tokens.tokens)
    assert sha256("secret-value") not in repr(tokens.tokens)


def test_the_same_name_is_replaced_the_same_token_is_refused(tmp_path: Path) -> None:
    tokens = AccessTokens(tmp_path)
    assert tokens.grant(token("ci", "one"))
    assert not tokens.grant(token("ci", "two", TokenScope.OPERATE))
    assert credential_for(b"one", tokens.accepted) is None
    assert credential_for(b"two", tokens.accepted) is not None
    with pytest.raises(CredentialsError, match="another name"):
        tokens.grant(token("other", "two"))


@pytest.mark.parametrize("bad", ["", "x", sha256(""), sha256("changeme"), "0" * 64, sha256("a").upper()])
def test_a_hash_that_is_none_is_refused(tmp_path: Path, bad: str) -> None:
    tokens = AccessTokens(tmp_path)
    with pytest.raises(CredentialsError):
        tokens.grant(AccessToken("ci", TokenScope.READ, bad, ""))
    assert not tokens.path.exists()


def test_the_list_has_an_end(tmp_path: Path) -> None:
    tokens = AccessTokens(tmp_path)
    for number in range(TOKENS_AT_MOST):
        tokens.grant(token(f"t{number}"))
    with pytest.raises(TooManyTokens):
        tokens.grant(token("one-more"))
    assert not tokens.grant(token("t0", "a newer one"))
    tokens.clear()
    assert (tokens.tokens, json.loads(tokens.path.read_text())) == ((), [])


@pytest.mark.parametrize(
    "document",
    [
        {},
        [1],
        [{}],
        [{"name": "../x", "scope": "read", "token_sha256": sha256("x"), "created": ""}],
        [{"name": "x", "scope": "all", "token_sha256": sha256("x"), "created": ""}],
        [{"name": "x", "scope": "read", "token_sha256": "", "created": ""}],
    ],
)
def test_a_spoilt_file_opens_for_nobody(tmp_path: Path, document: Any) -> None:
    tokens = AccessTokens(tmp_path)
    tokens.path.write_text(json.dumps(document))
    with pytest.raises(CredentialsError):
        tokens.load()
    assert tokens.accepted == ()


def test_a_disk_that_takes_nothing_changes_nothing(tmp_path: Path) -> None:
    tokens = AccessTokens(tmp_path / "missing")
    with pytest.raises(CredentialsError, match="can't be written"):
        tokens.grant(token("ci"))
    assert tokens.accepted == ()
