"""How a slave gets credentials (enroll, confirm, rescue), and how the agent gives way (bootstrap, uninstall)."""

from __future__ import annotations

import logging

from flask import Blueprint, request

from slave_agent.api.dto import enrolment, nothing, rescue_order
from slave_agent.api.exchange import parse_json
from slave_agent.errors import ActivationError, AgentError, CredentialsError, HttpProblem
from slave_agent.models import Credential, JsonObject
from slave_agent.services import Services
from slave_agent.states import ActivationVerb

_log = logging.getLogger(__name__)


def enrolment_blueprint(services: Services) -> Blueprint:
    """Given the services, return the routes."""
    routes = Blueprint("enrolment", __name__, url_prefix="/api/agent")

    @routes.post("/enroll")
    def enroll() -> JsonObject:
        offered = enrolment(parse_json(request.get_data()), services.settings.tls)
        fingerprint = services.credentials.enrol(offered)
        _log.info("enrolled as %s, certificate %s", offered.slave_id, fingerprint or "none (no TLS)")
        return {"enrolled": True, "fingerprint": fingerprint}

    @routes.post("/confirm")
    def confirm() -> JsonObject:
        nothing(parse_json(request.get_data()))
        presented, known = _presented(), services.credentials.credentials
        if known.begins_anew and presented == known.pending:
            services.access.clear()  # first, so that a kill in between leaves it to be done again
        try:
            services.credentials.confirm(presented)
        except CredentialsError as error:
            raise HttpProblem(409, error.message, error.hint) from error
        services.activation.ask(ActivationVerb.CONFIRM)  # it may be asked again: confirm is idempotent all the way down
        _log.info("confirmed: older tokens are dead, no way back is armed")
        return {"confirmed": True, "commit": services.settings.commit}

    @routes.post("/rescue")
    def rescue() -> JsonObject:
        order = rescue_order(parse_json(request.get_data()))
        try:
            services.activation.ask(ActivationVerb.RESCUE, order=order)
        except ActivationError as error:
            raise HttpProblem(409, error.message, error.hint) from error
        _log.info("the bootstrap that stands by has another token")
        return {"replaced": True}

    @routes.post("/bootstrap")
    def bootstrap() -> tuple[JsonObject, int]:
        nothing(parse_json(request.get_data()))
        services.activation.ask(ActivationVerb.RETURN_TO_BOOTSTRAP)
        return {"accepted": True}, 202

    @routes.post("/uninstall")
    def uninstall() -> tuple[JsonObject, int]:
        nothing(parse_json(request.get_data()))
        apps = _count_of_apps(services)
        services.activation.ask(ActivationVerb.UNINSTALL)
        return {"accepted": True, "apps_removed": apps}, 202

    return routes


def _count_of_apps(services: Services) -> int | None:
    """How many apps go with the agent; None where that can't be told, which is no reason to stay."""
    try:
        return len(services.privilege.installed())
    except AgentError as error:
        _log.warning("the apps could not be counted: %s", error)
        return None


def _presented() -> Credential:
    """The credential that this request was opened with; the dispatcher has left it in the ASGI state."""
    credential = request.environ["asgi.scope"]["state"]["credential"]
    if not isinstance(credential, Credential):
        raise TypeError("a route that needs a credential was reached without one")
    return credential
