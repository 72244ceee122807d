"""Which rights the agent has on this machine, and what to run to get those that are missing."""

from __future__ import annotations

from flask import Blueprint

from slave_agent.models import JsonObject
from slave_agent.privilege import Privilege


def permissions_blueprint(privilege: Privilege) -> Blueprint:
    """Given who does what the agent may not, return the routes."""
    routes = Blueprint("permissions", __name__)

    @routes.get("/api/permissions")
    def permissions() -> JsonObject:
        return privilege.permissions().as_json()

    return routes
