"""Logs of a really started agent over HTTP and WebSocket; its journalctl is scripted, for there is no journal here."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK, InvalidStatus

from slave_agent.logs.hub import SHARE_OF_ONE, VIEWERS_OF_AN_APP
from slave_agent.orchestrator.app_store import AppRecord, AppStore
from tests.support.agent_process import RunningAgent, running_agent, unchecked_context
from tests.support.scripted_journal import ScriptedJournal, cursor_of
from tests.support.websocket import Viewer

PATIENCE_SECONDS = 30.0
STALLED = 50
ONE_TOKENS_VIEWERS = int(VIEWERS_OF_AN_APP * SHARE_OF_ONE)
MOST_GROWTH_BYTES = 128 * 1024 * 1024
Journalled = tuple[RunningAgent, ScriptedJournal]


def register(agent: RunningAgent, *names: str) -> None:
    """Write the apps down as the agent itself does."""
    for name in names:
        document = {"name": name, "kind": "node", "script": "/x.js", "user": "pi", "working_dir": "/"}
        AppStore(agent.state_dir / "apps").write(AppRecord(name, document))


@pytest.fixture
def journalled(tmp_path: Path) -> Iterator[Journalled]:
    journal = ScriptedJournal(tmp_path / "bin")
    with running_agent(tmp_path, environment=journal.environment, scope="system") as agent:
        register(agent, "web")
        yield agent, journal


@contextmanager
def viewer(agent: RunningAgent, path: str = "/logs/web", token: str = "", **options: Any) -> Iterator[Viewer]:
    headers = {"Authorization": f"Bearer {token or agent.token}"} | options.pop("headers", {})
    uri = f"wss://127.0.0.1:{agent.port}{path}"
    options.setdefault("open_timeout", PATIENCE_SECONDS)
    with Viewer(
        uri, ssl=unchecked_context(), additional_headers=headers, compression=None, proxy=None, max_size=None, **options
    ) as connection:
        yield connection


def read_items(connection: Viewer, until: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    """What comes until the condition holds."""
    items: list[dict[str, Any]] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not until(items):
        items += json.loads(connection.recv(timeout=max(0.1, deadline - time.monotonic())))
    return items


def messages(items: list[dict[str, Any]]) -> list[str]:
    return [item["message"] for item in items if item["type"] == "entry"]


def count_is(count: int) -> Callable[[list[dict[str, Any]]], bool]:
    return lambda items: len(items) >= count


def followers(agent: RunningAgent) -> list[psutil.Process]:
    """The agent's children that are journalctl (and its shell's successor)."""
    return [child for child in psutil.Process(agent.process.pid).children(recursive=True) if child.is_running()]


def granted(agent: RunningAgent, name: str) -> str:
    """A token that may read, of that name."""
    token = f"a-token-for-{name}-who-watches"
    scope = {"scope": "read", "token_sha256": hashlib.sha256(token.encode()).hexdigest()}
    assert agent.request("PUT", f"/api/agent/tokens/{name}", scope).status < 300
    return token


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_past_comes_first_then_what_comes(journalled: Journalled) -> None:
    agent, journal = journalled
    journal.write(*(f"line {number}" for number in range(200)))
    with viewer(agent, "/logs/web?lines=10") as connection:
        first = read_items(connection, count_is(10))
        assert messages(first) == [f"line {number}" for number in range(190, 200)]
        assert first[0].keys() == {"type", "cursor", "time", "priority", "message", "pid"}
        journal.write("now", "and now")
        assert messages(read_items(connection, count_is(2))) == ["now", "and now"]


def test_one_journalctl_for_all_viewers_and_none_after_the_last(journalled: Journalled) -> None:
    agent, journal = journalled
    journal.write("before")
    with (
        viewer(agent) as one,
        viewer(agent, "/logs/web?priority=err") as two,
        viewer(agent, "/logs/web?grep=xyz") as three,
    ):
        for connection, fields in ((one, {}), (two, {"PRIORITY": "3"}), (three, {})):
            journal.write("with XYZ in it" if connection is three else "a line", **fields)
            assert messages(read_items(connection, count_is(1)))
        assert len([call for call in journal.calls() if "--follow" in call]) == 1
        assert len(followers(agent)) == 1
    wait_until(lambda: followers(agent) == [])
    assert "Traceback" not in agent.log


def test_a_viewer_resumes_by_its_cursor(journalled: Journalled) -> None:
    agent, journal = journalled
    journal.write(*(f"line {number}" for number in range(2000)))
    with viewer(agent, f"/logs/web?cursor={cursor_of(500)}") as connection:
        items = read_items(connection, lambda items: messages(items)[-1:] == ["line 1999"])
        assert messages(items) == [f"line {number}" for number in range(501, 2000)]
        journal.write("next")
        assert messages(read_items(connection, count_is(1))) == ["next"]


def test_a_journalctl_that_is_killed_is_replaced_without_gap_or_double(journalled: Journalled) -> None:
    agent, journal = journalled
    with viewer(agent) as connection:
        journal.write("one", "two")
        items = read_items(connection, count_is(2))
        [follower] = followers(agent)
        follower.kill()
        journal.write("three")
        items += read_items(connection, count_is(1))
        assert messages(items) == ["one", "two", "three"]


def test_the_viewers_of_an_app_that_is_removed_are_told(journalled: Journalled) -> None:
    agent, journal = journalled
    journal.write("last words")
    with viewer(agent) as connection:
        read_items(connection, count_is(1))
        (agent.state_dir / "apps" / "web.json").unlink()
        assert read_items(connection, count_is(1)) == [{"type": "end", "reason": "the app was removed"}]
        with pytest.raises(ConnectionClosed):
            connection.recv(timeout=PATIENCE_SECONDS)
    wait_until(lambda: followers(agent) == [])


def test_a_journal_that_can_not_be_read_is_told(journalled: Journalled) -> None:
    agent, journal = journalled
    (journal.folder / "broken").write_text("No journal files were opened due to insufficient permissions.")
    with viewer(agent) as connection:
        [end] = read_items(connection, count_is(1))
        assert end["type"] == "end"
        assert "insufficient permissions" in end["reason"]
    answer = agent.get("/api/apps/web/logs")
    assert (answer.status, "insufficient permissions" in answer.document["detail"]) == (502, True)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/logs/other", 404),
        ("/logs/..", 404),
        ("/logs/WEB", 404),
        ("/logs/web?lines=-1", 422),
        ("/logs/web?lines=5001", 422),
        ("/logs/web?lines=x", 422),
        ("/logs/web?priority=8", 422),
        ("/logs/web?priority=loud", 422),
        ("/logs/web?since=yesterday", 422),
        ("/logs/web?cursor=--help", 422),
        ("/logs/web?grep=%00", 422),
        ("/logs/web?grep=" + "x" * 201, 422),
        ("/logs/web?unknown=1", 422),
        ("/logs/web?lines=1&lines=2", 422),
    ],
)
def test_what_is_refused_is_refused_before_it_is_a_websocket(agent: RunningAgent, path: str, status: int) -> None:
    register(agent, "web")
    with pytest.raises(InvalidStatus) as refused, viewer(agent, path):
        pass
    assert refused.value.response.status_code == status
    assert json.loads(refused.value.response.body or b"")["hint"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Origin": "https://evil.example"}, 403), ({"Origin": "null"}, 403), ({"Authorization": "Bearer no"}, 401)],
)
def test_strangers_get_no_websocket(agent: RunningAgent, headers: dict[str, str], status: int) -> None:
    with pytest.raises(InvalidStatus) as refused, viewer(agent, headers=headers):
        pass
    assert refused.value.response.status_code == status


def test_one_token_leaves_places_for_others_and_a_place_comes_free(journalled: Journalled) -> None:
    agent, _ = journalled
    with ExitStack() as all_viewers:
        for _ in range(ONE_TOKENS_VIEWERS - 1):
            all_viewers.enter_context(viewer(agent, "/logs/web?lines=0"))
        with viewer(agent, "/logs/web?lines=0"):
            with pytest.raises(InvalidStatus) as refused, viewer(agent):
                pass
            assert refused.value.response.status_code == 429
            assert int(refused.value.response.headers["Retry-After"]) >= 1
            with viewer(agent, token=granted(agent, "another")):
                pass

        def may_view() -> bool:
            try:
                with viewer(agent):
                    return True
            except InvalidStatus:
                return False

        wait_until(may_view)
    wait_until(lambda: followers(agent) == [])


def test_a_client_that_talks_is_not_listened_to_and_stays(journalled: Journalled) -> None:
    agent, journal = journalled
    with viewer(agent) as connection:
        for _ in range(50):
            connection.send("hello")
        journal.write("a line")
        assert messages(read_items(connection, count_is(1))) == ["a line"]
        connection.send("x" * 10_000)
        with pytest.raises(ConnectionClosed):
            connection.recv(timeout=PATIENCE_SECONDS)


def test_pages(journalled: Journalled) -> None:
    agent, journal = journalled
    journal.write(*(f"line {number}" for number in range(30)))
    newest = agent.get("/api/apps/web/logs?lines=10").document
    assert messages(newest["entries"]) == [f"line {number}" for number in range(20, 30)]
    assert (newest["next_cursor"], newest["previous_cursor"]) == (None, cursor_of(20))
    before = agent.get(f"/api/apps/web/logs?lines=50&before={cursor_of(20)}").document
    assert (len(before["entries"]), before["previous_cursor"]) == (20, None)
    forward = agent.get(f"/api/apps/web/logs?lines=5&cursor={cursor_of(3)}").document
    assert messages(forward["entries"]) == [f"line {number}" for number in range(4, 9)]
    assert forward["next_cursor"] == cursor_of(8)
    assert agent.get(f"/api/apps/web/logs?cursor={cursor_of(3)}&before={cursor_of(9)}").status == 422
    assert agent.get("/api/apps/web/logs?lines=0").status == 422
    assert agent.get("/api/apps/other/logs").status == 404


@pytest.mark.parametrize(("path", "accept"), [("?format=text", "*/*"), ("", "text/plain")])
def test_a_page_as_text(journalled: Journalled, path: str, accept: str) -> None:
    agent, journal = journalled
    journal.write("hello \x1b[31m", [104, 255])
    answer = agent.get(f"/api/apps/web/logs{path}", headers={"Accept": accept})
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.body.decode().splitlines() == [
        "2023-11-14T22:13:20.000000Z web[4711]: hello \\x1b[31m",
        "2023-11-14T22:13:20.001000Z web[4711]: h\ufffd",
    ]


def test_stopping_the_agent_ends_its_streams_at_once(journalled: Journalled) -> None:
    agent, _ = journalled
    with viewer(agent) as connection:
        wait_until(lambda: len(followers(agent)) == 1)
        [follower] = followers(agent)
        assert agent.stop() in (0, -15)
        with pytest.raises(ConnectionClosed):
            connection.recv(timeout=PATIENCE_SECONDS)
        wait_until(lambda: not follower.is_running())


def test_a_stream_ends_with_the_token_that_opened_it(journalled: Journalled) -> None:
    agent, journal = journalled
    token = granted(agent, "watcher")
    with viewer(agent, token=token) as theirs, viewer(agent) as ours:
        journal.write("for both")
        assert messages(read_items(theirs, count_is(1))) == ["for both"]
        assert agent.request("DELETE", "/api/agent/tokens/watcher", {}).status == 200
        [end] = read_items(theirs, count_is(1))
        assert (end["type"], "no longer valid" in end["reason"]) == ("end", True)
        with pytest.raises(ConnectionClosedOK):
            theirs.recv(timeout=PATIENCE_SECONDS)
        journal.write("for us alone")
        assert messages(read_items(ours, count_is(2))) == ["for both", "for us alone"]


@contextmanager
def stalled_client(agent: RunningAgent, path: str, *headers: str) -> Iterator[ssl.SSLSocket]:
    """A client that sends its request and reads nothing of the answer."""
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.settimeout(PATIENCE_SECONDS)
        raw.connect(("127.0.0.1", agent.port))
        with unchecked_context().wrap_socket(raw) as client:
            head = (f"GET {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {agent.token}", *headers)
            client.sendall(("\r\n".join(head) + "\r\n\r\n").encode())
            yield client


UPGRADE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
)


@pytest.mark.parametrize(
    ("path", "headers"),
    [("/logs/web", UPGRADE), ("/api/apps/web/logs?lines=5000", ())],
)
def test_clients_that_do_not_read_take_little_memory(
    journalled: Journalled, path: str, headers: tuple[str, ...]
) -> None:
    agent, journal = journalled
    journal.write(*(f"{number} {'x' * 40_000}" for number in range(400)))
    process = psutil.Process(agent.process.pid)
    before = process.memory_info().rss
    with ExitStack() as clients:
        for _ in range(STALLED):
            clients.enter_context(stalled_client(agent, path, *headers))
        highest, deadline = 0, time.monotonic() + 12
        while time.monotonic() < deadline:
            highest = max(highest, process.memory_info().rss)
            time.sleep(0.1)
        assert highest - before < MOST_GROWTH_BYTES, f"{(highest - before) / 1e6:.0f} MB"
        began = time.monotonic()
        assert len(agent.get("/api/apps/web/logs?lines=5").document["entries"]) == 5
        with viewer(agent, "/logs/web?lines=5") as healthy:
            assert len(read_items(healthy, count_is(5))) == 5
        assert time.monotonic() - began < PATIENCE_SECONDS
    assert "Traceback" not in agent.log


def test_the_log_of_a_former_app_of_that_name_is_not_shown(journalled: Journalled) -> None:
    agent, journal = journalled
    journal.write(*(f"of the former {number}" for number in range(10)))
    document = {"name": "web", "kind": "node", "script": "/x.js", "user": "pi", "working_dir": "/"}
    AppStore(agent.state_dir / "apps").write(AppRecord("web", document, log_after=cursor_of(9)))
    assert agent.get("/api/apps/web/logs").document == {"entries": [], "next_cursor": None, "previous_cursor": None}
    with viewer(agent) as connection:
        journal.write("now")
        assert messages(read_items(connection, count_is(1))) == ["now"]
    wait_until(lambda: followers(agent) == [])
    with viewer(agent, f"/logs/web?cursor={cursor_of(3)}") as connection:
        assert messages(read_items(connection, count_is(1))) == ["now"]
    for query in ("lines=50", f"lines=5&cursor={cursor_of(3)}", "lines=1"):
        page = agent.get(f"/api/apps/web/logs?{query}").document
        assert (messages(page["entries"]), page["previous_cursor"]) == (["now"], None)
