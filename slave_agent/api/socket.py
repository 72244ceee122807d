"""One WebSocket over ASGI: refused with a whole HTTP answer before it is accepted, else sent to until its client is
gone. No route and no rule is known here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slave_agent.api.exchange import Incoming
from slave_agent.api.problems import Reply
from slave_agent.routes import WEBSOCKET

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, WebSocketScope


SWITCHING = 101
NORMAL = 1000


class Socket(Incoming):
    """Given the three things that ASGI hands over. What the client sends is read and thrown away."""

    def __init__(self, scope: WebSocketScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        super().__init__(scope, WEBSOCKET)
        self._receive = receive
        self._send = send

    async def refuse(self, reply: Reply) -> None:
        """Answer the request for a WebSocket as an ordinary one."""
        self.answer_with(reply.status)
        self.sent_bytes = len(reply.body)
        pairs = [
            (name.lower().encode("latin-1"), value.encode("latin-1", "replace"))
            for name, value in reply.headers.items()
        ]
        await self._send({"type": "websocket.http.response.start", "status": reply.status, "headers": pairs})
        await self._send({"type": "websocket.http.response.body", "body": reply.body, "more_body": False})

    async def accept(self) -> None:
        """Make it a WebSocket."""
        self.answer_with(SWITCHING)
        await self._send({"type": "websocket.accept", "subprotocol": None, "headers": ()})

    async def send(self, text: str) -> None:
        """Send a text frame; wait while the client does not read."""
        self.sent_bytes += len(text)
        await self._send({"type": "websocket.send", "text": text})

    async def close(self, reason: str = "") -> None:
        """Say that nothing more comes. The reason is cut to what a close frame holds."""
        short = reason.encode()[:120].decode("utf-8", "ignore")
        await self._send({"type": "websocket.close", "code": NORMAL, "reason": short})

    async def until_gone(self) -> None:
        """Return when the client has closed the connection."""
        while (await self._receive())["type"] != "websocket.disconnect":
            pass
