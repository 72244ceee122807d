"""The dispatcher before everything: Host, Origin, authentication, rights, limits; then our own async routes, or
Flask.

Waiting lives here and never holds one of Flask's threads. What a route does is in api/; which routes there are is in
routes.py.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slave_agent.access_log import AccessLog, Answered
from slave_agent.api.exchange import ClientGone, Exchange, Incoming, refuse_other_content
from slave_agent.api.guesses import opened_by
from slave_agent.api.problems import (
    Reply,
    agent_stops,
    login_first,
    method_not_allowed,
    origin_missing,
    problem_of,
    problem_reply,
    unauthorized,
    upgrade_required,
)
from slave_agent.api.socket import Socket
from slave_agent.audit import Deed
from slave_agent.bootstrap.throttle import GuessThrottle
from slave_agent.errors import AgentError, HttpProblem
from slave_agent.host_rules import is_host_allowed, is_origin_own
from slave_agent.models import Credential
from slave_agent.routes import WEBSOCKET, Route, RouteTable
from slave_agent.sessions import Sessions
from slave_agent.states import Right
from slave_agent.systemd.errors import SystemdError

if TYPE_CHECKING:
    from uvicorn._types import (
        ASGI3Application,
        ASGIReceiveCallable,
        ASGIReceiveEvent,
        ASGISendCallable,
        HTTPScope,
        Scope,
    )

HEADER_BYTES = 32 * 1024
_READING = ("GET", "HEAD")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Gate:
    """What decides who gets in: the names that Host may carry, the credentials in force, the memory for wrong
    guesses, the panel's sessions; and who is told of each request that was answered.
    """

    host_names: frozenset[str]
    accepted: Callable[[], tuple[Credential, ...]]
    throttle: GuessThrottle
    sessions: Sessions
    record: Callable[[Deed], None]


class Dispatcher:
    """The ASGI application. Given the gate, the table of routes and Flask wrapped as ASGI."""

    def __init__(self, gate: Gate, routes: RouteTable, flask: ASGI3Application) -> None:
        self._gate = gate
        self._routes = routes
        self._flask = flask
        self._access_log = AccessLog()

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "http":
            exchange = Exchange(scope, receive, send)
            await self._serve(exchange, self._answer(exchange), exchange.send)
        elif scope["type"] == "websocket":
            client = Socket(scope, receive, send)
            await self._serve(client, self._open(client), client.refuse)

    async def _serve(
        self, exchange: Incoming, answer: Awaitable[None], refuse: Callable[[Reply], Awaitable[None]]
    ) -> None:
        began = time.monotonic()
        exchange.on_answer = lambda: self._gate.record(_deed(exchange))
        try:
            await answer
        except ClientGone:
            if not exchange.status:
                exchange.answer_with(499)
        except asyncio.CancelledError:  # the agent stops, and waits no longer
            if not exchange.status:
                await refuse(problem_reply(agent_stops()))
        except Exception as error:
            if (problem := problem_of(error)).status >= 500:
                is_expected = isinstance(error, (AgentError, SystemdError))
                told = f"failed: {_one_line(problem.message)}" if is_expected else "failed"
                _log.error(
                    "%s %s %s", exchange.method, _printable(exchange), told, exc_info=None if is_expected else error
                )
            if exchange.status:  # the head is out: all that is left is to cut the connection, which uvicorn does
                raise
            await refuse(problem_reply(problem))
        finally:
            self._access_log.record(_answered(exchange, (time.monotonic() - began) * 1000))
            if not exchange.status:
                exchange.on_answer()

    async def _answer(self, exchange: Exchange) -> None:
        route = self._let_in(exchange)
        if route.handler is not None:
            await route.handler(exchange)
            return
        refuse_other_content(exchange.header("content-type"))
        body = await exchange.body(route.body_limit_bytes)
        await self._flask(_with_credential(exchange.scope, exchange.credential), _replay(body), exchange.forward)

    async def _open(self, client: Socket) -> None:
        """Whoever is not let in gets an ordinary answer: no WebSocket is opened for that."""
        route = self._let_in(client)
        if route.on_socket is None:
            raise AssertionError(f"{route.rule} has nobody who serves its WebSocket")
        await route.on_socket(client)

    def _let_in(self, exchange: Incoming) -> Route:
        """Return the route of a request that may be served. Raises HttpProblem."""
        self._check_headers(exchange)
        exchange.credential = self._authenticate(exchange)
        route = self._find_route(exchange, exchange.credential)
        exchange.right = route.right
        exchange.is_let_in = lambda: self._is_still_let_in(exchange)
        return route

    def _check_headers(self, exchange: Incoming) -> None:
        if sum(len(name) + len(value) for name, value in exchange.all_headers) > HEADER_BYTES:
            raise HttpProblem(
                431, f"the headers are larger than {HEADER_BYTES} bytes", "Send fewer or shorter headers."
            )
        host = exchange.header("host")
        if not is_host_allowed(host, self._gate.host_names):
            hint = "Use the slave's IP address or its hostname, or add the name to allowed_hosts in its settings."
            raise HttpProblem(403, f"this slave is not called {host[:100]!r}", hint)
        if exchange.headers("origin") and not is_origin_own(exchange.header("origin"), exchange.scheme, host):
            raise HttpProblem(403, "the request comes from a page of another site", "Open this slave's own address.")

    def _authenticate(self, exchange: Incoming) -> Credential | None:
        """Return the credential that the token opens, without one that of the session, None without either. Raises
        HttpProblem 401 or 429 for a wrong token.
        """
        values = exchange.headers("authorization")
        if not values:
            return self._credential_of_session(exchange)
        scheme, _, token = values[0].partition(b" ")
        if len(values) > 1 or scheme.lower() != b"bearer" or not token.strip():
            raise unauthorized("the Authorization header is not 'Bearer TOKEN'")
        return opened_by(token.strip(), exchange.address, self._gate.accepted(), self._gate.throttle)

    def _credential_of_session(self, exchange: Incoming) -> Credential | None:
        """A cookie comes along whichever page asks: what changes something must say that it is this slave's own, and so
        must what opens a WebSocket. (An Origin that is there was compared before.)
        """
        cookies = exchange.headers("cookie")
        credential = self._gate.sessions.credential(cookies, exchange.address, self._gate.accepted())
        if credential is not None and exchange.method not in _READING and not exchange.headers("origin"):
            raise origin_missing()
        return credential

    def _is_still_let_in(self, exchange: Incoming) -> bool:
        """Whether the token or the session that opened a request still would; watching counts as using a session."""
        accepted = self._gate.accepted()
        if not exchange.headers("authorization"):
            return self._gate.sessions.credential(exchange.headers("cookie"), exchange.address, accepted) is not None
        used = exchange.credential.token_sha256 if exchange.credential is not None else None
        return any(credential.token_sha256 == used for credential in accepted)

    def _find_route(self, exchange: Incoming, credential: Credential | None) -> Route:
        """Return the route of this request. Without a token nobody learns which paths there are."""
        route, values, methods = self._routes.find(exchange.method, exchange.path)
        is_open = route is not None and route.right is Right.NONE
        if credential is None and not is_open:
            if route is not None and route.is_panel and exchange.method in _READING:
                raise login_first()
            raise unauthorized("this needs a token")
        if route is None:
            if methods == {WEBSOCKET}:
                raise upgrade_required()
            if methods and exchange.method != WEBSOCKET:
                raise method_not_allowed(exchange.method, methods)
            raise HttpProblem(
                404, "there is no such path", "The paths are in the documentation of the agent's HTTP interface."
            )
        if credential is not None and route.right not in credential.rights:
            asker = "token" if exchange.headers("authorization") else "session"
            raise HttpProblem(403, f"this {asker} has no right to {route.right}", "Use a token with that right.")
        exchange.path_values = values
        return route


def _with_credential(scope: HTTPScope, credential: Credential | None) -> HTTPScope:
    return {**scope, "state": {**scope.get("state", {}), "credential": credential}}


def _deed(exchange: Incoming) -> Deed:
    """What the audit log is told of a request: nothing that its body or its query said."""
    who = exchange.credential.who if exchange.credential else None
    return Deed(who, exchange.address, exchange.method, _printable(exchange), exchange.right, exchange.status)


def _answered(exchange: Incoming, duration_ms: float) -> Answered:
    who = exchange.credential.who if exchange.credential else None
    path, status, sent_bytes = _printable(exchange), exchange.status, exchange.sent_bytes
    return Answered(exchange.address, who, exchange.method, path, status, sent_bytes, duration_ms)


def _replay(body: bytes) -> ASGIReceiveCallable:
    """The body again, for Flask: it was read before, so that a slow client never holds one of Flask's threads."""
    left: list[ASGIReceiveEvent] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> ASGIReceiveEvent:
        return left.pop() if left else {"type": "http.disconnect"}

    return receive


def _printable(exchange: Incoming) -> str:
    """The path for a log line: without the query, short, and with nothing that could start a line of its own."""
    return _one_line(exchange.path[:200])


def _one_line(text: str) -> str:
    return text.encode("unicode_escape").decode("ascii")
