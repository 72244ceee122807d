"""Whether a request may do anything: the Bearer token against its digest, and the installer's last day."""

from __future__ import annotations

import hashlib
import hmac
import math
import time
from datetime import datetime, timezone
from typing import Callable, Sequence

from slave_agent.bootstrap.errors import NotAuthorized, TooManyGuesses
from slave_agent.bootstrap.throttle import GuessThrottle


def bearer_digest(headers: Sequence[str]) -> str | None:
    """Given the Authorization headers (latin-1 text, as HTTP has them), return the SHA-256 of the one token, in hex.

    None where there is not exactly one header of the Bearer scheme.
    """
    if len(headers) != 1:
        return None
    scheme, _, token = headers[0].partition(" ")
    if scheme.lower() != "bearer":
        return None
    return hashlib.sha256(token.encode("latin-1")).hexdigest()


def expiry_problem(expires: datetime | None, now: datetime) -> NotAuthorized | None:
    """Return why the right token is not enough any more, or None."""
    if expires is None or now < expires:
        return None
    return NotAuthorized(
        f"This installer expired on {expires:%Y-%m-%d %H:%M} UTC.",
        f"The clock of this machine says {now:%Y-%m-%d %H:%M} UTC: set it if that is wrong, or else generate a new "
        "install script on the master (option 10) and run it here.",
    )


class Authenticator:
    """Checks tokens. The right one always passes at once, however many wrong ones came from the same address."""

    def __init__(
        self,
        token_sha256: str,
        expires: datetime | None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._token_sha256 = token_sha256.encode("ascii")
        self._expires = expires
        self._throttle = GuessThrottle()
        self._clock = clock
        self._now = now

    def check(self, headers: Sequence[str], address: str) -> None:
        """Return if the request may go on. Raises NotAuthorized, or TooManyGuesses after many wrong tokens."""
        digest = bearer_digest(headers)
        if digest is None:
            raise NotAuthorized("This needs the installer's token.", "Send the header Authorization: Bearer TOKEN.")
        if hmac.compare_digest(digest.encode("ascii"), self._token_sha256):
            problem = expiry_problem(self._expires, self._now())
            if problem is not None:
                raise problem
            return
        seconds = self._throttle.count_wrong(address, self._clock())
        if seconds is not None:
            raise TooManyGuesses(max(1, math.ceil(seconds)))
        raise NotAuthorized("The token is wrong.", "Use the token of the installer that was run on this machine.")
