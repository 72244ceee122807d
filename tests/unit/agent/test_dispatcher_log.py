"""What the log says of a request that failed: a traceback only where nobody knows what went wrong."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from slave_agent.api.exchange import Exchange
from slave_agent.asgi import Dispatcher, Gate
from slave_agent.bootstrap.throttle import GuessThrottle
from slave_agent.logs.errors import JournalUnreadable
from slave_agent.routes import Route, RouteTable
from slave_agent.sessions import Sessions, session_cookie
from slave_agent.states import Right
from slave_agent.systemd.errors import SystemdError


def status_of(error: Exception) -> int:
    """The status that a client gets where a route raises that."""

    async def fail(exchange: Exchange) -> None:
        raise error

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    statuses: list[int] = []

    async def send(event: Any) -> None:
        statuses.extend([event["status"]] if "status" in event else [])

    sessions = Sessions(session_cookie("slave", True))
    gate = Gate(frozenset({"slave"}), lambda: (), GuessThrottle(), sessions, lambda deed: None)
    flask: Any = None
    dispatcher = Dispatcher(gate, RouteTable((Route("GET", "/page", Right.NONE, fail),)), flask)
    scope: Any = {
        "type": "http",
        "method": "GET",
        "path": "/page",
        "raw_path": b"/page",
        "query_string": b"",
        "scheme": "https",
        "client": ("127.0.0.1", 4000),
        "headers": [(b"host", b"slave")],
    }
    asyncio.run(dispatcher(scope, receive, send))
    return statuses[0]


@pytest.mark.parametrize("kind", [JournalUnreadable, SystemdError])
def test_an_expected_failure_is_one_line(caplog: pytest.LogCaptureFixture, kind: type[Exception]) -> None:
    with caplog.at_level(logging.ERROR):
        assert status_of(kind("systemd said:\nno", "Look at it.")) == 502
    [record] = caplog.records
    assert (record.getMessage(), record.exc_info) == ("GET /page failed: systemd said:\\nno", None)


def test_an_unexpected_failure_has_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert status_of(RuntimeError("a mistake")) == 500
    [record] = caplog.records
    assert record.getMessage() == "GET /page failed" and record.exc_info is not None
