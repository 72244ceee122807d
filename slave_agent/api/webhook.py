"""POST /webhook/command: an order about an app from somebody who has the webhook's secret and no token; and what turns
it on and off.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from marshmallow import fields, validate

from slave_agent.api.apps import Apps
from slave_agent.api.dto import Form, checked
from slave_agent.api.exchange import Exchange, parse_json, refuse_other_content
from slave_agent.api.problems import json_reply, problem_of
from slave_agent.bootstrap.throttle import GuessThrottle
from slave_agent.errors import AgentError, HttpProblem
from slave_agent.models import Credential, JsonObject
from slave_agent.routes import SMALL_BODY_BYTES
from slave_agent.states import AppVerb, CredentialKind, Right
from slave_agent.webhook import Doorkeeper, Replayed, SignedMessage, WebhookRefused, WebhookSecret, problem_with_secret
from slave_agent.webhook_store import WebhookStore

STATUS = "status"
ACTIONS = (AppVerb.START.value, AppVerb.STOP.value, AppVerb.RESTART.value, STATUS)
_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
_NOTHING_DONE = (429, 503)
_SENDER = Credential("", None, None, CredentialKind.ACCESS, frozenset({Right.NONE}), "webhook")
_SIGN_IT = "Sign ID.TIMESTAMP.BODY with HMAC-SHA256 as Standard Webhooks says, and send the three webhook- headers."


class CommandForm(Form):
    """The body of POST /webhook/command; `secret` only in the plain form."""

    action = fields.String(required=True, validate=validate.OneOf(ACTIONS))
    app_name = fields.String(required=True, validate=validate.Length(1, 100))
    secret = fields.String(validate=validate.Length(1, 1000))


class WebhookForm(Form):
    """The body of PUT /api/agent/webhook. Without a secret the webhook is off."""

    secret = fields.String()
    plain = fields.Boolean(load_default=False, truthy={True}, falsy={False})


class Webhook:
    """Given the apps, where the secret lies, and clocks: seconds since 1970, and seconds that only go forward."""

    def __init__(
        self,
        apps: Apps,
        store: WebhookStore,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._apps = apps
        self._store = store
        self._now = now
        self._monotonic = monotonic
        self._doorkeeper = Doorkeeper(now())
        self._throttle = GuessThrottle()

    async def command(self, exchange: Exchange) -> None:
        """POST /webhook/command: 404 while it is off; 200 with the app's status."""
        secret = self._store.secret
        if secret is None:
            raise HttpProblem(404, "there is no such path", "The webhook is off: WEBHOOK_SECRET turns it on.")
        refuse_other_content(exchange.header("content-type"))
        body = await exchange.body(SMALL_BODY_BYTES)
        is_signed = any(exchange.headers(name) for name in _HEADERS)
        order = self._signed(exchange, secret, body) if is_signed else self._plain(exchange, secret, body)
        exchange.credential, exchange.right = _SENDER, Right.OPERATE
        try:
            status = await self._follow(order["action"], order["app_name"])
        except AgentError as error:
            if is_signed and problem_of(error).status in _NOTHING_DONE:
                self._doorkeeper.forget(exchange.header("webhook-id"))
            raise
        await exchange.send(json_reply(200, status))

    async def show(self, exchange: Exchange) -> None:
        """GET /api/agent/webhook."""
        await exchange.body(SMALL_BODY_BYTES)
        await exchange.send(json_reply(200, self._state()))

    async def change(self, exchange: Exchange) -> None:
        """PUT /api/agent/webhook: turn it on with a secret, off without."""
        asked = checked(WebhookForm(), await exchange.json(SMALL_BODY_BYTES))
        secret = asked.get("secret")
        if secret and (problem := problem_with_secret(secret)) is not None:
            raise HttpProblem(422, f"the secret can't be used: {problem}", "Take a longer random one.")
        self._store.set(WebhookSecret(secret, asked["plain"]) if secret else None)
        await exchange.send(json_reply(200, self._state()))

    def _state(self) -> JsonObject:
        secret = self._store.secret
        return {"enabled": secret is not None, "plain": secret is not None and secret.allows_plain}

    async def _follow(self, action: str, name: str) -> JsonObject:
        return await (self._apps.look_at(name) if action == STATUS else self._apps.perform(AppVerb(action), name))

    def _signed(self, exchange: Exchange, secret: WebhookSecret, body: bytes) -> JsonObject:
        message_id, timestamp, signatures = (exchange.header(name) for name in _HEADERS)
        message = SignedMessage(message_id, timestamp, signatures, body)
        try:
            self._doorkeeper.let_in(message, secret, self._now())
        except Replayed as replay:
            raise HttpProblem(409, str(replay), "Send a new order with a webhook-id of its own.") from replay
        except WebhookRefused as refusal:
            raise self._refused(exchange, refusal) from refusal
        return checked(CommandForm(), parse_json(body))

    def _plain(self, exchange: Exchange, secret: WebhookSecret, body: bytes) -> JsonObject:
        if not secret.allows_plain:
            raise HttpProblem(401, "this webhook takes signed orders only", _SIGN_IT)
        order = checked(CommandForm(), parse_json(body))
        if not secret.is_same(order.get("secret", "")):
            raise self._refused(exchange, WebhookRefused("the secret is wrong", is_guess=True))
        return order

    def _refused(self, exchange: Exchange, refusal: WebhookRefused) -> HttpProblem:
        """Whoever guesses is slowed down; the right secret works at once all the same."""
        seconds = self._throttle.count_wrong(exchange.address, self._monotonic()) if refusal.is_guess else None
        if seconds is None:
            return HttpProblem(401, str(refusal), _SIGN_IT)
        wait = max(1, math.ceil(seconds))
        return HttpProblem(
            429, "too many wrong secrets from this address", f"Wait {wait} s.", {"Retry-After": str(wait)}
        )
