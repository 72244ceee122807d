"""Tokens are known here only by their SHA-256. Pure: what is a usable hash, and which credential a presented token
opens.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable

from slave_agent.models import Credential

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_SAMPLES = (
    "",
    " ",
    "token",
    "secret",
    "password",
    "placeholder",
    "example",
    "changeme",
    "change-me",
    "change_me",
    "your-token",
    "your_token",
    "your-token-here",
    "your_token_here",
    "your-secret-token",
    "tu-token",
    "tu_token_aqui",
    "none",
    "null",
)
_SAMPLE_HASHES = frozenset(
    hashlib.sha256(spelling.encode()).hexdigest()
    for sample in _SAMPLES
    for spelling in (sample, sample.upper(), f"<{sample}>")
)


def token_sha256(token: bytes) -> str:
    """Given a token's bytes, return what the store keeps of it (hex)."""
    return hashlib.sha256(token).hexdigest()


def problem_with_hash(value: object) -> str | None:
    """Given what stands where a token's hash should be, return what is wrong with it, or None."""
    if not isinstance(value, str) or not value.strip():
        return "is empty"
    if not _SHA256.match(value):
        return "is not a SHA-256 in 64 lower-case hexadecimal digits"
    if value in _SAMPLE_HASHES or len(set(value)) == 1:
        return "is the hash of an empty or sample token"
    return None


def credential_for(token: bytes, accepted: Iterable[Credential]) -> Credential | None:
    """Given a presented token and the accepted credentials, return the one that it opens. Takes as long for any wrong
    token.
    """
    presented = token_sha256(token)
    opened = None
    for credential in accepted:
        if hmac.compare_digest(presented, credential.token_sha256) and opened is None:
            opened = credential
    return opened
