"""Orders signed by somebody who has the webhook's secret, in the form of Standard Webhooks. Pure: clocks are given.

The signature is base64(HMAC-SHA256(key, "ID.TIMESTAMP.BODY")); a secret `whsec_…` is its key in base64.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections import OrderedDict
from dataclasses import dataclass, field

TOLERANCE_SECONDS = 300
IDS_AT_MOST = 10_000
SHORTEST_SECRET = 16
LONGEST_SECRET = 200
_PREFIX = "whsec_"
_VERSION = "v1,"
_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}\Z")
_TIMESTAMP = re.compile(r"[0-9]{1,12}\Z")
_PRINTABLE = re.compile(r"[\x21-\x7e]+\Z")


class WebhookRefused(Exception):
    """The order is not one to follow; the message says why. `is_guess`: the secret of whoever sent it is wrong."""

    def __init__(self, reason: str, is_guess: bool = False) -> None:
        super().__init__(reason)
        self.is_guess = is_guess


class Replayed(WebhookRefused):
    """The order was received before."""


@dataclass(frozen=True)
class WebhookSecret:
    """The secret in force, and whether it may be sent itself in place of a signature."""

    secret: str = field(repr=False)
    allows_plain: bool = False

    @property
    def key(self) -> bytes:
        """What messages are signed with."""
        if self.secret.startswith(_PREFIX):
            return base64.b64decode(self.secret.removeprefix(_PREFIX), validate=True)
        return self.secret.encode()

    def is_same(self, offered: str) -> bool:
        """Given a secret that was sent, tell whether it is this one, in constant time."""
        return hmac.compare_digest(_digest(offered), _digest(self.secret))


@dataclass(frozen=True)
class SignedMessage:
    """A message as it came: the three headers of Standard Webhooks, and the body that they are about."""

    message_id: str
    timestamp: str
    signatures: str
    body: bytes


def problem_with_secret(secret: str) -> str | None:
    """Given a secret, return what is wrong with it, None if it can be used."""
    if not SHORTEST_SECRET <= len(secret) <= LONGEST_SECRET or not _PRINTABLE.match(secret):
        return f"it must have {SHORTEST_SECRET} to {LONGEST_SECRET} printable ASCII characters without spaces"
    try:
        return None if len(WebhookSecret(secret).key) >= SHORTEST_SECRET else "its key is too short"
    except binascii.Error:
        return f"what follows {_PREFIX} is not base64"


def sign(secret: WebhookSecret, message_id: str, timestamp: int, body: bytes) -> str:
    """Given the secret and a message, return its signature as the header carries it."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return _VERSION + base64.b64encode(hmac.digest(secret.key, signed, hashlib.sha256)).decode()


class Doorkeeper:
    """Given the moment (seconds since 1970) when the agent began, tells which signed messages are let in, each once.

    What was signed before the agent began is refused: nobody remembers whether it came already.
    """

    def __init__(self, began: float) -> None:
        self._began = int(began)
        self._seen: OrderedDict[str, int] = OrderedDict()

    def let_in(self, message: SignedMessage, secret: WebhookSecret, now: float) -> None:
        """Given a message, the secret and the time, remember and accept it. Raises WebhookRefused."""
        if not _ID.match(message.message_id) or not _TIMESTAMP.match(message.timestamp):
            raise WebhookRefused("webhook-id or webhook-timestamp is missing or malformed")
        timestamp = int(message.timestamp)
        right = sign(secret, message.message_id, timestamp, message.body).encode()
        offered = message.signatures.encode("latin-1", "replace").split(b" ")[:10]
        matches = sum(hmac.compare_digest(right, one) for one in offered)  # all of them, however early one matches
        if not matches:
            raise WebhookRefused("the signature is wrong", is_guess=True)
        if abs(now - timestamp) > TOLERANCE_SECONDS:
            raise WebhookRefused(f"the message was signed more than {TOLERANCE_SECONDS} s ago, or in the future")
        if timestamp < self._began:
            raise WebhookRefused("the message was signed before the agent began")
        self._forget_before(now)
        if message.message_id in self._seen:
            raise Replayed("a message with this webhook-id was received before")
        if len(self._seen) >= IDS_AT_MOST:
            raise WebhookRefused(f"more than {IDS_AT_MOST} messages within {2 * TOLERANCE_SECONDS} s")
        self._seen[message.message_id] = int(now) + 2 * TOLERANCE_SECONDS

    def forget(self, message_id: str) -> None:
        """Given the id of a message that had no effect, let it come again."""
        self._seen.pop(message_id, None)

    def _forget_before(self, now: float) -> None:
        while self._seen and next(iter(self._seen.values())) < now:
            self._seen.popitem(last=False)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
