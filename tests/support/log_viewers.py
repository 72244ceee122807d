"""Many viewers of one log in a process of their own: what each got, as JSON on standard output.

    python -m tests.support.log_viewers URI COUNT SECONDS STALLED < token

The first STALLED viewers stop reading after their first frame, and read on when the seconds are over. Lines carry
`seq=N`; the last healthy viewers compare every number, the others only count.
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
from dataclasses import asdict, dataclass, field
from urllib.parse import urlsplit

EXACT_VIEWERS = 3
SMALL_BUFFER = 32 * 1024
LONGEST_REST_SECONDS = 20.0
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
        self.entries += text.count(b'{"type":"entry"')
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


async def watch(uri: str, token: str, seen: Seen, until: float) -> None:
    """View until the moment (time.monotonic()); a stalled one then takes what is left for it."""
    reader, writer = await open_socket(uri, token, SMALL_BUFFER if seen.is_stalled else None)
    try:
        while (left := until - time.monotonic()) > 0:
            async with asyncio.timeout(left):
                seen.take(await read_frame(reader, writer))
            if seen.is_stalled:
                await asyncio.sleep(until - time.monotonic())
    except TimeoutError:
        pass
    if seen.is_stalled:
        await take_the_rest(reader, writer, seen)
    writer.close()


async def take_the_rest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen) -> None:
    """Read on until the viewer has been told what it missed."""
    async with asyncio.timeout(LONGEST_REST_SECONDS):
        while not seen.skipped:
            seen.take(await read_frame(reader, writer))


async def open_socket(
    uri: str, token: str, receive_buffer: int | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(uri)
    raw = socket.socket()
    if receive_buffer:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, (parts.hostname, parts.port))
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(
        sock=raw,
        ssl=context if parts.scheme == "wss" else None,
        server_hostname=parts.hostname if parts.scheme == "wss" else None,
        limit=2**16,
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


async def main(uri: str, count: int, seconds: float, stalled: int, token: str) -> list[Seen]:
    all_seen = [Seen(number < stalled, number >= count - EXACT_VIEWERS or number < stalled) for number in range(count)]
    until = time.monotonic() + seconds
    outcomes = await asyncio.gather(*(watch(uri, token, seen, until) for seen in all_seen), return_exceptions=True)
    for seen, outcome in zip(all_seen, outcomes, strict=True):
        if isinstance(outcome, BaseException):
            seen.error = repr(outcome)
    return all_seen


if __name__ == "__main__":
    found = asyncio.run(
        main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]), sys.stdin.readline().strip())
    )
    print(json.dumps([asdict(seen) for seen in found]))
