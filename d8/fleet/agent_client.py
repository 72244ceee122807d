"""The only module that speaks HTTP to a slave, bootstrap and agent alike. It decides nothing about builds.

A server's certificate is looked at first, in a bare handshake; only when the master knows its fingerprint is the token
that belongs to it sent, over a connection that is held to that same fingerprint.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

import requests

from d8.errors import D8Error, Refused, SlaveUnreachable, TokenRefused
from d8.fleet.answers import Json, NotUnderstood, checked_health, document, joined, needed, optional
from d8.fleet.deadline import Clock, DeadlineAdapter
from d8.fleet.handshake import other_certificate, unreachable
from d8.fleet.names import Address
from d8.models import Credential, TokenScope

Found = TypeVar("Found")
READ_MARGIN_SECONDS = 15.0
CHUNK_BYTES = 64 * 1024
LONGEST_TEXT = 4000  # characters of what a refusal says, for screens, logs and the audit


class ProblemAnswer(D8Error):
    """The slave answered with an error (application/problem+json): its detail is the message, its hint the hint.

    `document` is the whole answer, `retry_after_seconds` what it says about when to come back.
    """

    def __init__(
        self,
        status: int,
        template: str,
        hint: str,
        document: Json | None = None,
        retry_after_seconds: float | None = None,
        **values: object,
    ) -> None:
        super().__init__(template, hint, **values)
        self.status = status
        self.document = document or {}
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True)
class Job:
    """One look at a job on the slave; the texts begin at the offsets that were asked for."""

    id: str
    state: str
    exit_code: int | None
    stdout: str
    next_offset: int
    stderr: str
    next_stderr_offset: int
    duration_seconds: float
    truncated: bool = False

    @property
    def is_running(self) -> bool:
        """Whether the job may still write."""
        return self.state == "running"


@dataclass(frozen=True)
class JobRequest:
    """A command for the slave. `stdin` is where secrets travel: it is never logged, on either side."""

    command: str
    timeout_seconds: float
    id: str
    stdin: str | None = field(default=None, repr=False)


class SlaveClient:
    """Calls to one server. Given its address and the credential that belongs to it (None: only open calls).

    Every call raises SlaveUnreachable for an answer that D8 does not give, that is too large or that takes too long.
    """

    def __init__(
        self,
        address: Address,
        credential: Credential | None,
        *,
        tls: bool,
        connect_timeout: float,
        clock: Clock = time.monotonic,
    ) -> None:
        self.address = address
        self.credential = credential
        self._base = f"{'https' if tls else 'http'}://{address.url}"
        self._connect_timeout = connect_timeout
        self._session = requests.Session()
        self._session.trust_env = False  # else REQUESTS_CA_BUNDLE and proxies come between us and the pin
        self._session.mount("http://", DeadlineAdapter(clock))
        self._session.mount("https://", DeadlineAdapter(clock))
        if tls and credential:
            self._session.verify = False  # replaced by the exact fingerprint below
            self._session.mount("https://", _PinnedAdapter(credential.fingerprint, clock))

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def health(self) -> Json:
        """Return the health answer, with the host facts that a token gives."""
        return self.read(200, checked_health, self.call("GET", "/api/health"))

    def system(self) -> Json:
        """Return the agent's facts about its host."""
        return self.call("GET", "/api/system")

    def start_job(self, request: JobRequest) -> None:
        """Given a command, start it as a job and return at once. The same id starts nothing twice."""
        body: Json = {"command": request.command, "timeout": request.timeout_seconds, "id": request.id, "wait": False}
        if request.stdin is not None:
            body["stdin"] = request.stdin
        self.call("POST", "/api/execute", json=body)

    def job(self, job_id: str, offset: int = 0, stderr_offset: int = 0, wait_seconds: float = 0) -> Job:
        """Given a job and what was read of it, return what is new; waits up to `wait_seconds` for news."""
        parameters = {"offset": offset, "stderr_offset": stderr_offset, "wait": wait_seconds}
        answer = self.call("GET", f"/api/jobs/{job_id}", params=parameters, patience=wait_seconds)
        return self.read(200, _job, answer)

    def cancel_job(self, job_id: str) -> Job:
        """Given a job, end it and everything it started."""
        return self.read(200, _job, self.call("POST", f"/api/jobs/{job_id}/cancel"))

    def upload(self, name: str, content: bytes, patience: float = 600) -> str:
        """Given a file's name and content, store it in the slave's work folder; return its path there."""
        headers = {"Content-Type": "application/octet-stream", "X-Content-SHA256": hashlib.sha256(content).hexdigest()}
        answer = self.call("PUT", f"/api/files/{name}", data=content, headers=headers, patience=patience)
        return self.read(200, lambda found: needed(found, "path", str), answer)

    def enroll(self, body: Json) -> Json:
        """Given an agent's own certificate, key and token hash, hand them over."""
        return self.call("POST", "/api/agent/enroll", json=body)

    def set_webhook(self, secret: str | None, is_plain: bool) -> Json:
        """Given the webhook's secret (None turns it off) and whether orders may carry it, put them in force."""
        return self.call("PUT", "/api/agent/webhook", json={"secret": secret, "plain": is_plain})

    def confirm(self) -> Json:
        """Confirm the handover: the old token dies, nothing is rolled back any more."""
        return self.call("POST", "/api/agent/confirm", json={})

    def grant(self, name: str, scope: TokenScope, token_sha256: str) -> Json:
        """Given a name, a scope and the hash of a token, let whoever has the token in."""
        body = {"scope": scope.value, "token_sha256": token_sha256}
        return self.call("PUT", f"/api/agent/tokens/{quote(name, safe='')}", json=body)

    def granted(self) -> list[Json]:
        """Return what is granted: name, scope and moment of each token."""
        return self.read(
            200,
            lambda found: [_granted(one) for one in needed(found, "tokens", list)],
            self.call("GET", "/api/agent/tokens"),
        )

    def revoke_token(self, name: str) -> bool:
        """Given a granted token's name, let nobody in with it; return whether there was one."""
        return bool(self.call("DELETE", f"/api/agent/tokens/{quote(name, safe='')}", json={}).get("revoked"))

    def revoke(self) -> Json:
        """Let nobody in any more, this client included."""
        return self.call("POST", "/api/agent/revoke", json={})

    def audit(self, limit: int) -> list[Json]:
        """Return the newest entries of the slave's audit log, oldest first."""
        answer = self.call("GET", "/api/audit", params={"limit": limit})
        return self.read(200, lambda found: [_deed(one) for one in needed(found, "entries", list)], answer)

    def replace_rescue(self, order: str) -> Json:
        """Given an order that the fleet has signed, give the bootstrap that stands by another token."""
        return self.call("POST", "/api/agent/rescue", patience=60, json={"order": order})

    def return_to_bootstrap(self) -> Json:
        """Ask the agent to hand the port back to the bootstrap, so that it can be built again."""
        return self.call("POST", "/api/agent/bootstrap", json={})

    def uninstall(self) -> Json:
        """Ask the agent to remove itself from the slave."""
        return self.call("POST", "/api/agent/uninstall", json={})

    def call(self, method: str, path: str, patience: float = 0, **options: Any) -> Json:
        """Given a method, a path, the seconds that the work may take and requests' own options, return the answer.

        Raises ProblemAnswer or Refused for an answer that is an error.
        """
        headers = dict(options.pop("headers", {}))
        if self.credential:
            headers["Authorization"] = b"Bearer " + self.credential.token.encode()
        timeout = (self._connect_timeout, self._connect_timeout + READ_MARGIN_SECONDS + patience)
        try:
            with self._session.request(
                method,
                self._base + path,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
                stream=True,
                **options,
            ) as response:
                status, retry_after = response.status_code, response.headers.get("Retry-After")
                answer = self.read(status, lambda chunks: document(joined(chunks)), response.iter_content(CHUNK_BYTES))
        except requests.exceptions.SSLError as error:
            raise other_certificate(self.address) from error
        except requests.exceptions.RequestException as error:
            raise unreachable(self.address, error) from error
        if not response.ok:
            raise problem_of(status, answer, self.address, retry_after)
        return answer

    def read(self, status: int, read: Callable[[Any], Found], answer: Any) -> Found:
        """Given an answer and who understands it, return what it says. Raises SlaveUnreachable if it is not D8's."""
        try:
            return read(answer)
        except NotUnderstood as error:
            raise SlaveUnreachable(
                "{address} answered with something that is not D8's (HTTP {status})",
                "Another program holds this port on the slave.",
                address=self.address,
                status=status,
            ) from error


