"""Sessions of the panel: a random id in the browser's cookie stands for the token that it was opened with.

Kept in memory alone, and only by their hashes: a restart of the agent ends them all. Used from the event loop only.
What a session may is asked of the credentials in force at every request, so it dies with its token.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from slave_agent.bootstrap.throttle import network_of
from slave_agent.models import Credential
from slave_agent.states import PANEL_RIGHTS
from slave_agent.token_hashes import token_sha256

IDLE_SECONDS = 30 * 60.0
LONGEST_SECONDS = 12 * 3600.0
SESSIONS_A_TOKEN = 16
SESSIONS_AT_MOST = 256
_ID_BYTES = 32


@dataclass(frozen=True)
class SessionCookie:
    """The cookie that carries a session. `name` is this slave's own: a browser keeps one jar for all ports of a host,
    and slaves may be reached through forwarded ports of one.
    """

    name: str
    is_secure: bool

    def holding(self, value: str) -> str:
        """Given a session's id, return the header's value that sets it; until the browser is closed, at most."""
        secure = "; Secure" if self.is_secure else ""
        return f"{self.name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}"

    def gone(self) -> str:
        """Return the header's value that removes it."""
        return f"{self.holding('')}; Max-Age=0"

    def value_in(self, headers: Iterable[bytes]) -> str | None:
        """Given every Cookie header, return the cookie's value; None where it is missing, or stands there twice, which
        only somebody else's page can bring about.
        """
        pairs = (pair.strip().partition("=") for header in headers for pair in header.decode("latin-1").split(";"))
        values = [value for name, _, value in pairs if name == self.name]
        return values[0] if len(values) == 1 else None


def session_cookie(slave_id: str, is_tls: bool) -> SessionCookie:
    """Given the slave and whether it speaks TLS, return its cookie. Browsers take `__Host-` only over TLS, and
    then from this very host alone.
    """
    return SessionCookie(f"__Host-d8-{slave_id}" if is_tls else f"d8-{slave_id}", is_tls)


@dataclass
class _Session:
    token_sha256: str = field(repr=False)
    network: str
    began: float
    used: float


class Sessions:
    """Given the cookie and a clock (seconds)."""

    def __init__(self, cookie: SessionCookie, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.cookie = cookie
        self._monotonic = monotonic
        self._sessions: OrderedDict[str, _Session] = OrderedDict()  # by the id's hash, the one used last at the end

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, credential: Credential, address: str) -> str:
        """Given what somebody logged in with and from where, return the Set-Cookie header of a new session. Where
        there are too many, of this token or of all, those that were not used for longest end.
        """
        now = self._monotonic()
        for key in [key for key, session in self._sessions.items() if _is_over(session, now)]:
            del self._sessions[key]
        own = [key for key, one in self._sessions.items() if one.token_sha256 == credential.token_sha256]
        for key in own[: max(0, len(own) - SESSIONS_A_TOKEN + 1)]:
            del self._sessions[key]
        while len(self._sessions) >= SESSIONS_AT_MOST:
            self._sessions.popitem(last=False)
        session_id = secrets.token_urlsafe(_ID_BYTES)
        self._sessions[_key(session_id)] = _Session(credential.token_sha256, network_of(address), now, now)
        return self.cookie.holding(session_id)

    def credential(self, cookies: Iterable[bytes], address: str, accepted: Iterable[Credential]) -> Credential | None:
        """Given a request's Cookie headers, its address and the credentials in force, return the one that the session
        was opened with, with what a session may at most, and count it as used. None where there is no session, or none
        any more.

        A session belongs to the address that it was opened from: other servers on this host, whatever their port, are
        sent the cookie too, and are of no use to whoever owns them.
        """
        value = self.cookie.value_in(cookies)
        key = _key(value) if value else ""
        session, now = self._sessions.get(key), self._monotonic()
        if session is None or session.network != network_of(address):
            return None
        credential = next((one for one in accepted if one.token_sha256 == session.token_sha256), None)
        if credential is None or _is_over(session, now):
            del self._sessions[key]
            return None
        session.used = now
        self._sessions.move_to_end(key)
        return replace(credential, rights=credential.rights & PANEL_RIGHTS)

    def end(self, cookies: Iterable[bytes]) -> str:
        """Given a request's Cookie headers, end its session if it has one; return the Set-Cookie header for it."""
        value = self.cookie.value_in(cookies)
        if value:
            self._sessions.pop(_key(value), None)
        return self.cookie.gone()


def _key(session_id: str) -> str:
    return token_sha256(session_id.encode("utf-8", "replace"))


def _is_over(session: _Session, now: float) -> bool:
    return now - session.used >= IDLE_SECONDS or now - session.began >= LONGEST_SECONDS
