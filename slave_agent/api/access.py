"""Who else may use this slave, how the master's own access ends, and what was done with all of it."""

from __future__ import annotations

import logging
import time
from typing import Any

from flask import Blueprint, request
from marshmallow import fields, validate

from slave_agent.access_tokens import RESERVED_NAMES, TOKEN_NAME
from slave_agent.api.dto import Form, checked, nothing
from slave_agent.api.exchange import parse_json
from slave_agent.api.query import whole_number
from slave_agent.errors import HttpProblem
from slave_agent.models import AccessToken, JsonObject
from slave_agent.monitor.host_facts import timestamp
from slave_agent.services import Services
from slave_agent.states import TokenScope

PAGE = 500
_log = logging.getLogger(__name__)


class GrantForm(Form):
    """The body of PUT /api/agent/tokens/NAME."""

    scope = fields.String(
        required=True,
        validate=validate.OneOf(list(TokenScope), error=f"must be one of {', '.join(TokenScope)}"),
        error_messages={"required": "is missing", "invalid": "must be a text"},
    )
    token_sha256 = fields.String(required=True, error_messages={"required": "is missing", "invalid": "must be a text"})


def access_blueprint(services: Services) -> Blueprint:
    """Given the services, return the routes."""
    routes = Blueprint("access", __name__, url_prefix="/api")

    @routes.get("/agent/tokens")
    def tokens() -> JsonObject:
        return {"tokens": [_document(one) for one in services.access.tokens]}

    @routes.put("/agent/tokens/<name>")
    def grant(name: str) -> tuple[JsonObject, int]:
        if not TOKEN_NAME.match(name):
            raise HttpProblem(
                422, "the name must be 1 to 48 of a-z, 0-9, - and _", "It begins with a letter or a digit."
            )
        if name in RESERVED_NAMES:
            raise HttpProblem(422, f"the name {name} means somebody else in the audit log", "Use another one.")
        values: dict[str, Any] = checked(GrantForm(), parse_json(request.get_data()))
        sha256 = values["token_sha256"]
        if any(one.token_sha256 == sha256 for one in services.credentials.credentials.accepted):
            raise HttpProblem(409, "this is the master's own token", "Make a new one for each that needs one.")
        token = AccessToken(name, TokenScope(values["scope"]), sha256, timestamp(time.time()))
        is_new = services.access.grant(token)
        _log.info("token %s granted with the scope %s", name, token.scope.value)
        return _document(token), 201 if is_new else 200

    @routes.delete("/agent/tokens/<name>")
    def revoke_token(name: str) -> JsonObject:
        was_there = services.access.revoke(name)
        _log.info("token %s revoked", name if TOKEN_NAME.match(name) else "of an impossible name")
        return {"revoked": was_there}

    @routes.post("/agent/revoke")
    def revoke() -> JsonObject:
        nothing(parse_json(request.get_data()))
        services.access.clear()
        services.credentials.revoke()
        _log.warning("every token was revoked: only a new installation lets somebody in again")
        return {"revoked": True}

    @routes.get("/audit")
    def audit() -> JsonObject:
        lines = services.audit.lines
        query = request.query_string.decode("latin-1")
        after, before = whole_number(query, "after", -1, 2**53), whole_number(query, "before", -1, 2**53)
        if after >= 0 and before >= 0:
            raise HttpProblem(422, "after and before are both there", "Send one of them, or none for the newest.")
        limit = whole_number(query, "limit", PAGE, PAGE)
        if before >= 0:
            entries = lines.before(before, limit)
        else:
            entries = lines.newest(limit) if after < 0 else lines.after(after, limit)
        return {"entries": entries, "first_id": lines.first_id, "last_id": lines.last_id}

    return routes


def _document(token: AccessToken) -> JsonObject:
    return {"name": token.name, "scope": token.scope.value, "created": token.created}