class _PinnedAdapter(DeadlineAdapter):
    """Connections that end unless the server presents the certificate with this fingerprint."""

    def __init__(self, fingerprint: str, clock: Clock) -> None:
        self._fingerprint = fingerprint
        super().__init__(clock)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(
            *arguments, **options, assert_fingerprint=self._fingerprint, assert_hostname=False, cert_reqs="CERT_NONE"
        )

    def cert_verify(self, *_arguments: Any, **_options: Any) -> None:
        """The pool is set up for the fingerprint already; there is no bundle to load."""


def problem_of(status: int, body: Json, address: Address, retry_after: str | None = None) -> D8Error:
    """Given an error answer (application/problem+json), return the error for the operator. Pure."""
    detail = str(body.get("detail") or body.get("title") or f"HTTP {status}")[:LONGEST_TEXT]
    hint = str(body.get("hint") or "")[:LONGEST_TEXT]
    if status in (401, 403):
        kind = TokenRefused if status == 401 else Refused
        return kind("{address} refused: {detail}", "{said}", address=address, detail=detail, said=hint)
    seconds = float(retry_after) if retry_after and retry_after.isdecimal() and len(retry_after) < 6 else None
    return ProblemAnswer(
        status, "{address}: {detail}", "{said}", body, seconds, address=address, detail=detail, said=hint
    )


def _granted(answer: object) -> Json:
    """Given what was said of a granted token, return it. Raises NotUnderstood."""
    if not isinstance(answer, dict):
        raise NotUnderstood
    return {name: needed(answer, name, str) for name in ("name", "scope", "created")}


def _deed(answer: object) -> Json:
    """Given an entry of an audit log, return it. Raises NotUnderstood."""
    if not isinstance(answer, dict):
        raise NotUnderstood
    texts = {name: needed(answer, name, str) for name in ("time", "who", "address", "what")}
    return {"id": needed(answer, "id", int), **texts, "status": needed(answer, "status", int)}


def _job(answer: Json) -> Job:
    """Given the answer about a job, return it. Raises NotUnderstood."""
    return Job(
        id=needed(answer, "id", str),
        state=needed(answer, "state", str),
        exit_code=optional(answer, "exit_code", int),
        stdout=optional(answer, "stdout", str) or "",
        next_offset=optional(answer, "next_offset", int) or 0,
        stderr=optional(answer, "stderr", str) or "",
        next_stderr_offset=optional(answer, "next_stderr_offset", int) or 0,
        duration_seconds=optional(answer, "duration_seconds", float) or 0.0,
        truncated=bool(answer.get("truncated")),
    )
