from __future__ import annotations

import io
import json

import pytest

from slave_agent.bootstrap.errors import BadRequest, BootstrapError, HeadersTooLarge, InvalidRequest, LengthRequired
from slave_agent.bootstrap.wire import Head, Reply, parse_head, plain_http_reply, problem_reply, read_head, reply_bytes


def head_of(text: bytes) -> Head | None:
    return read_head(io.BytesIO(text))


def test_a_request_is_read_to_its_empty_line() -> None:
    stream = io.BytesIO(b"\r\nGET /api/jobs/x?offset=1&wait= HTTP/1.1\r\nHost: a\r\nx-y:  z \r\n\r\nbody")
    head = read_head(stream)
    assert head is not None
    assert (head.method, head.path, head.query) == ("GET", "/api/jobs/x", {"offset": "1", "wait": ""})
    assert head.headers == {"host": ["a"], "x-y": ["z "]}
    assert stream.read() == b"body"


def test_a_client_that_says_nothing_is_no_request() -> None:
    assert head_of(b"") is None


def test_header_bytes_survive_as_latin_1() -> None:
    token = "Åñ漢\x85\x1c"
    head = head_of(b"GET / HTTP/1.1\r\nAuthorization: Bearer " + token.encode() + b"\r\n\r\n")
    assert head is not None
    assert head.headers["authorization"][0].encode("latin-1") == b"Bearer " + token.encode()


@pytest.mark.parametrize(
    "text",
    [
        b"GET /\r\n\r\n",
        b"get / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\n folded: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nA b: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: x\0y\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: x\ry\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: cut",
        b"GET //[ HTTP/1.1\r\n\r\n",
    ],
)
def test_anything_else_is_refused(text: bytes) -> None:
    with pytest.raises(BadRequest):
        head_of(text)


@pytest.mark.parametrize(
    "text",
    [b"GET / HTTP/1.1\r\nA: " + b"x" * 40_000, b"GET / HTTP/1.1\r\n" + b"A: x\r\n" * 100 + b"\r\n", b"\r\n" * 40_000],
)
def test_large_heads_are_refused(text: bytes) -> None:
    with pytest.raises(HeadersTooLarge):
        head_of(text)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([b"GET / HTTP/1.1"], True),
        ([b"GET / HTTP/1.1", b"Connection: Close"], False),
        ([b"GET / HTTP/1.0"], False),
        ([b"GET / HTTP/1.0", b"Connection: keep-alive"], True),
    ],
)
def test_who_keeps_the_connection(lines: list[bytes], expected: bool) -> None:
    assert parse_head(lines).is_persistent is expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], None),
        ([b"Content-Length: 5"], 5),
        ([b"Content-Length: 5", b"Content-Length: 5"], BadRequest),
        ([b"Content-Length: -5"], BadRequest),
        ([b"Content-Length: +5"], BadRequest),
        ([b"Content-Length: 5, 5"], BadRequest),
        ([b"Content-Length: \xb2"], BadRequest),
        ([b"Transfer-Encoding: chunked"], LengthRequired),
        ([b"Content-Length: 5", b"Transfer-Encoding: chunked"], LengthRequired),
    ],
)
def test_one_plain_length_or_none(headers: list[bytes], expected: object) -> None:
    head = parse_head([b"POST / HTTP/1.1", *headers])
    if isinstance(expected, type) and issubclass(expected, BootstrapError):
        with pytest.raises(expected):
            head.content_length()
    else:
        assert head.content_length() == expected


def test_replies_have_their_length_and_are_not_cached() -> None:
    head, _, body = reply_bytes(Reply(200, {"a": "ñ"}, {"Location": "/x"}), True).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 200 OK"
    assert b"Content-Length: %d" % len(body) in lines
    assert {b"Location: /x", b"Cache-Control: no-store", b"Connection: keep-alive"} <= set(lines)
    assert json.loads(body) == {"a": "ñ"}


def test_problems_have_the_five_fields() -> None:
    reply = problem_reply(InvalidRequest("what", "do"), {})
    assert reply.content_type == "application/problem+json"
    assert reply.document == {
        "type": "about:blank",
        "title": reply.document["title"],
        "status": 422,
        "detail": "what",
        "hint": "do",
    }


@pytest.mark.parametrize(
    ("request_text", "named"),
    [
        (b"GET / HTTP/1.1\r\nHost: pi.local:7600\r\n\r\n", b"https://pi.local:7600/"),
        (b"GET / HTTP/1.1\r\nhost:[fd00::1]:7600\r\n\r\n", b"https://[fd00::1]:7600/"),
        (b"GET / HTTP/1.1\r\nHost: <script>\r\n\r\n", b"https://ADDRESS:7600/"),
        (b"SSH-2.0-x\r\n", b"https://ADDRESS:7600/"),
    ],
)
def test_plain_http_is_told_the_right_address(request_text: bytes, named: bytes) -> None:
    reply = plain_http_reply(request_text, 7600)
    assert reply.startswith(b"HTTP/1.1 400 ")
    assert named in reply
