"""What every server answers to any request: tokens, paths, methods, bodies, broken bytes."""

from __future__ import annotations

import json
import re
import socket
import ssl

import pytest

from tests.support.agent_process import Answer, RunningAgent, unchecked_context

GUARDED = [
    ("GET", "/api/version"),
    ("POST", "/api/execute"),
    ("GET", "/api/jobs/nothing"),
    ("POST", "/api/jobs/nothing/cancel"),
    ("PUT", "/api/files/name"),
    ("POST", "/api/agent/confirm"),
]


def problem_of(answer: Answer) -> dict[str, object]:
    """Check that an error is a problem document, and return it."""
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    document: dict[str, object] = answer.document
    assert set(document) == {"type", "title", "status", "detail", "hint"}
    assert document["status"] == answer.status
    return document


def test_health_is_open_and_says_little(server: RunningAgent, is_bootstrap: bool) -> None:
    document = server.get("/api/health", token=None).document
    assert document["status"] == "ok"
    assert document["mode"] == ("bootstrap" if is_bootstrap else "agent")
    assert document["tls"] is True
    assert isinstance(document["warnings"], list)
    assert "host" not in document
    assert "commit" in document and "version" in document


def test_health_with_the_token_says_what_the_host_is(server: RunningAgent) -> None:
    host = server.get("/api/health").document["host"]
    names = "hostname machine_id addresses os architecture python user uptime_seconds"
    assert set(host) >= set(names.split())
    assert host["uptime_seconds"] > 0
    assert isinstance(host["addresses"], list)


def test_health_with_a_wrong_token_says_so(server: RunningAgent) -> None:
    assert problem_of(server.get("/api/health", token="wrong"))["status"] == 401


def test_version_names_what_runs(server: RunningAgent, is_bootstrap: bool) -> None:
    document = server.get("/api/version").document
    assert set(document) >= {"version", "commit", "branch", "python", "mode"}
    assert document["mode"] == ("bootstrap" if is_bootstrap else "agent")


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_everything_else_needs_the_token(server: RunningAgent, method: str, path: str) -> None:
    answer = server.request(method, path, {} if method == "POST" else None, token=None)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert problem_of(answer)["hint"]


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer ñ", "Bearer \xff\xfe", "token"])
def test_strange_authorization_is_refused(server: RunningAgent, header: str) -> None:
    answer = server.get("/api/version", token=None, headers={"Authorization": header})
    assert answer.status in (401, 429)


def test_guessing_is_slowed_down_and_never_locks_the_right_token_out(server: RunningAgent) -> None:
    statuses = [server.get("/api/version", token=f"guess-{number}").status for number in range(15)]
    assert statuses[-1] == 429
    answer = server.get("/api/version", token="one more guess")
    assert int(answer.headers["Retry-After"]) > 0
    assert problem_of(answer)["status"] == 429
    assert server.get("/api/version").status == 200


def test_unknown_path_is_404(server: RunningAgent) -> None:
    assert problem_of(server.get("/api/nothing"))["status"] == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("DELETE", "/api/health", "GET"), ("GET", "/api/execute", "POST"), ("POST", "/api/files/name", "PUT")],
)
def test_wrong_method_is_405_and_says_which_is_right(
    server: RunningAgent, method: str, path: str, allowed: str
) -> None:
    answer = server.request(method, path)
    assert problem_of(answer)["status"] == 405
    assert allowed in answer.headers["Allow"]


def test_a_body_that_is_not_json_is_400(server: RunningAgent) -> None:
    for body in (b"{", b"\xff", b"[" * 100_000, b'{"command": NaN}'):
        answer = server.request("POST", "/api/execute", body=body, headers={"Content-Type": "application/json"})
        assert problem_of(answer)["status"] in (400, 422), body[:20]


def test_a_body_beyond_the_limit_is_413_before_it_is_sent(server: RunningAgent) -> None:
    with server.connect() as channel:
        head = f"POST /api/execute HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.token}\r\n"
        channel.sendall(f"{head}Content-Type: application/json\r\nContent-Length: {1 << 30}\r\n\r\n".encode())
        assert channel.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_plain_http_to_the_tls_port_is_told_the_right_address(server: RunningAgent) -> None:
    with socket.create_connection((server.address, server.port), 10) as channel:
        channel.sendall(f"GET / HTTP/1.1\r\nHost: localhost:{server.port}\r\n\r\n".encode())
        answer = b""
        while data := channel.recv(4096):
            answer += data
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert re.search(rb"https://(localhost|127\.0\.0\.1):%d" % server.port, answer)


def test_tls_is_at_least_1_2_and_by_preference_1_3(server: RunningAgent) -> None:
    with server.connect() as channel:
        assert isinstance(channel, ssl.SSLSocket)
        assert channel.version() == "TLSv1.3"
    context = unchecked_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection((server.address, server.port), 10) as raw, context.wrap_socket(raw) as channel:
        assert channel.version() == "TLSv1.2"


def test_a_connection_is_kept_for_the_next_request(server: RunningAgent) -> None:
    connection = server.connection()
    for _ in range(3):
        connection.request("GET", "/api/health")
        assert json.loads(connection.getresponse().read())["status"] == "ok"
    connection.close()


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x00\x01\x02\r\n\r\n",
        b"GET /api/health HTTP/1.1\r\nno colon here\r\n\r\n",
        b"GET /api/health HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET /api/health HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
    ],
)
def test_broken_requests_are_refused_and_harm_nobody(server: RunningAgent, head: bytes) -> None:
    with server.connect() as channel:
        try:
            channel.sendall(head)
            answer = channel.recv(4096)
        except OSError:
            answer = b""
    assert answer == b"" or answer[9:12] in (b"400", b"403", b"413", b"431", b"505")
    assert server.get("/api/health", token=None).status == 200
