"""Who gets in, and what everybody gets to hear: a real agent, real TLS."""

from __future__ import annotations

import http.client
import json
import secrets
import socket
import ssl
import time
from contextlib import closing
from pathlib import Path

import pytest

from slave_agent.app import route_table
from slave_agent.routes import WEBSOCKET, Route
from slave_agent.states import Right
from tests.support.agent_process import (
    COMMIT,
    Answer,
    RunningAgent,
    asked_of_activation,
    running_agent,
    unchecked_context,
)
from tests.unit.agent.test_routes import services

__all__ = ["services"]


def raw(agent: RunningAgent, request: bytes, seconds: float = 10) -> bytes:
    """Send bytes as they are; return everything that comes back until the agent closes."""
    with agent.connect(seconds) as connection:
        connection.sendall(request)
        answer = b""
        try:
            while chunk := connection.recv(65536):
                answer += chunk
        except TimeoutError:
            pass
        return answer


def head(agent: RunningAgent, *lines: str, method: str = "GET", path: str = "/api/version") -> bytes:
    host = () if any(line.lower().startswith("host:") for line in lines) else (f"Host: 127.0.0.1:{agent.port}",)
    return "\r\n".join((f"{method} {path} HTTP/1.1", *host, "Connection: close", *lines, "", "")).encode("latin-1")


def test_health_is_open_and_short(agent: RunningAgent) -> None:
    answer = agent.get("/api/health", token=None)
    assert answer.status == 200
    assert answer.fingerprint == agent.fingerprint
    document = answer.document
    assert (document["status"], document["mode"], document["commit"], document["tls"]) == ("ok", "agent", COMMIT, True)
    assert "host" not in document


def test_health_tells_more_to_whoever_has_the_token(agent: RunningAgent) -> None:
    host = agent.get("/api/health").document["host"]
    names = {"hostname", "machine_id", "addresses", "os", "architecture", "python", "user", "uptime_seconds"}
    assert set(host) == names
    assert "127.0.0.1" not in host["addresses"]


def test_a_wrong_token_at_health_is_refused(agent: RunningAgent) -> None:
    assert agent.get("/api/health", token="wrong").status == 401


def test_version_and_system(agent: RunningAgent) -> None:
    assert agent.get("/api/version").document["commit"] == COMMIT
    system = agent.get("/api/system").document
    assert system["agent"]["pid"] == agent.process.pid
    assert system["activation"] == {
        "scope": "nohup",
        "survives_reboot": False,
        "command": "sudo loginctl enable-linger pi",
    }
    assert system["disk"]["path"] == str(agent.state_dir)
    assert 0 < system["memory"]["available_bytes"] <= system["memory"]["total_bytes"]
    assert isinstance(system["temperature_celsius"], float | None)


def every_route(services: object) -> list[Route]:
    return list(route_table(services).routes)  # type: ignore[arg-type]


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def ask(agent: RunningAgent, route: Route, headers: dict[str, str] | None = None, **options: str | None) -> Answer:
    """Ask for a route as its clients do."""
    path = route.rule.replace("<job_id>", "x").replace("<name>", "x")
    if route.method == WEBSOCKET:
        return agent.request("GET", path, headers=UPGRADE | (headers or {}), **options)
    return agent.request(route.method, path, headers=headers, **options)


STATUS_WITHOUT_TOKEN = {("POST", "/webhook/command"): 404, ("POST", "/login"): 403}  # it is off; no page of ours asks


def test_every_route_but_the_open_ones_needs_the_token(own_agent: RunningAgent, services: object) -> None:
    for route in every_route(services):
        for token in (None, "wrong"):
            answer = ask(own_agent, route, token=token)
            if route.right is Right.NONE and token is None:
                assert answer.status == STATUS_WITHOUT_TOKEN.get((route.method, route.rule), 200), route
                continue
            if route.is_panel and route.method == "GET" and token is None:
                assert (answer.status, answer.headers["Location"]) == (303, "/login")
                continue
            assert answer.status in (401, 429), (route, token)
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.document["hint"]
    assert asked_of_activation(own_agent) == []


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "", "http://127.0.0.1", "https://127.0.0.1.evil.example"]
)
def test_every_route_refuses_a_foreign_origin(agent: RunningAgent, services: object, origin: str) -> None:
    for route in every_route(services):
        answer = ask(agent, route, {"Origin": origin})
        assert answer.status == 403, route


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7600", "127.0.0.1.evil.example", ""])
def test_every_route_refuses_a_foreign_host(agent: RunningAgent, services: object, host: str) -> None:
    for route in every_route(services):
        assert ask(agent, route, {"Host": host}).status == 403, route


def test_the_own_origin_is_let_in(agent: RunningAgent) -> None:
    own = f"https://127.0.0.1:{agent.port}"
    assert agent.execute("true", id=None).status == 200
    assert agent.post("/api/execute", {"command": "true"}, headers={"Origin": own}).status == 200


