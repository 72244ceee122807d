"""HTTP/1.1 as bytes: reads a request's head within limits, writes a reply. Knows nothing of paths or tokens."""

from __future__ import annotations

import io
import json
import re
import socket
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, BinaryIO, Mapping, Sequence
from urllib.parse import parse_qsl, urlsplit

from slave_agent.bootstrap.errors import BadRequest, BootstrapError, HeadersTooLarge, LengthRequired

LARGEST_HEAD_BYTES = 32 * 1024
MOST_HEADERS = 64
REQUEST_LINE = re.compile(rb"([A-Z]{1,16}) ([!-~]{1,4096}) HTTP/1\.([01])\Z")
HEADER_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\0\r\n]*)\Z")
SLOWEST_BYTES_PER_SECOND = 1024
LONGEST_PAUSE_SECONDS = 60.0
SEND_BYTES = 65536


class DeadlineStream(io.RawIOBase):
    """Reads from a socket until a moment in time: a client that drips bytes gains nothing by it."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__()
        self._connection = connection
        self.deadline = float("inf")

    def readable(self) -> bool:
        """Part of io.RawIOBase."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Part of io.RawIOBase. Raises TimeoutError at the deadline, or after a minute without a byte."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the request took too long")
        self._connection.settimeout(min(left, LONGEST_PAUSE_SECONDS))
        return self._connection.recv_into(buffer)


def send_until(connection: socket.socket, data: bytes, deadline: float) -> None:
    """Send all of `data` before `deadline` (monotonic). Raises OSError where the client does not take it in time."""
    rest = memoryview(data)
    while rest:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the client reads too slowly")
        connection.settimeout(min(left, LONGEST_PAUSE_SECONDS))
        rest = rest[connection.send(rest[:SEND_BYTES]) :]


def body_seconds(length: int) -> float:
    """Return how long a body of `length` bytes may take."""
    return LONGEST_PAUSE_SECONDS + length / SLOWEST_BYTES_PER_SECOND


@dataclass(frozen=True)
class Head:
    """A request without its body. Header names are lower case, values latin-1 text as they came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, Sequence[str]] = field(repr=False)
    is_persistent: bool = True

    def header(self, name: str) -> str | None:
        """Return a header that may come once, or None. Raises BadRequest when it came more often."""
        values = self.headers.get(name, ())
        if len(values) > 1:
            raise BadRequest(f"The header {name} came more than once.")
        return values[0] if values else None

    def content_length(self) -> int | None:
        """Return the announced length of the body, or None. Raises BadRequest or LengthRequired."""
        if "transfer-encoding" in self.headers:
            raise LengthRequired("The body comes without a length.", "Send Content-Length instead of chunks.")
        text = self.header("content-length")
        if text is None:
            return None
        if not re.match(r"[0-9]{1,18}\Z", text.strip()):
            raise BadRequest("Content-Length is not a number.")
        return int(text)


def read_head(stream: BinaryIO) -> Head | None:
    """Read a request up to the empty line. None where the client has closed instead.

    Raises BadRequest for anything but HTTP/1.x, HeadersTooLarge beyond 32 KiB or 64 headers.
    """
    budget = LARGEST_HEAD_BYTES
    lines: list[bytes] = []
    while True:
        line = stream.readline(budget + 1)
        budget -= len(line)
        if budget < 0 or len(lines) > MOST_HEADERS + 1:
            raise HeadersTooLarge("The headers are too large.", "At most 64 headers and 32 KiB.")
        if not line.endswith(b"\n"):
            if lines or line:
                raise BadRequest("The request ends in the middle of its headers.")
            return None
        line = line.rstrip(b"\r\n")
        if line:
            lines.append(line)
        elif lines:
            return parse_head(lines)


def parse_head(lines: Sequence[bytes]) -> Head:
    """Given the request line and the header lines, return the head. Raises BadRequest."""
    match = REQUEST_LINE.match(lines[0])
    if match is None:
        raise BadRequest("That is not an HTTP/1.1 request.")
    method, target, minor = (part.decode("ascii") for part in match.groups())
    headers: dict[str, list[str]] = {}
    for line in lines[1:]:
        pair = HEADER_LINE.match(line)
        if pair is None:
            raise BadRequest("A header line can't be read.")
        headers.setdefault(pair.group(1).decode("ascii").lower(), []).append(pair.group(2).decode("latin-1"))
    try:
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query, keep_blank_values=True, max_num_fields=32))
    except ValueError as problem:
        raise BadRequest("The address of the request can't be read.") from problem
    connection = ",".join(headers.get("connection", [])).lower()
    is_persistent = "close" not in connection and (minor == "1" or "keep-alive" in connection)
    return Head(method, parts.path, query, headers, is_persistent)


@dataclass(frozen=True)
class Reply:
    """A status and the JSON document that goes with it."""

    status: int
    document: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


def problem_reply(problem: BootstrapError, headers: Mapping[str, str]) -> Reply:
    """Return an error as application/problem+json (RFC 9457) with a hint for the operator."""
    document = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.message,
        "hint": problem.hint,
    }
    return Reply(problem.status, document, headers, "application/problem+json")


def reply_bytes(reply: Reply, is_persistent: bool) -> bytes:
    """Return the whole reply as it goes over the wire."""
    body = json.dumps(reply.document, ensure_ascii=False).encode("utf-8", "replace")
    headers = {
        "Content-Type": reply.content_type,
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        "Connection": "keep-alive" if is_persistent else "close",
        **reply.headers,
    }
    lines = [f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def plain_http_reply(request: bytes, port: int) -> bytes:
    """Given plain HTTP that came to the TLS port, return a 400 that names the https address."""
    host = re.search(rb"\r\nhost:[ \t]*([A-Za-z0-9.\[\]:_-]{1,255})[ \t]*\r\n", request, re.IGNORECASE)
    name = host.group(1).decode("ascii") if host else f"ADDRESS:{port}"
    text = f"This port speaks TLS. Use https://{name}/ instead of http://.\n"
    body = text.encode("ascii")
    lines = [
        "HTTP/1.1 400 Bad Request",
        "Content-Type: text/plain",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body
