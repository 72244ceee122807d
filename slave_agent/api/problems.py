"""Errors as application/problem+json (RFC 9457) with a hint for the operator. Pure, and the same for dispatcher and
Flask.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

from slave_agent.access_tokens import TooManyTokens
from slave_agent.bootstrap.errors import BootstrapError
from slave_agent.errors import (
    ActivationError,
    AgentError,
    CredentialsError,
    HttpProblem,
    OperationRefused,
    PermissionMissing,
    PrivilegeUnavailable,
)
from slave_agent.logs.errors import JournalUnreadable, NoSuchLog, TooManyViewers
from slave_agent.orchestrator.errors import (
    AgentStops,
    AppError,
    DidNotStayUp,
    NameTaken,
    NoSuchApp,
    RecordLost,
    RecordNotKept,
    TooSoon,
    WrongFields,
)
from slave_agent.systemd.errors import SystemdError

PROBLEM_TYPE = "application/problem+json"
DID_NOT_STAY_UP = "urn:d8:app-did-not-stay-up"
_BACK_SOON_SECONDS = 5
_STATUS_OF = (
    (WrongFields, 422),
    (DidNotStayUp, 422),
    (NoSuchApp, 404),
    (NameTaken, 409),
    (RecordLost, 409),
    (TooSoon, 429),
    (AgentStops, 503),
    (RecordNotKept, 507),
    (AppError, 502),
    (CredentialsError, 422),
    (TooManyTokens, 409),
    (OperationRefused, 422),
    (PermissionMissing, 403),
    (NoSuchLog, 404),
    (TooManyViewers, 429),
    (JournalUnreadable, 502),
    (PrivilegeUnavailable, 503),
    (ActivationError, 502),
    (AgentError, 500),
)
_UNEXPECTED = "The agent met an error that it did not expect."
_SEE_LOG = "Its log says more: journalctl -u d8-agent (or the agent's log file)."


@dataclass(frozen=True)
class Reply:
    """An answer ready to be sent."""

    status: int
    headers: dict[str, str]
    body: bytes


def json_reply(status: int, document: object, headers: dict[str, str] | None = None) -> Reply:
    """Given a status and a document, return the reply."""
    body = json.dumps(document, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
    return Reply(status, {"Content-Type": "application/json"} | (headers or {}), body)


def problem_reply(problem: HttpProblem) -> Reply:
    """Given a problem, return its reply."""
    document = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.message,
        "hint": problem.hint,
        **problem.members,
    }
    return json_reply(problem.status, document, {"Content-Type": PROBLEM_TYPE} | problem.headers)


def problem_of(error: Exception) -> HttpProblem:
    """Given anything that was raised while answering, return the problem that the client is told. Never an internal
    text.
    """
    if isinstance(error, HttpProblem):
        return error
    if isinstance(error, BootstrapError):
        return HttpProblem(error.status, error.message, error.hint)
    if isinstance(error, AgentError):
        status = next(status for kind, status in _STATUS_OF if isinstance(error, kind))
        return HttpProblem(status, error.message, error.hint, _headers_of(error), _members_of(error))
    if isinstance(error, SystemdError):
        return HttpProblem(502, error.message, error.hint)
    return HttpProblem(500, _UNEXPECTED, _SEE_LOG)


def _headers_of(error: AgentError) -> dict[str, str]:
    if isinstance(error, TooSoon):
        return {"Retry-After": str(max(1, math.ceil(error.seconds)))}
    return {"Retry-After": str(_BACK_SOON_SECONDS)} if isinstance(error, (AgentStops, TooManyViewers)) else {}


def _members_of(error: AgentError) -> dict[str, object]:
    if isinstance(error, WrongFields):
        return {"problems": [problem.as_json() for problem in error.problems]}
    if isinstance(error, OperationRefused):
        return {"problems": list(error.problems)}
    if isinstance(error, DidNotStayUp):
        restored = {} if error.restored is None else {"restored": error.restored}
        return {"type": DID_NOT_STAY_UP, **error.failure.as_json(), **restored}
    return {}


def unauthorized(detail: str) -> HttpProblem:
    """The 401 of a missing or wrong token."""
    hint = "Send the header 'Authorization: Bearer TOKEN' with this slave's token."
    return HttpProblem(401, detail, hint, {"WWW-Authenticate": "Bearer"})


def login_first() -> HttpProblem:
    """The 303 of a page that somebody without a session asks for."""
    return HttpProblem(303, "this page needs a session", "Log in with this slave's token.", {"Location": "/login"})


def origin_missing() -> HttpProblem:
    """The 403 of a session that changes something, or of a login, without saying which page asks for it."""
    hint = "Use the panel, or send the header 'Authorization: Bearer TOKEN' instead of the cookie."
    return HttpProblem(403, "a request of the panel must carry the header Origin", hint)


def too_many_guesses(retry_after_seconds: int) -> HttpProblem:
    """The 429 of an address that keeps guessing. The right token works at once all the same."""
    hint = f"Wait {retry_after_seconds} s, or use the right token."
    headers = {"Retry-After": str(max(1, retry_after_seconds)), "WWW-Authenticate": "Bearer"}
    return HttpProblem(429, "too many wrong tokens from this address", hint, headers)


def agent_stops() -> HttpProblem:
    """The 503 of a request that the agent's end cuts off: what it asked for may go on, or be done already."""
    return HttpProblem(503, "the agent stops before this has ended", "Look what became of it once the agent is back.")


def method_not_allowed(method: str, allowed: Iterable[str]) -> HttpProblem:
    """The 405 of a known path."""
    methods = ", ".join(sorted(allowed))
    return HttpProblem(405, f"this path does not take {method}", f"It takes {methods}.", {"Allow": methods})


def upgrade_required() -> HttpProblem:
    """The 426 of a path that is a WebSocket."""
    return HttpProblem(
        426,
        "this path is a WebSocket",
        "Open it as wss://…, or read logs with GET /api/apps/NAME/logs.",
        {"Upgrade": "websocket"},
    )
