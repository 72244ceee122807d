"""WS /logs/NAME: an app's log as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from slave_agent.api.log_forms import stream_request
from slave_agent.api.socket import Socket
from slave_agent.logs.hub import LogHub
from slave_agent.logs.viewer import Viewer
from slave_agent.models import Credential

LOOK_SECONDS = 2.0


class LogStream:
    """Given the hub of all streams, and whose tokens are accepted now: a stream ends with the token that opened it."""

    def __init__(self, hub: LogHub, accepted: Callable[[], Iterable[Credential]]) -> None:
        self._hub = hub
        self._accepted = accepted

    async def serve(self, client: Socket) -> None:
        """Send frames until the log ends or the client has gone. Refused before it is accepted: no such app 404, a
        wrong query 422, too many viewers 429.
        """
        name = self._hub.known(client.path_values["name"])
        request = stream_request(client.query, datetime.now(UTC))
        async with self._hub.watch(name, request) as viewer:
            await client.accept()
            sending = asyncio.create_task(_send(client, viewer))
            gone = asyncio.create_task(client.until_gone())
            revoked = asyncio.create_task(self._until_revoked(client))
            try:
                await asyncio.wait((sending, gone, revoked), return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (sending, gone, revoked):
                    task.cancel()
                await asyncio.gather(sending, gone, revoked, return_exceptions=True)

    async def _until_revoked(self, client: Socket) -> None:
        used = client.credential.token_sha256 if client.credential is not None else None
        while any(credential.token_sha256 == used for credential in self._accepted()):
            await asyncio.sleep(LOOK_SECONDS)


async def _send(client: Socket, viewer: Viewer) -> None:
    async for frame in viewer.frames():
        await client.send(frame)
    await client.close()
