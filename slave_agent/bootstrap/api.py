"""What the bootstrap answers: one table of routes, one small function each. Bytes and sockets are the server's."""

from __future__ import annotations

import json
import platform
import re
import threading
from dataclasses import dataclass
from typing import Any, Callable, Mapping

from slave_agent.bootstrap.authentication import Authenticator
from slave_agent.bootstrap.configuration import BOOTSTRAP_VERSION, Configuration
from slave_agent.bootstrap.errors import (
    BadRequest,
    BootstrapError,
    LengthRequired,
    MethodNotAllowed,
    NotAuthorized,
    NotNow,
    PageNotFound,
    TooBusy,
    TooLarge,
    TooManyGuesses,
)
from slave_agent.bootstrap.execute_request import read_execute_request
from slave_agent.bootstrap.host_facts import host_facts
from slave_agent.bootstrap.jobs import JobStore
from slave_agent.bootstrap.output_query import read_output_query
from slave_agent.bootstrap.uploads import UploadFolder
from slave_agent.bootstrap.wire import Head, Reply, problem_reply

LARGEST_JSON_BYTES = 1024 * 1024
LARGEST_UPLOAD_BYTES = 4 * 1024**3
LOOK_SECONDS = 1.0
"""How often a waiting request looks whether its client is still there and the server goes on."""


@dataclass(frozen=True)
class Call:
    """A request on its way through the API: its head, where it comes from, and how to get the rest of it."""

    head: Head
    address: str
    read_body: Callable[[int], bytes]
    """Returns up to that many bytes of the body, b"" at its end."""
    is_abandoned: Callable[[], bool]
    """Whether the client has gone."""


@dataclass(frozen=True)
class Route:
    """A path and method with what they ask of a request. `most_bytes` is the largest body; 0 means none is read."""

    method: str
    path: re.Pattern[str]
    answer: Callable[[Call, str], Reply]
    needs_token: bool = True
    most_bytes: int = 0
    may_take_long: bool = False


