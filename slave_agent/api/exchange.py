"""One request and its reply over ASGI: headers, bodies with limits and deadlines, replies. No route and no rule is
known here.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from slave_agent.api.problems import Reply
from slave_agent.errors import HttpProblem

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, HTTPScope, WebSocketScope

    from slave_agent.models import Credential
    from slave_agent.states import Right

BODY_SECONDS = 30.0
CHUNK_SECONDS = 30.0
_DRAIN_BYTES = 16 * 1024 * 1024
_DRAIN_SECONDS = 5.0


class ClientGone(Exception):
    """The client closed the connection before its request was complete: nobody is left to answer."""


class CutOff(ClientGone):
    """The client reads its answer so slowly that others needed the room: the connection is cut."""


class Incoming:
    """What a request over HTTP and one for a WebSocket have in common: who asks for what, with which headers."""

    def __init__(self, scope: HTTPScope | WebSocketScope, method: str) -> None:
        self.method = method
        self.path = scope["path"]
        self.address = (scope["client"] or ("unknown", 0))[0].removeprefix("::ffff:")  # IPv4, on a socket for both
        self.all_headers = tuple(scope["headers"])
        self.query = scope["query_string"].decode("latin-1")
        self.scheme = scope["scheme"].replace("ws", "http")
        self.path_values: Mapping[str, str] = {}
        self.credential: Credential | None = None
        self.right: Right | None = None
        self.is_let_in: Callable[[], bool] = lambda: True  # whether what opened it still would
        self.status = 0
        self.sent_bytes = 0
        self.on_answer: Callable[[], None] = lambda: None

    def answer_with(self, status: int) -> None:
        """Settle the status of the answer, before any of it is sent: who keeps books writes in the order of answers."""
        self.status = status
        self.on_answer()

    def headers(self, name: str) -> list[bytes]:
        """Every value of a header, as the bytes that were sent."""
        wanted = name.lower().encode()
        return [value for key, value in self.all_headers if key == wanted]

    def header(self, name: str) -> str:
        """The only value of a header as text; empty where it is missing. Raises HttpProblem 400 if it stands there
        twice.
        """
        values = self.headers(name)
        if len(values) > 1:
            raise HttpProblem(400, f"the header {name} was sent {len(values)} times", "Send it once.")
        return values[0].decode("latin-1").strip() if values else ""


class Exchange(Incoming):
    """Given the three things that ASGI hands over, reads the request and sends one reply."""

    def __init__(self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        super().__init__(scope, scope["method"])
        self.scope = scope
        self._receive = receive
        self._send = send
        self._has_more = True

    @property
    def content_length(self) -> int | None:
        """The announced length of the body in bytes; None where it is sent in chunks, 0 where there is none."""
        if self.headers("transfer-encoding"):
            return None
        return int(self.header("content-length") or 0)  # h11 has checked that it is a number

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises HttpProblem 408 if nothing comes for 30 s, ClientGone if the client left."""
        while self._has_more:
            try:
                async with asyncio.timeout(CHUNK_SECONDS):
                    message = await self._receive()
            except TimeoutError as error:
                raise HttpProblem(408, f"no data for {CHUNK_SECONDS:.0f} s", "Send the request again.") from error
            if message["type"] != "http.request":
                raise ClientGone
            self._has_more = message.get("more_body", False)
            if message["body"]:
                yield message["body"]

    async def body(self, limit_bytes: int) -> bytes:
        """The whole body. Raises HttpProblem 413 if it is larger than the limit, 408 if it takes longer than 30 s."""
        too_large = HttpProblem(
            413, f"the body is larger than {limit_bytes} bytes", "Upload files with PUT /api/files/NAME."
        )
        if (self.content_length or 0) > limit_bytes:
            raise too_large
        received = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for chunk in self.chunks():
                    received += chunk
                    if len(received) > limit_bytes:
                        raise too_large
        except TimeoutError as error:
            raise HttpProblem(408, f"the body was not complete after {BODY_SECONDS:.0f} s", "Send it again.") from error
        return bytes(received)

    async def json(self, limit_bytes: int) -> Any:
        """The body as JSON. Raises HttpProblem: 413, 408, 415 for another Content-Type, 400 if it is not JSON."""
        refuse_other_content(self.header("content-type"))
        return parse_json(await self.body(limit_bytes))

    async def until_gone(self) -> None:
        """Return when the client has closed the connection. Only after the body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def send(self, reply: Reply) -> None:
        """Send the reply. A request whose body was not wanted is drained a little, so that its client gets to read
        the answer.
        """
        headers = dict(reply.headers)
        is_early = self._has_more and self.content_length != 0
        if is_early:
            headers["Connection"] = "close"
        await self.send_head(reply.status, headers | {"Content-Length": str(len(reply.body))})
        await self.send_body(reply.body, has_more=is_early)
        if is_early:
            await self._drain()
            await self.send_body(b"", has_more=False)

    async def send_head(self, status: int, headers: Mapping[str, str]) -> None:
        """Send status and headers."""
        self.answer_with(status)
        pairs = [
            (name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers.items()
        ]
        await self._send({"type": "http.response.start", "status": status, "headers": pairs, "trailers": False})

    async def send_body(self, body: bytes, has_more: bool) -> None:
        """Send a piece of the reply's body."""
        self.sent_bytes += len(body)
        await self._send({"type": "http.response.body", "body": body, "more_body": has_more})

    async def forward(self, message: ASGISendEvent) -> None:
        """Send what another application answers, counting along."""
        if message["type"] == "http.response.start":
            self.answer_with(message["status"])
        elif message["type"] == "http.response.body":
            self.sent_bytes += len(message.get("body", b""))
        await self._send(message)

    async def _drain(self) -> None:
        drained = 0
        with suppress(TimeoutError, ClientGone, HttpProblem):
            async with asyncio.timeout(_DRAIN_SECONDS):
                async for chunk in self.chunks():
                    drained += len(chunk)
                    if drained > _DRAIN_BYTES:
                        return


def refuse_other_content(content_type: str) -> None:
    """Given a Content-Type header, raise HttpProblem 415 unless it is JSON or missing: no HTML form can send either."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in ("", "application/json"):
        raise HttpProblem(415, f"the body is {kind}, not application/json", "Send 'Content-Type: application/json'.")


def parse_json(body: bytes) -> Any:
    """Given a body, return what it holds; an empty one is an empty object. Raises HttpProblem 400."""
    try:
        return json.loads(body) if body.strip() else {}
    except (ValueError, RecursionError) as error:
        raise HttpProblem(400, f"the body is not JSON: {error}", "Send one JSON object in UTF-8.") from error
