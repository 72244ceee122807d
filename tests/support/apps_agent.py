"""An agent with apps and nothing else: the HTTP shapes of apps and the stream of logs, on a real port of loopback.

It keeps apps in memory and says what a test put into `answers` and `streams`. Real are TLS, HTTP and WebSocket.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from d8.fleet.registry import Registry
from d8.models import Credential, CredentialKind, Slave
from tests.support.agent_process import free_port
from tests.support.fakes import COMMIT, make_slave
from tests.support.pki import CertificateAuthority

TOKEN = "the-token-of-the-agent-with-apps"
NOW = "2026-11-22T10:00:00.000000Z"
Document = dict[str, Any]


def app_document(name: str, **fields: object) -> Document:
    """The AppStatus of an app that runs."""
    document = {
        "name": name,
        "kind": "fastapi",
        "user": "pi",
        "unit": f"d8-app-{name}.service",
        "status": "running",
        "state": "active",
        "sub_state": "running",
        "pid": 4711,
        "cpu_percent": 1.5,
        "memory_bytes": 44 * 1024**2,
        "restarts": 0,
        "since": NOW,
        "enabled": True,
        "exit_code": None,
        "signal": None,
        "result": "success",
        "port": 8000,
        "problem": None,
    }
    return document | fields


def entry(number: int, message: str = "", priority: int = 6) -> Document:
    """An entry of a journal; its cursor is its number."""
    text = message or f"line {number}"
    time = f"2026-11-22T10:00:{number % 60:02}.000000Z"
    return {"type": "entry", "cursor": f"c{number}", "time": time, "priority": priority, "message": text, "pid": 7}


@dataclass
class Stream:
    """One WebSocket's life: the frames that are sent, and whether it then stays open, is closed or is cut."""

    frames: list[list[Document]]
    ending: str = "open"  # or "close", "cut"


