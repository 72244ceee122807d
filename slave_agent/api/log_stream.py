"""WS /logs/NAME: an app's log as it comes."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from datetime import UTC, datetime

from slave_agent.api.log_forms import stream_request
from slave_agent.api.socket import Socket
from slave_agent.logs import items
from slave_agent.logs.frames import array
from slave_agent.logs.hub import LogHub
from slave_agent.logs.viewer import Viewer

LOOK_SECONDS = 2.0
GOODBYE_SECONDS = 1.0


class LogStream:
    """Given the hub of all streams. A stream ends with the token or the session that opened it."""

    def __init__(self, hub: LogHub) -> None:
        self._hub = hub

    async def serve(self, client: Socket) -> None:
        """Send frames until the log ends or the client has gone. Refused before it is accepted: no such app 404, a
        wrong query 422, too many viewers 429.
        """
        name = self._hub.known(client.path_values["name"])
        request = stream_request(client.query, datetime.now(UTC))
        owner = client.credential.token_sha256 if client.credential is not None else ""
        async with self._hub.watch(name, request, owner) as viewer:
            await client.accept()
            sending = asyncio.create_task(_send(client, viewer))
            gone = asyncio.create_task(client.until_gone())
            revoked = asyncio.create_task(_until_shut_out(client))
            try:
                await asyncio.wait((sending, gone, revoked), return_when=asyncio.FIRST_COMPLETED)
            finally:
                is_shut_out = revoked.done() and not gone.done()
                for task in (sending, gone, revoked):
                    task.cancel()
                await asyncio.gather(sending, gone, revoked, return_exceptions=True)
            if is_shut_out:
                await _say_goodbye(client)


async def _until_shut_out(client: Socket) -> None:
    while client.is_let_in():
        await asyncio.sleep(LOOK_SECONDS)


async def _say_goodbye(client: Socket) -> None:
    """Tell whoever still reads why nothing more comes."""
    with suppress(TimeoutError):
        async with asyncio.timeout(GOODBYE_SECONDS):
            await client.send(array([items.end("the token or the session that opened this stream is no longer valid")]))
            await client.close()


async def _send(client: Socket, viewer: Viewer) -> None:
    async with aclosing(viewer.frames()) as frames:
        async for frame in frames:
            await client.send(frame)
    await client.close()
