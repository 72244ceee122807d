"""The application: Flask for what answers at once, the table of all routes, and the dispatcher before them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from a2wsgi import WSGIMiddleware
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from slave_agent.api.access import access_blueprint
from slave_agent.api.apps import Apps
from slave_agent.api.enrolment import enrolment_blueprint
from slave_agent.api.files import Files
from slave_agent.api.health import Health
from slave_agent.api.jobs import Jobs
from slave_agent.api.log_stream import LogStream
from slave_agent.api.logs import Logs
from slave_agent.api.monitor import Monitoring
from slave_agent.api.openapi import OpenApi
from slave_agent.api.permissions import Permissions
from slave_agent.api.problems import problem_of, problem_reply
from slave_agent.api.releases import releases_blueprint
from slave_agent.api.system import system_blueprint
from slave_agent.api.webhook import Webhook
from slave_agent.asgi import Dispatcher, Gate
from slave_agent.errors import HttpProblem
from slave_agent.panel.login import Login
from slave_agent.panel.static_files import static_files
from slave_agent.panel.views import Pages
from slave_agent.routes import APP_BODY_BYTES, WEBSOCKET, Route, RouteTable
from slave_agent.services import Services
from slave_agent.states import AppVerb, Right

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

FLASK_THREADS = 4
_log = logging.getLogger(__name__)


def create_app(services: Services) -> Flask:
    """Given the services, return the Flask application. It serves nobody by itself: authentication is the
    dispatcher's.
    """
    app = Flask("slave_agent", static_folder=None)
    app.register_blueprint(system_blueprint(services))
    app.register_blueprint(enrolment_blueprint(services))
    app.register_blueprint(access_blueprint(services))
    app.register_blueprint(releases_blueprint(services))
    app.register_error_handler(Exception, _answer_error)
    return app


def _answer_error(error: Exception) -> Response:
    if isinstance(error, HTTPException):
        error = HttpProblem(error.code or 500, error.description or error.name)
    problem = problem_of(error)
    if problem.status >= 500:
        _log.error("a request failed", exc_info=error)
    reply = problem_reply(problem)
    return Response(reply.body, reply.status, reply.headers)


def route_table(services: Services) -> RouteTable:
    """Given the services, return every route there is. Whatever Flask knows beyond it is not served."""
    health = Health(services.settings)
    jobs = Jobs(services.jobs, services.stopping_for)
    files = Files(services.settings.state_dir / "work")
    apps = Apps(services.apps)
    monitoring = Monitoring(services.monitor, services.settings, services.apps)
    log_stream = LogStream(services.logs)
    webhook = Webhook(apps, services.webhook)
    openapi = OpenApi(lambda: table.routes)
    table = RouteTable(
        (
            *_panel_routes(services),
            Route("GET", "/api/health", Right.NONE, health.answer),
            Route("POST", "/api/execute", Right.EXECUTE, jobs.execute),
            Route("GET", "/api/jobs/<job_id>", Right.EXECUTE, jobs.output),
            Route("POST", "/api/jobs/<job_id>/cancel", Right.EXECUTE, jobs.cancel),
            Route("PUT", "/api/files/<name>", Right.EXECUTE, files.upload),
            Route("GET", "/api/version", Right.READ),
            Route("GET", "/api/system", Right.READ),
            Route("GET", "/api/permissions", Right.READ, Permissions(services.privilege).answer),
            Route("GET", "/api/openapi.json", Right.READ, openapi.answer),
            Route("GET", "/api/apps", Right.READ, apps.list),
            Route("POST", "/api/apps/register", Right.OPERATE, apps.register, APP_BODY_BYTES),
            Route("GET", "/api/apps/<name>", Right.READ, apps.show),
            Route("PATCH", "/api/apps/<name>", Right.OPERATE, apps.edit, APP_BODY_BYTES),
            Route("DELETE", "/api/apps/<name>", Right.OPERATE, apps.remove),
            Route("GET", "/api/apps/<name>/status", Right.READ, apps.status),
            *(Route("POST", f"/api/apps/<name>/{verb}", Right.OPERATE, apps.operation(verb)) for verb in AppVerb),
            Route("GET", "/api/apps/<name>/logs", Right.READ, Logs(services.logs).page),
            Route(WEBSOCKET, "/logs/<name>", Right.READ, on_socket=log_stream.serve),
            Route("GET", "/api/processes", Right.READ, monitoring.processes),
            Route("GET", "/api/monitored", Right.READ, monitoring.chosen),
            Route("PUT", "/api/monitored", Right.OPERATE, monitoring.choose),
            Route("GET", "/api/events", Right.READ, monitoring.events),
            Route("GET", "/metrics", Right.READ, monitoring.metrics),
            Route("POST", "/webhook/command", Right.NONE, webhook.command),
            Route("GET", "/api/agent/webhook", Right.MANAGE, webhook.show),
            Route("PUT", "/api/agent/webhook", Right.MANAGE, webhook.change),
            Route("GET", "/api/agent/tokens", Right.MANAGE),
            Route("PUT", "/api/agent/tokens/<name>", Right.MANAGE),
            Route("DELETE", "/api/agent/tokens/<name>", Right.MANAGE),
            Route("POST", "/api/agent/revoke", Right.MANAGE),
            Route("GET", "/api/audit", Right.AUDIT),
            Route("POST", "/api/agent/enroll", Right.MANAGE),
            Route("POST", "/api/agent/confirm", Right.MANAGE),
            Route("POST", "/api/agent/rescue", Right.MANAGE),
            Route("POST", "/api/agent/bootstrap", Right.MANAGE),
            Route("POST", "/api/agent/uninstall", Right.MANAGE),
            Route("GET", "/api/agent/releases", Right.MANAGE),
            Route("POST", "/api/agent/releases", Right.MANAGE),
            Route("POST", "/api/agent/releases/switch", Right.MANAGE),
            Route("POST", "/api/agent/rollback", Right.MANAGE),
        )
    )
    return table


def _panel_routes(services: Services) -> Iterator[Route]:
    """The pages. What they show and do goes through the API's own routes, with the session's cookie."""
    pages = Pages(services.settings)
    login = Login(
        services.sessions,
        lambda: services.credentials.credentials.accepted + services.access.accepted,
        services.throttle,
    )
    yield Route("GET", "/", Right.READ, pages.apps, is_panel=True)
    yield Route("GET", "/apps", Right.READ, pages.apps, is_panel=True)
    yield Route("GET", "/audit", Right.READ, pages.audit, is_panel=True)
    yield Route("GET", "/login", Right.NONE, pages.login, is_panel=True)
    yield Route("POST", "/login", Right.NONE, login.open, is_panel=True)
    yield Route("POST", "/logout", Right.READ, login.close, is_panel=True)
    for path, answer in static_files().items():
        yield Route("GET", path, Right.NONE, answer, is_panel=True)


def create_asgi_app(services: Services, gate: Gate) -> Dispatcher:
    """Given the services and the gate, return the whole application for the server."""
    flask = WSGIMiddleware(cast(Any, create_app(services)), workers=FLASK_THREADS)
    return Dispatcher(gate, route_table(services), cast("ASGI3Application", flask))