class Api:
    """The answers of one bootstrap."""

    def __init__(
        self,
        configuration: Configuration,
        jobs: JobStore,
        uploads: UploadFolder,
        authenticator: Authenticator,
        stopping: threading.Event,
    ) -> None:
        self._configuration = configuration
        self._jobs = jobs
        self._uploads = uploads
        self._authenticator = authenticator
        self._stopping = stopping
        self.routes = (
            Route("GET", _path("/api/health"), self._health, needs_token=False),
            Route("GET", _path("/api/version"), self._version),
            Route("POST", _path("/api/execute"), self._execute, most_bytes=LARGEST_JSON_BYTES, may_take_long=True),
            Route("GET", _path("/api/jobs/([^/]+)"), self._job, may_take_long=True),
            Route("POST", _path("/api/jobs/([^/]+)/cancel"), self._cancel, most_bytes=LARGEST_JSON_BYTES),
            Route("PUT", _path("/api/files/([^/]+)"), self._upload, most_bytes=LARGEST_UPLOAD_BYTES),
            Route("POST", _path("/api/agent/confirm"), self._confirm, most_bytes=LARGEST_JSON_BYTES),
        )

    def find(self, head: Head) -> tuple[Route, str]:
        """Return the route of a request and what its path names. Raises PageNotFound or MethodNotAllowed."""
        found = [(route, match) for route in self.routes if (match := route.path.match(head.path))]
        if not found:
            raise PageNotFound(
                f"There is nothing at {head.path}.", "The bootstrap answers GET /api/health and a few others."
            )
        for route, match in found:
            if route.method == head.method:
                return route, match.group(match.lastindex or 0)
        raise MethodNotAllowed(head.method, ", ".join(route.method for route, _ in found))

    def check(self, route: Route, call: Call) -> None:
        """Return if the request may be answered; nothing of its body has been read yet. Raises BootstrapError."""
        length = call.head.content_length()
        if route.needs_token:
            self._authenticator.check(call.head.headers.get("authorization", ()), call.address)
        if route.method == "PUT" and length is None:
            raise LengthRequired("The file comes without a length.", "Send Content-Length.")
        if (length or 0) > route.most_bytes:
            raise TooLarge(
                f"The body may have at most {route.most_bytes} bytes.", "Upload large data with PUT /api/files."
            )

    def problem(self, problem: BootstrapError) -> Reply:
        """Return the reply for an error, with the headers that belong to it."""
        return problem_reply(problem, problem_headers(problem))

    def _is_known(self, call: Call) -> bool:
        """Whether the request brought the right token. None is fine here, a wrong one is still a wrong one."""
        headers = call.head.headers.get("authorization", ())
        if headers:
            self._authenticator.check(headers, call.address)
        return bool(headers)

    def _health(self, call: Call, _: str) -> Reply:
        configuration = self._configuration
        warnings = [] if configuration.tls else ["no TLS: anyone on the network can read the token and the commands"]
        document: dict[str, Any] = {
            "status": "ok",
            "mode": "bootstrap",
            "version": BOOTSTRAP_VERSION,
            "commit": configuration.commit,
            "tls": configuration.tls,
            "warnings": warnings,
        }
        if self._is_known(call):
            document["host"] = host_facts()
        return Reply(200, document)

    def _version(self, _: Call, __: str) -> Reply:
        document = {
            "version": BOOTSTRAP_VERSION,
            "commit": self._configuration.commit,
            "branch": None,
            "python": platform.python_version(),
            "mode": "bootstrap",
        }
        return Reply(200, document)

    def _execute(self, call: Call, _: str) -> Reply:
        request = read_execute_request(read_json(call))
        snapshot = self._jobs.start(request.job)
        while request.wait and not snapshot.state.has_ended and not self._stopping.is_set() and not call.is_abandoned():
            snapshot = self._jobs.wait(snapshot.id, LOOK_SECONDS)
        if request.wait and snapshot.state.has_ended:
            return Reply(200, self._jobs.reply(snapshot))
        location = {"Location": f"/api/jobs/{snapshot.id}"}
        return Reply(202, {"id": snapshot.id, "state": snapshot.state.value}, location)

    def _job(self, call: Call, job_id: str) -> Reply:
        asked = read_output_query(call.head.query)
        left = asked.wait_seconds
        while True:
            wait = min(left, LOOK_SECONDS)
            output = self._jobs.read(job_id, asked.offset, asked.stderr_offset, asked.limit, wait)
            left -= wait
            is_done = not output.is_empty or output.snapshot.state.has_ended or left <= 0
            if is_done or self._stopping.is_set() or call.is_abandoned():
                return Reply(200, output.document())

    def _cancel(self, call: Call, job_id: str) -> Reply:
        read_json(call)
        return Reply(200, self._jobs.cancel(job_id).document())

    def _upload(self, call: Call, name: str) -> Reply:
        size = call.head.content_length() or 0
        sha256 = call.head.header("x-content-sha256")
        self._uploads.check(name, sha256, size)
        return Reply(201, self._uploads.receive(name, sha256 or "", size, call.read_body))

    def _confirm(self, call: Call, _: str) -> Reply:
        read_json(call)
        raise NotNow(
            "There is nothing to confirm: the bootstrap answers here, so the agent was rolled back.",
            "Look at why the agent did not stay up, then build again.",
        )


def _path(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern + r"\Z")


def problem_headers(problem: BootstrapError) -> Mapping[str, str]:
    """Return the headers that an error needs beside its document."""
    if isinstance(problem, NotAuthorized):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(problem, TooManyGuesses):
        return {"Retry-After": str(problem.retry_after_seconds)}
    if isinstance(problem, MethodNotAllowed):
        return {"Allow": problem.allowed}
    if isinstance(problem, TooBusy):
        return {"Retry-After": "5"}
    return {}


def read_json(call: Call) -> Any:
    """Read the whole body as JSON; no body counts as {}. Raises BadRequest."""
    chunks: list[bytes] = []
    while chunk := call.read_body(65536):
        chunks.append(chunk)
    body = b"".join(chunks)
    if len(body) < (call.head.content_length() or 0):
        raise BadRequest("The body ended early.")
    if not body.strip():
        return {}
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as problem:
        raise BadRequest(f"The body is not JSON: {problem}.") from problem


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number")
