"""Logs of a really started agent over HTTP and WebSocket; its journalctl is scripted, for there is no journal here."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.sync.client import ClientConnection, connect

from slave_agent.orchestrator.app_store import AppRecord, AppStore
from tests.support.agent_process import RunningAgent, running_agent, unchecked_context
from tests.support.scripted_journal import ScriptedJournal

PATIENCE_SECONDS = 30.0
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
def viewer(agent: RunningAgent, path: str = "/logs/web", token: str = "", **options: Any) -> Iterator[ClientConnection]:
    headers = {"Authorization": f"Bearer {token or agent.token}"} | options.pop("headers", {})
    uri = f"wss://127.0.0.1:{agent.port}{path}"
    with connect(
        uri, ssl=unchecked_context(), additional_headers=headers, compression=None, proxy=None, max_size=None, **options
    ) as connection:
        yield connection


def read_items(connection: ClientConnection, until: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
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
