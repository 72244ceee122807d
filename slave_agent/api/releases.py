"""GET and POST /api/agent/releases: what is installed, and how a signed release gets in, takes over, or gives way."""

from __future__ import annotations

import logging
import platform
import sys
from contextlib import suppress
from pathlib import Path

from flask import Blueprint, request

from slave_agent.api.dto import nothing, release_file
from slave_agent.api.exchange import parse_json
from slave_agent.errors import ActivationError, HttpProblem
from slave_agent.models import JsonObject
from slave_agent.services import Services
from slave_agent.states import ActivationVerb

_SHOWN = ("phase", "commit", "confirmed_commit", "previous_commit", "reason", "update", "can_be_updated")
_log = logging.getLogger(__name__)


def releases_blueprint(services: Services) -> Blueprint:
    """Given the services, return the routes."""
    routes = Blueprint("releases", __name__, url_prefix="/api/agent")

    @routes.get("/releases")
    def show() -> JsonObject:
        known = _ask(services, ActivationVerb.RELEASES)
        return {**{name: known.get(name) for name in _SHOWN}, "running": services.settings.commit, **_runtime()}

    @routes.post("/releases")
    def receive() -> tuple[JsonObject, int]:
        name = release_file(parse_json(request.get_data()))
        try:
            accepted = _ask(services, ActivationVerb.UPDATE, file=name)
        finally:
            with suppress(OSError):
                Path(services.settings.state_dir, "work", name).unlink(missing_ok=True)
        _log.info("a release of the fleet was accepted: commit %s", accepted.get("commit"))
        return {"accepted": True, "commit": accepted.get("commit")}, 202

    @routes.post("/releases/switch")
    def switch() -> tuple[JsonObject, int]:
        nothing(parse_json(request.get_data()))
        begun = _ask(services, ActivationVerb.HANDOVER)
        deadline = begun.get("deadline_seconds")
        return {"accepted": True, "commit": begun.get("commit"), "deadline_seconds": deadline}, 202

    @routes.post("/rollback")
    def roll_back() -> tuple[JsonObject, int]:
        nothing(parse_json(request.get_data()))
        known = _ask(services, ActivationVerb.RELEASES)
        if known.get("phase") != "confirmed":
            raise HttpProblem(409, "an update is under way on this slave", "Wait for its end, or update it again.")
        if not known.get("previous_commit"):
            raise HttpProblem(409, "there is no earlier release to go back to", "Update or build this slave instead.")
        _ask(services, ActivationVerb.ROLLBACK)
        return {"accepted": True, "commit": known["previous_commit"]}, 202

    return routes


def _ask(services: Services, verb: ActivationVerb, **fields: str) -> JsonObject:
    try:
        return services.activation.ask(verb, **fields)
    except ActivationError as error:
        raise HttpProblem(409, error.message, error.hint) from error


def _runtime() -> JsonObject:
    """What a wheel for this agent has to fit: asked of the interpreter that runs it, also inside a container."""
    libc, version = platform.libc_ver()
    return {
        "python": list(sys.version_info[:2]),
        "architecture": platform.machine(),
        "libc": libc or "musl",
        "libc_version": version,
    }
