"""What is told of each route in the OpenAPI: what it is for, what it takes, what it answers. A test compares this table
with the routes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from marshmallow import Schema, fields, validate

from slave_agent.api.answer_forms import (
    AcceptedForm,
    AnyForm,
    ExecuteForm,
    HealthForm,
    JobForm,
    JobQueryForm,
    ResultForm,
    VersionForm,
)
from slave_agent.api.app_forms import (
    AppDetailForm,
    AppForm,
    AppListForm,
    AppPatchForm,
    AppStatusForm,
    AppStatusWithLogForm,
    EditedForm,
    RemovedForm,
)
from slave_agent.api.dto import EnrolmentForm, Form, NoFields, RescueForm
from slave_agent.api.log_forms import LogPageForm, LogStreamForm
from slave_agent.api.webhook import CommandForm, WebhookForm
from slave_agent.routes import WEBSOCKET


@dataclass(frozen=True)
class Operation:
    """One route in words and forms. `status` and `answer` are those of success; `problems` the errors of its own."""

    summary: str
    answer: type[Schema] = AnyForm
    status: int = 200
    body: type[Schema] | None = None
    query: type[Schema] | None = None
    problems: tuple[int, ...] = ()
    media_type: str = "application/json"
    body_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


class EventQueryForm(Form):
    """The query of GET /api/events."""

    after = fields.Integer(validate=validate.Range(0))
    limit = fields.Integer(validate=validate.Range(0))


class AuditQueryForm(EventQueryForm):
    """The query of GET /api/audit."""

    before = fields.Integer(validate=validate.Range(0))


_CHANGES_APP = (403, 404, 409, 422, 429, 502, 503)


def _app(summary: str) -> Operation:
    return Operation(summary, AppStatusForm, body=NoFields, problems=_CHANGES_APP)


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("GET", "/api/health"): Operation("Whether the agent serves; with a token, the machine's facts too", HealthForm),
    ("GET", "/api/version"): Operation("Version and commit of the agent", VersionForm),
    ("GET", "/api/system"): Operation("The machine, the agent's process, and what keeps it alive"),
    ("GET", "/api/openapi.json"): Operation("This document"),
    ("POST", "/api/execute"): Operation(
        "Run a command in the agent's sandbox", ResultForm, body=ExecuteForm, problems=(409, 422, 503)
    ),
    ("GET", "/api/jobs/<job_id>"): Operation(
        "A command's state and its output from an offset", JobForm, query=JobQueryForm, problems=(404, 422)
    ),
    ("POST", "/api/jobs/<job_id>/cancel"): Operation("End a command", JobForm, body=NoFields, problems=(404, 422)),
    ("PUT", "/api/files/<name>"): Operation(
        "Upload a file into the work folder",
        status=201,
        body=AnyForm,
        body_type="application/octet-stream",
        problems=(411, 413, 422, 507),
        headers={"X-Content-SHA256": "The SHA-256 of the content, hexadecimal"},
    ),
    ("GET", "/api/apps"): Operation("Every app with its status; one question to systemd for all", AppListForm),
    ("POST", "/api/apps/register"): Operation(
        "Make an app a service: checked, installed, started, and watched until it has stayed up",
        AppStatusForm,
        201,
        AppForm,
        problems=_CHANGES_APP,
    ),
    ("GET", "/api/apps/<name>"): Operation("An app's status and configuration", AppDetailForm, problems=(404,)),
    ("PATCH", "/api/apps/<name>"): Operation(
        "Change an app; with restart it goes back by itself if it does not stay up",
        EditedForm,
        body=AppPatchForm,
        problems=_CHANGES_APP,
    ),
    ("DELETE", "/api/apps/<name>"): Operation(
        "Stop an app and remove all of it", RemovedForm, body=NoFields, problems=_CHANGES_APP
    ),
    ("GET", "/api/apps/<name>/status"): Operation(
        "An app's status and its last lines", AppStatusWithLogForm, problems=(404,)
    ),
    ("POST", "/api/apps/<name>/start"): _app("Have an app run; answers once it has stayed up"),
    ("POST", "/api/apps/<name>/stop"): _app("Have no process of an app run"),
    ("POST", "/api/apps/<name>/restart"): _app("Have an app run as a new process"),
    ("POST", "/api/apps/<name>/enable"): _app("Have an app begin at boot"),
    ("POST", "/api/apps/<name>/disable"): _app("Have an app not begin at boot"),
    ("GET", "/api/apps/<name>/logs"): Operation(
        "A page of an app's log", query=LogPageForm, problems=(404, 422, 429, 502, 503)
    ),
    (WEBSOCKET, "/logs/<name>"): Operation(
        "A WebSocket: an app's log as it comes, each frame an array", query=LogStreamForm, problems=(404, 422, 429)
    ),
    ("GET", "/api/permissions"): Operation("Which rights the agent has here, and what to run to get the missing ones"),
    ("GET", "/api/processes"): Operation("Every Node.js and Python process", problems=(502,)),
    ("GET", "/api/monitored"): Operation("The chosen processes and how they fare", problems=(502,)),
    ("PUT", "/api/monitored"): Operation("Choose the processes to watch", body=AnyForm, problems=(422, 502)),
    ("GET", "/api/events"): Operation("What happened to apps and processes", query=EventQueryForm, problems=(422,)),
    ("GET", "/metrics"): Operation("Numbers for Prometheus", media_type="text/plain", problems=(502,)),
    ("POST", "/webhook/command"): Operation(
        "An order about an app from whoever has the webhook's secret; signed as Standard Webhooks says",
        AppStatusForm,
        body=CommandForm,
        problems=(404, 409, 422, 429, 502, 503),
    ),
    ("GET", "/api/agent/webhook"): Operation("Whether the webhook is on"),
    ("PUT", "/api/agent/webhook"): Operation(
        "Turn the webhook on with a secret, off without", body=WebhookForm, problems=(422,)
    ),
    ("POST", "/api/agent/enroll"): Operation(
        "Give this slave credentials of its own", body=EnrolmentForm, problems=(422,)
    ),
    ("POST", "/api/agent/confirm"): Operation("Keep the new credentials", body=NoFields, problems=(409, 422, 502)),
    ("POST", "/api/agent/rescue"): Operation(
        "Give the bootstrap that stands by another token, signed by the fleet", body=RescueForm, problems=(409, 422)
    ),
    ("POST", "/api/agent/bootstrap"): Operation(
        "Give way to the bootstrap", AcceptedForm, 202, NoFields, problems=(422, 502)
    ),
    ("POST", "/api/agent/uninstall"): Operation(
        "Remove the agent from this machine", AcceptedForm, 202, NoFields, problems=(422, 502)
    ),
    ("GET", "/api/agent/tokens"): Operation("The tokens besides the master's"),
    ("PUT", "/api/agent/tokens/<name>"): Operation("Make or replace a token", body=AnyForm, problems=(422,)),
    ("DELETE", "/api/agent/tokens/<name>"): Operation("Take a token back", body=NoFields, problems=(404, 422)),
    ("POST", "/api/agent/revoke"): Operation("Take all tokens back", body=NoFields, problems=(422,)),
    ("GET", "/api/agent/releases"): Operation("The releases that are installed"),
    ("POST", "/api/agent/releases"): Operation(
        "Install a signed release", status=202, body=AnyForm, problems=(422, 502)
    ),
    ("POST", "/api/agent/releases/switch"): Operation(
        "Change to a release", status=202, body=AnyForm, problems=(422, 502)
    ),
    ("POST", "/api/agent/rollback"): Operation(
        "Go back to the release before", status=202, body=AnyForm, problems=(422, 502)
    ),
    ("GET", "/api/audit"): Operation("Who did what", query=AuditQueryForm, problems=(422,)),
}
