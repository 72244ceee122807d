"""Many viewers of one log in a process of their own: what each got, as JSON on standard output.

    python -m tests.support.log_viewers URI COUNT STALLED LAST SECONDS

Reads the token from standard input, says "ready" when all are connected, and ends its viewing when every healthy
viewer has seen the line `seq=LAST` (or the seconds are over). The first STALLED viewers have no query, so that they
get the past too, and stop reading after their first frame, for less time than the agent waits for a sign of life; then
they read on until they have been told what they missed. Then it says "done", and stays connected until another line
comes in. The last healthy viewers compare every number, the others only count.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import socket
import ssl
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from urllib.parse import urlsplit

EXACT_VIEWERS = 3
SMALL_BUFFER = 32 * 1024
STALL_SECONDS = 25.0
_SKIPPED = re.compile(rb'"type":"skipped","count":([0-9]+)')
_SEQUENCE = re.compile(rb'"message":"seq=([0-9]+)')


@dataclass
class Seen:
    """What one viewer got."""

    is_stalled: bool
    is_exact: bool
    entries: int = 0
    skipped: int = 0
    frames: int = 0
    text_bytes: int = 0
    first: int | None = None
    last: int | None = None
    gaps: int = 0
    backwards: int = 0
    closest_frames_seconds: float = 9e9
    error: str = ""
    _arrived: float = field(default=0.0, repr=False)

    def take(self, text: bytes) -> None:
        now = time.monotonic()
        self.closest_frames_seconds = min(self.closest_frames_seconds, now - self._arrived)
        self._arrived = now
        self.frames += 1
        self.text_bytes += len(text)
        self.entries += text.count(b'"message":"seq=')
        if b'"skipped"' in text[:100]:
            self.skipped += sum(map(int, _SKIPPED.findall(text[:100])))
        if not self.is_exact and self.first is not None:
            return
        for number in map(int, _SEQUENCE.findall(text)):
            self.first = number if self.first is None else self.first
            if self.last is not None:
                self.gaps += max(0, number - self.last - 1)
                self.backwards += number <= self.last
            self.last = number


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def watch(connection: Connection, seen: Seen, last: int) -> None:
    """View until the last line has come."""
    end = b'"message":"seq=%d ' % last
    while True:
        text = await read_frame(*connection)
        seen.take(text)
        if end in text:
            return


async def catch_up(connection: Connection, seen: Seen, last: int) -> None:
    """Do not read for a while, then read on until the viewer has been told what it missed; on a machine so slow that it
    missed nothing, until the last line.
    """
    await asyncio.sleep(STALL_SECONDS)
    while not seen.skipped and seen.last != last:
        seen.take(await read_frame(*connection))


async def open_socket(uri: str, token: str, receive_buffer: int | None) -> Connection:
    parts = urlsplit(uri)
    raw = socket.socket()
    if receive_buffer:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, (parts.hostname, parts.port))
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    is_tls = parts.scheme == "wss"
    reader, writer = await asyncio.open_connection(
        sock=raw, ssl=context if is_tls else None, server_hostname=parts.hostname if is_tls else None, limit=2**16
    )
    head = (
        f"GET {parts.path}?{parts.query} HTTP/1.1",
        f"Host: {parts.hostname}:{parts.port}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        f"Authorization: Bearer {token}",
    )
    writer.write(("\r\n".join(head) + "\r\n\r\n").encode())
    status = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n", 1)[0]
    if b" 101 " not in status:
        raise ConnectionError(status.decode())
    return reader, writer


async def read_frame(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """The next text frame; pings are answered on the way."""
    while True:
        first, length = await reader.readexactly(2)
        if length == 126:
            length = int.from_bytes(await reader.readexactly(2), "big")
        elif length == 127:
            length = int.from_bytes(await reader.readexactly(8), "big")
        payload = await reader.readexactly(length)
        if first == 0x81:
            return payload
        if first == 0x89:
            writer.write(bytes((0x8A, 0x80 | length, 0, 0, 0, 0)) + payload)
        else:
            raise ConnectionError(f"frame {first:#x}: {payload[2:]!r}")


async def collect(uri: str, count: int, stalled: int, last: int, seconds: float) -> list[Seen]:
    loop = asyncio.get_running_loop()
    token = (await loop.run_in_executor(None, sys.stdin.readline)).strip()
    viewers = []
    for number in range(count):
        seen = Seen(number < stalled, is_exact=number < stalled or number >= count - EXACT_VIEWERS)
        if seen.is_stalled:
            viewers.append((await open_socket(uri.partition("?")[0], token, SMALL_BUFFER), seen))
        else:
            viewers.append((await open_socket(uri, token, None), seen))
    say("ready")
    for connection, seen in viewers[:stalled]:
        seen.take(await read_frame(*connection))
    await asyncio.gather(
        all_of(viewers[stalled:], seconds, lambda connection, seen: watch(connection, seen, last)),
        all_of(viewers[:stalled], seconds, lambda connection, seen: catch_up(connection, seen, last)),
    )
    say("done")
    await loop.run_in_executor(None, sys.stdin.readline)
    for (_, writer), _ in viewers:
        writer.transport.abort()
    return [seen for _, seen in viewers]


async def all_of(
    viewers: list[tuple[Connection, Seen]], seconds: float, act: Callable[[Connection, Seen], Awaitable[None]]
) -> None:
    """Let all of them act at the same time; what went wrong with one is noted."""

    async def one(connection: Connection, seen: Seen) -> None:
        try:
            async with asyncio.timeout(seconds):
                await act(connection, seen)
        except (OSError, EOFError) as error:  # TimeoutError is one
            seen.error = repr(error)

    await asyncio.gather(*(one(*viewer) for viewer in viewers))


def say(word: str) -> None:
    print(word, flush=True)


if __name__ == "__main__":
    _, address, *numbers = sys.argv
    found = asyncio.run(collect(address, *map(int, numbers)))
    print(json.dumps([asdict(seen) for seen in found]))