@pytest.mark.parametrize("path", ["/logs/x", "/logs/..", "/logs/x/y", "/api/version", "/"])
def test_a_websocket_that_is_not_there_is_refused_with_a_whole_answer(agent: RunningAgent, path: str) -> None:
    answer = agent.request("GET", path, headers=UPGRADE)
    assert answer.status == 404
    assert answer.document["hint"]
    assert "ASGI callable" not in agent.log


def test_a_websocket_is_no_page(agent: RunningAgent) -> None:
    answer = agent.get("/logs/x")
    assert (answer.status, answer.headers["Upgrade"]) == (426, "websocket")
    assert agent.request("POST", "/logs/x").status == 426


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/apps/", 404),
        ("GET", "/login/x", 404),
        ("GET", "/static/", 404),
        ("GET", "/static/../views.py", 404),
        ("GET", "/static/panel.css/", 404),
        ("POST", "/apps", 405),
        ("GET", "/logout", 405),
        ("GET", "/api", 404),
        ("GET", "/static/x", 404),
        ("GET", "/api/health/", 404),
        ("GET", "/api/../api/version", 404),
        ("GET", "//api/version", 404),
        ("GET", "/api/jobs/nothing", 404),
        ("DELETE", "/api/version", 405),
        ("POST", "/api/health", 405),
        ("OPTIONS", "/api/execute", 405),
        ("GET", "/api/execute", 405),
        ("TRACE", "/api/version", 405),
    ],
)
def test_what_is_not_there(agent: RunningAgent, method: str, path: str, status: int) -> None:
    answer = agent.request(method, path)
    assert answer.status == status
    assert answer.document["status"] == status
    assert ("Allow" in answer.headers) is (status == 405)


def test_without_a_token_nobody_learns_which_paths_there_are(agent: RunningAgent) -> None:
    assert {agent.get(path, token=None).status for path in ("/api/version", "/api/nothing", "/nothing")} == {401}
    assert agent.request("POST", "/apps", token=None).status == 401


@pytest.mark.parametrize(
    "line",
    [
        "Authorization: Bearer",
        "Authorization: Bearer ",
        "Authorization: Basic dXNlcjpwYXNz",
        "Authorization: \xf1and\xfa",
        "Authorization: Bearer \xf1and\xfa \xff",
        "Authorization: Bearer a\r\nAuthorization: Bearer b",
    ],
)
def test_odd_authorization_headers_are_refused(own_agent: RunningAgent, line: str) -> None:
    assert raw(own_agent, head(own_agent, line)).startswith(b"HTTP/1.1 401")


def test_a_token_of_any_bytes_works(tmp_path: Path) -> None:
    token = "ñ $'\"%!\\ ✓ token"
    with running_agent(tmp_path, token=token) as agent:
        header = b"Authorization: Bearer " + token.encode() + b"\r\n"
        answer = raw(agent, head(agent).replace(b"\r\n\r\n", b"\r\n" + header + b"\r\n"))
        assert answer.startswith(b"HTTP/1.1 200")


def test_ten_thousand_guesses_never_lock_the_right_token_out(own_agent: RunningAgent) -> None:
    statuses = {401: 0, 429: 0}
    began = time.monotonic()
    with closing(own_agent.connection()) as connection:
        for number in range(10_000):
            connection.request("GET", "/api/version", headers={"Authorization": f"Bearer guess-{number}"})
            response = connection.getresponse()
            response.read()
            statuses[response.status] += 1
            assert response.status == 401 or 1 <= int(response.headers["Retry-After"]) <= 60
    minutes_begun = (time.monotonic() - began) // 60 + 1
    assert statuses[401] <= 10 * minutes_begun
    began = time.monotonic()
    assert own_agent.get("/api/version").status == 200
    assert time.monotonic() - began < 1
    assert own_agent.log_with("wrong token from 127.0.0.1")


def test_secrets_are_not_logged(own_agent: RunningAgent) -> None:
    secret = secrets.token_hex(16)
    own_agent.post("/api/execute", {"command": "cat; env", "stdin": secret + "in", "env": {"X": secret + "env"}})
    own_agent.get(f"/api/version?token={secret}query")
    own_agent.get("/api/version", token=secret + "wrong")
    own_agent.log_with('"GET /api/version" 200')
    log = own_agent.log_with('"GET /api/version" 401')
    assert secret not in log
    assert own_agent.token not in log


def test_a_path_can_not_write_log_lines(own_agent: RunningAgent) -> None:
    own_agent.get("/x%0aINFO%20forged%1b[2J")
    log = own_agent.log_with("/x\\nINFO forged")
    assert "\nINFO forged" not in log
    assert "\x1b" not in log


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[]", "application/json", 422),
        (b'{"comand": "ls"}', "application/json", 422),
        (b'{"command": "ls"}', "text/plain", 415),
        (b"command=ls", "application/x-www-form-urlencoded", 415),
        (b"[" * 200_000, "application/json", 400),
    ],
)
def test_bodies_that_are_no_order_are_refused(agent: RunningAgent, body: bytes, kind: str, status: int) -> None:
    answer = agent.request("POST", "/api/execute", body=body, headers={"Content-Type": kind})
    assert answer.status == status
    assert answer.document["hint"] is not None


