from __future__ import annotations

import hashlib

import pytest

from slave_agent.models import Credential
from slave_agent.states import CredentialKind
from slave_agent.token_hashes import credential_for, problem_with_hash, token_sha256


def credential(token: str) -> Credential:
    return Credential(hashlib.sha256(token.encode()).hexdigest(), None, None, CredentialKind.AGENT)


@pytest.mark.parametrize("value", [None, "", "  ", 7, "abc", "A" * 64, "0" * 64, "g" * 64, "a" * 63, "ab" * 32 + "\n"])
def test_what_is_no_usable_hash_is_told(value: object) -> None:
    assert problem_with_hash(value)


@pytest.mark.parametrize("sample", ["", " ", "changeme", "CHANGEME", "your-token-here", "<token>", "secret"])
def test_the_hash_of_a_sample_token_is_told(sample: str) -> None:
    assert "sample" in (problem_with_hash(hashlib.sha256(sample.encode()).hexdigest()) or "")


def test_the_hash_of_a_random_token_is_fine() -> None:
    assert problem_with_hash(token_sha256(b"k3-Xq0 some random token")) is None


def test_a_token_opens_its_own_credential() -> None:
    old, new = credential("old"), credential("ñandú ✓")
    assert credential_for(b"old", (new, old)) is old
    assert credential_for("ñandú ✓".encode(), (new, old)) is new
    assert credential_for("ñandú ✓".encode("utf-16"), (new, old)) is None
    assert credential_for(b"", (new, old)) is None


def test_the_newest_of_two_equal_tokens_counts() -> None:
    old, new = credential("same"), credential("same")
    assert credential_for(b"same", (new, old)) is new


def test_a_hash_is_never_printed() -> None:
    assert credential("old").token_sha256 not in repr(credential("old"))