@dataclass(frozen=True)
class Request:
    """What was asked."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    authorization: str


@dataclass
class AppsAgent:
    """The ASGI application. `answers` go before everything else: (method, path) → [(status, document, headers), …]."""

    apps: dict[str, Document] = field(default_factory=dict)
    answers: dict[tuple[str, str], list[tuple[int, Document, dict[str, str]]]] = field(default_factory=dict)
    streams: list[Stream] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    entries: list[Document] = field(default_factory=list)
    permissions: list[Document] = field(default_factory=list)

    def asked(self, path: str) -> list[Request]:
        """Everything that was asked of a path."""
        return [request for request in self.requests if request.path == path]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        query = dict(parse_qsl(scope["query_string"].decode()))
        method = scope.get("method", "WS")
        body = json.loads(await _body(receive) or b"null") if scope["type"] == "http" else None
        request = Request(method, scope["path"], query, body, headers.get("authorization", ""))
        self.requests.append(request)
        if scope["type"] == "websocket":
            await self._stream(request, receive, send)
            return
        status, document, extra = self._answer(request)
        lines = [(b"content-type", b"application/json"), *((k.encode(), v.encode()) for k, v in extra.items())]
        await send({"type": "http.response.start", "status": status, "headers": lines})
        await send({"type": "http.response.body", "body": json.dumps(document).encode()})

    def _answer(self, request: Request) -> tuple[int, Document, dict[str, str]]:
        if scripted := self.answers.get((request.method, request.path)):
            return scripted.pop(0)
        words = request.path.strip("/").split("/")
        if request.path == "/api/health":
            return 200, {"mode": "agent", "commit": COMMIT, "host": {"machine_id": "a" * 32}}, {}
        if request.path == "/api/agent/uninstall":
            return 202, {"uninstalling": True}, {}
        if request.path == "/api/permissions":
            return 200, {"scope": "system", "ok": True, "permissions": self.permissions}, {}
        if request.path == "/api/apps":
            return 200, {"apps": list(self.apps.values())}, {}
        if request.path == "/api/apps/register":
            app = app_document(request.body["name"], kind=request.body["kind"], user=request.body["user"])
            self.apps[app["name"]] = app
            return 201, app, {}
        app = self.apps.get(words[2], {}) if len(words) > 2 else {}
        if not app:
            return problem(404, f"no app is called {words[-1]!r}")
        return self._about(app, request, words[3] if len(words) > 3 else "")

    def _about(self, app: Document, request: Request, word: str) -> tuple[int, Document, dict[str, str]]:
        if request.method == "DELETE":
            del self.apps[app["name"]]
            return 200, {"removed": app["name"]}, {}
        if request.method == "PATCH":
            changes = [{"field": name, "before": None, "after": value} for name, value in request.body.items()]
            return 200, {"app": app, "changes": changes, "restarted": False, "needs_restart": True}, {}
        if word == "logs":
            return 200, {"entries": self.entries, "next_cursor": None}, {}
        if word == "status":
            return 200, app | {"log": ["one", "two"]}, {}
        if request.method == "POST":
            app["status"] = {"stop": "stopped"}.get(word, app["status"])
            return 200, app, {}
        config = {"script": "main:app", "working_dir": "/home/pi/shop"}
        return 200, {"app": app, "config": config, "environment_names": ["SECRET_KEY"], "exposure": 2.6}, {}

    async def _stream(self, request: Request, receive: Any, send: Any) -> None:
        await receive()
        if request.path.rpartition("/")[2] not in self.apps:
            head = {"type": "websocket.http.response.start", "status": 404, "headers": []}
            await send(head)
            await send(
                {"type": "websocket.http.response.body", "body": json.dumps(problem(404, "no such app")[1]).encode()}
            )
            return
        stream = self.streams.pop(0) if self.streams else Stream([])
        await send({"type": "websocket.accept"})
        for frame in stream.frames:
            await send({"type": "websocket.send", "text": json.dumps(frame)})
        if stream.ending == "close":
            await send({"type": "websocket.close", "code": 1012, "reason": "the agent restarts"})
        elif stream.ending == "cut":
            raise RuntimeError("the connection is cut")
        else:
            await receive()


def problem(status: int, detail: str, **members: object) -> tuple[int, Document, dict[str, str]]:
    """An answer with an error."""
    return status, {"title": "no", "status": status, "detail": detail, "hint": "Mend it.", **members}, {}


@dataclass(frozen=True)
class Running:
    """An agent that answers, the slave that a master would know, and how to stop it."""

    agent: AppsAgent
    slave: Slave
    fingerprint: str
    port: int


@contextmanager
def running_apps_agent(folder: Path, registry: Registry | None = None, port: int = 0) -> Iterator[Running]:
    """Given a folder for its key pair and the registry that shall know it, serve until the block ends."""
    pair = CertificateAuthority().issue()
    certificate, key = folder / "agent.pem", folder / "agent.key"
    certificate.write_text(pair.certificate)
    key.write_text(pair.private_key)
    agent, port = AppsAgent(), port or free_port()
    opened: list[Any] = []

    class Protocol(H11Protocol):
        def connection_made(self, transport: Any) -> None:
            opened.append(transport)
            super().connection_made(transport)

    server = uvicorn.Server(
        uvicorn.Config(
            agent,
            host="127.0.0.1",
            port=port,
            ssl_certfile=str(certificate),
            ssl_keyfile=str(key),
            log_level="critical",
            lifespan="off",
            http=Protocol,
            ws="websockets-sansio",
            timeout_graceful_shutdown=1,
        )
    )
    thread = threading.Thread(target=lambda: asyncio.run(_serve(server, opened)))
    thread.start()
    try:
        deadline = time.monotonic() + 30
        while not server.started:
            assert time.monotonic() < deadline and thread.is_alive(), "it never began"
            time.sleep(0.01)
        slave = make_slave("127.0.0.1", port)
        if registry:
            registry.save_slave(slave)
            known = Credential(CredentialKind.AGENT, pair.fingerprint, TOKEN, slave.slave_id)
            registry.save_credential(known, slave.registered)
        yield Running(agent, slave, pair.fingerprint, port)
    finally:
        server.should_exit = True
        thread.join()


async def _serve(server: uvicorn.Server, opened: list[Any]) -> None:
    """Serve, then end every connection: a client that has gone never says goodbye to TLS."""
    await server.serve()
    for transport in opened:
        transport.abort()
    for _ in range(3):  # the loop closes the sockets in its next rounds
        await asyncio.sleep(0)


async def _body(receive: Any) -> bytes:
    body: bytes = b""
    while True:
        part = await receive()
        body += part.get("body", b"")
        if not part.get("more_body"):
            return body
