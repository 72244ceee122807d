"""The calls about apps, over the one HTTP client. What an agent refuses becomes an error that says what to do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from d8.app_errors import AppNotUp, UnknownApp, UnusableApp
from d8.app_models import AppDetail, AppEdited, AppPermission, AppStatus, AppVerb, LogFilter, LogItem
from d8.errors import D8Error
from d8.fleet import app_answers
from d8.fleet.agent_client import ProblemAnswer, SlaveClient
from d8.fleet.answers import Json, NotUnderstood

Found = TypeVar("Found")
OPERATION_SECONDS = 150.0  # systemd gives a service 90 s to stop, and then it has to prove itself
STABILISATION_FIELD = "stabilisation_seconds"
LONGEST_WAIT_SECONDS = 2.0
TOO_SOON, NOT_FOUND = 429, 404
NOT_UP = "urn:d8:app-did-not-stay-up"


class AppsClient:
    """The apps of one slave. Given the client for its agent, and how to wait."""

    def __init__(self, client: SlaveClient, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._sleep = sleep

    def all(self) -> list[AppStatus]:
        """Return every app with its status, by name. Raises D8Error for an agent that knows of no apps."""
        try:
            return self._read(app_answers.app_list, "GET", "/api/apps")
        except UnknownApp as error:
            raise D8Error(
                "the agent on {address} is of a version that manages no apps",
                "Build it again (option 11) to bring it to the master's commit.",
                address=self._client.address,
            ) from error

    def status(self, name: str) -> AppDetail:
        """Given an app's name, return its status and the end of its journal. Raises UnknownApp."""
        return self._read(app_answers.app_with_log, "GET", f"/api/apps/{name}/status")

    def detail(self, name: str) -> AppDetail:
        """Given an app's name, return its status and how it is configured. Raises UnknownApp."""
        return self._read(app_answers.app_detail, "GET", f"/api/apps/{name}")

    def register(self, document: Json) -> AppStatus:
        """Given the description of an app, install and start it. Raises UnusableApp, AppNotUp: nothing is left then."""
        patience = _patience(document)
        return self._read(app_answers.app_status, "POST", "/api/apps/register", patience=patience, json=document)

    def act(self, verb: AppVerb, name: str) -> AppStatus:
        """Given what to do with which app, do it and return how it is then. Raises UnknownApp or AppNotUp."""
        path = f"/api/apps/{name}/{verb.value}"
        return self._read(app_answers.app_status, "POST", path, patience=OPERATION_SECONDS, json={})

    def edit(self, name: str, document: Json) -> AppEdited:
        """Given an app's name and the fields that change, change them. Raises AppNotUp: then it runs as before."""
        patience = _patience(document)
        return self._read(app_answers.app_edited, "PATCH", f"/api/apps/{name}", patience=patience, json=document)

    def remove(self, name: str) -> str:
        """Given an app's name, remove it; return the name. Raises UnknownApp."""
        return self._read(app_answers.removed_name, "DELETE", f"/api/apps/{name}", patience=OPERATION_SECONDS, json={})

    def permissions(self) -> tuple[AppPermission, ...]:
        """Return what managing apps needs there, granted or not."""
        return self._read(app_answers.permissions, "GET", "/api/permissions")

    def logs(self, name: str, wanted: LogFilter) -> list[LogItem]:
        """Given an app's name and which entries are wanted, return them, oldest first. Raises UnknownApp."""
        path = f"/api/apps/{name}/logs"
        return self._read(app_answers.log_page, "GET", path, params=wanted.parameters())

    def _read(self, read: Callable[[Json], Found], method: str, path: str, **options: Any) -> Found:
        try:
            answer = self._patient_call(method, path, **options)
        except ProblemAnswer as problem:
            raise explained(problem) from problem
        return self._client.read(200, read, answer)

    def _patient_call(self, method: str, path: str, **options: Any) -> Json:
        """An app takes one operation a second: the slave says when to come back, and once is enough."""
        try:
            return self._client.call(method, path, **options)
        except ProblemAnswer as problem:
            seconds = problem.retry_after_seconds
            if problem.status != TOO_SOON or seconds is None or seconds > LONGEST_WAIT_SECONDS:
                raise
            self._sleep(seconds)
        return self._client.call(method, path, **options)


def explained(problem: ProblemAnswer) -> D8Error:
    """Given an agent's problem about an app, return the error for the operator. Pure."""
    values = dict(problem.message.values)
    if problem.status == NOT_FOUND:
        return UnknownApp("{address}: {detail}", "start_d8.py apps SLAVE lists its apps.", **values)
    try:
        if problem.document.get("type") == NOT_UP:
            log = app_answers.log_lines(problem.document)
            return AppNotUp("{address}: {detail}", "{said}", problem.document, log, **values)
        problems = app_answers.field_problems(problem.document)
    except NotUnderstood:
        return problem
    if not problems:
        return problem
    return UnusableApp(
        "{address} can't use this description of an app", "Correct what follows.", problems, address=values["address"]
    )


def _patience(document: Json) -> float:
    """How long the work may take: an operation, and the time in which the app has to prove itself."""
    seconds = document.get(STABILISATION_FIELD)
    return OPERATION_SECONDS + (float(seconds) if isinstance(seconds, int | float) else 0)