@pytest.mark.parametrize("path", ["/api/execute", "/api/agent/enroll"])
def test_a_body_that_is_too_large_is_refused(agent: RunningAgent, path: str) -> None:
    answer = agent.post(path, {"command": "x" * 2**21})
    assert answer.status == 413


def resident_bytes(agent: RunningAgent) -> int:
    lines = Path(f"/proc/{agent.process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) * 1024


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_huge_body_needs_no_memory(own_agent: RunningAgent, is_chunked: bool) -> None:
    before = resident_bytes(own_agent)
    length = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {2**30}"
    chunk = b"10000\r\n" + bytes(65536) + b"\r\n" if is_chunked else bytes(65536)
    lines = (f"Authorization: Bearer {own_agent.token}", length)
    sent = 0
    with own_agent.connect(10) as connection:
        connection.sendall(head(own_agent, *lines, method="POST", path="/api/execute"))
        try:
            while sent < 2**26:
                connection.sendall(chunk)
                sent += 65536
        except OSError:
            pass
        assert connection.recv(65536).startswith(b"HTTP/1.1 413")
    assert resident_bytes(own_agent) - before < 8 * 2**20


def test_plain_http_to_the_tls_port_hears_of_https(agent: RunningAgent) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", agent.port, timeout=10)
    connection.request("GET", "/api/health")
    response = connection.getresponse()
    assert response.status == 400
    assert f"https://127.0.0.1:{agent.port}/" in response.read().decode()


def test_plain_http_where_it_was_chosen(tmp_path: Path) -> None:
    with running_agent(tmp_path, tls=False) as agent:
        document = agent.get("/api/health", token=None).document
        assert document["tls"] is False
        assert any("plain HTTP" in warning for warning in document["warnings"])
        assert agent.get("/api/version", token=None).status == 401
        assert agent.get("/api/version").status == 200


def test_old_tls_is_refused(agent: RunningAgent) -> None:
    context = unchecked_context()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", agent.port)) as plain, pytest.raises(OSError):
        context.wrap_socket(plain)


def test_a_head_is_not_waited_for_for_ever(own_agent: RunningAgent) -> None:
    began = time.monotonic()
    with own_agent.connect(30) as connection:
        connection.sendall(b"GET /api/health HTTP/1.1\r\n")
        with pytest.raises(OSError):  # the connection ends: reset, or closed without an answer
            if not connection.recv(100):
                raise ConnectionResetError
    assert 8 < time.monotonic() - began < 15


def test_a_head_that_is_too_large_is_refused(agent: RunningAgent) -> None:
    """It depends on how it arrives whether the parser stops it (400) or the dispatcher (431)."""
    large = head(agent, "X: " + "x" * 100_000)
    for sent in (large, large.removesuffix(b"\r\n\r\n")):
        try:
            assert raw(agent, sent).startswith((b"HTTP/1.1 400", b"HTTP/1.1 431"))
        except (ssl.SSLEOFError, ConnectionError):
            pass  # the agent hung up while the rest was still on its way: its answer is lost, and so is the head
    assert agent.get("/api/health").status == 200


def test_two_hundred_dripping_clients_leave_health_fast(own_agent: RunningAgent) -> None:
    """Some say nothing, some stop in the TLS handshake, some drip a head, some drip a body with the right token."""
    dripping: list[socket.socket] = []
    body = head(
        own_agent,
        f"Authorization: Bearer {own_agent.token}",
        "Content-Length: 1000",
        method="POST",
        path="/api/execute",
    )
    try:
        for number in range(200):
            if number % 4 < 2:
                silent = socket.create_connection(("127.0.0.1", own_agent.port), 10)
                silent.sendall(b"\x16\x03\x01" if number % 4 else b"")
                dripping.append(silent)
            else:
                dripping.append(own_agent.connect(10))
                dripping[-1].sendall(b"GET /api/health HTTP/1.1\r\nX: " if number % 4 == 2 else body)
        slowest = 0.0
        for _ in range(20):
            for one in dripping:
                try:
                    one.send(b"x")
                except OSError:
                    pass
            began = time.monotonic()
            assert own_agent.get("/api/health", token=None).status == 200
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.05)
        assert slowest < 1
    finally:
        for one in dripping:
            one.close()
    memory = int(own_agent.get("/api/system").document["agent"]["memory_bytes"])
    assert memory < 64 * 2**20


def test_more_connections_than_there_is_room_for(own_agent: RunningAgent) -> None:
    """Whoever is silent makes room for newcomers."""
    silent = [socket.create_connection(("127.0.0.1", own_agent.port), 10) for _ in range(450)]
    try:
        began = time.monotonic()
        assert own_agent.get("/api/health", token=None).status == 200
        assert time.monotonic() - began < 1
    finally:
        for one in silent:
            one.close()


def test_a_reply_is_json_and_not_kept(agent: RunningAgent) -> None:
    for path in ("/api/health", "/api/version", "/api/nothing"):
        answer = agent.get(path)
        assert answer.headers["cache-control"] == "no-store"
        assert json.loads(answer.body)
        assert "Server" not in answer.headers
