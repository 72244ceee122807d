"""POST /login and /logout: a token opens a session, which the browser keeps in a cookie that no script can read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from marshmallow import fields, validate

from slave_agent.api.dto import Form, checked, nothing
from slave_agent.api.exchange import Exchange
from slave_agent.api.guesses import opened_by
from slave_agent.api.problems import json_reply, origin_missing
from slave_agent.bootstrap.throttle import GuessThrottle
from slave_agent.models import Credential
from slave_agent.routes import SMALL_BODY_BYTES
from slave_agent.sessions import Sessions

_WANTED = "must be this slave's token"


class LoginForm(Form):
    """The body of POST /login."""

    token = fields.String(
        required=True,
        validate=validate.Length(1, 4096, error=_WANTED),
        error_messages={"required": "is missing", "null": "is missing", "invalid": _WANTED},
    )


class Login:
    """Given the sessions, the credentials in force and the memory for wrong guesses, which the API has too."""

    def __init__(
        self, sessions: Sessions, accepted: Callable[[], Iterable[Credential]], throttle: GuessThrottle
    ) -> None:
        self._sessions = sessions
        self._accepted = accepted
        self._throttle = throttle

    async def open(self, exchange: Exchange) -> None:
        """POST /login. The dispatcher has refused every foreign Origin; here there must be one, so that no page of
        another site logs anybody in.
        """
        if not exchange.headers("origin"):
            raise origin_missing()
        values: dict[str, Any] = checked(LoginForm(), await exchange.json(SMALL_BODY_BYTES))
        token = values["token"].strip().encode("utf-8", "replace")
        exchange.credential = opened_by(token, exchange.address, self._accepted(), self._throttle)
        self._sessions.end(exchange.headers("cookie"))
        cookie = self._sessions.begin(exchange.credential, exchange.address)
        await exchange.send(json_reply(200, {"next": "/apps"}, {"Set-Cookie": cookie}))

    async def close(self, exchange: Exchange) -> None:
        """POST /logout."""
        nothing(await exchange.json(SMALL_BODY_BYTES))
        cookie = self._sessions.end(exchange.headers("cookie"))
        await exchange.send(json_reply(200, {"next": "/login"}, {"Set-Cookie": cookie}))
