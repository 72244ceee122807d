"""What the machine and the agent are: version and system facts."""

from __future__ import annotations

import platform

from flask import Blueprint

import slave_agent
from slave_agent.models import JsonObject
from slave_agent.monitor.host_facts import process_facts, system_facts
from slave_agent.services import Services
from slave_agent.states import AGENT_MODE


def system_blueprint(services: Services) -> Blueprint:
    """Given the services, return the routes."""
    routes = Blueprint("system", __name__)
    settings = services.settings

    @routes.get("/api/version")
    def version() -> JsonObject:
        return {
            "version": slave_agent.__version__,
            "commit": settings.commit,
            "branch": settings.branch,
            "python": platform.python_version(),
            "mode": AGENT_MODE,
        }

    @routes.get("/api/system")
    def system() -> JsonObject:
        identity = {"commit": settings.commit, "version": slave_agent.__version__}
        activation = {
            "scope": settings.scope,
            "survives_reboot": settings.survives_reboot,
            "command": settings.persistence_command,
        }
        return system_facts(settings) | {"agent": process_facts() | identity, "activation": activation}

    return routes
