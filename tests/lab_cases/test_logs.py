"""Logs on a really built slave, with its journald and journalctl; and its webhook."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest

from slave_agent.orchestrator.app_store import AppRecord, AppStore
from slave_agent.webhook import WebhookSecret, sign
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.support.agent_process import unchecked_context
from tests.support.master import Master
from tests.support.watchers import watchers
from tests.support.websocket import Viewer

PATIENCE_SECONDS = 90.0
VIEWERS = 50
LINES_PER_SECOND = 5000
LONGEST_HEALTH_SECONDS = 5.0  # as a client sees it while 50 watch, with curl's own start
SECONDS_OF_NOISE = 12
MOST_GROWTH_BYTES = 80 * 1024 * 1024  # of the agent, while 50 watch
MOST_LEFT_BYTES = 64 * 1024 * 1024

NOISE = """
import sys, time
rate, count = int(sys.argv[1]), int(sys.argv[2])
began, done = time.monotonic(), 0
while done < count:
    due = min(count, int((time.monotonic() - began) * rate))
    lines = (f"seq={number} a line of about the length that lines of apps have\\n" for number in range(done, due))
    sys.stdout.write("".join(lines))
    sys.stdout.flush()
    done = due
    time.sleep(0.01)
time.sleep(100000)
"""
UNIT = """
[Service]
Type=exec
User=pi
ExecStart=/usr/bin/python3 -u {script} {arguments}
LogRateLimitIntervalSec=1s
LogRateLimitBurst=1000000
"""  # an interval of 0 would leave journald's own limit in force: systemd tells journald of other values only


@dataclass
class LogSlave:
    """A built slave, and what opens its agent."""

    host: Host
    master: Master
    token: str

    @property
    def uri(self) -> str:
        return f"wss://{self.host.address}:7600/logs"

    def put_app(self, name: str, code: str, *arguments: object) -> None:
        """An app of the agent's by its record and its unit: how these get there is another test's."""
        script = f"/home/pi/{name}.py"
        self.host.push(code.encode(), script, owner="pi", mode=0o644)
        document = {"name": name, "kind": "python", "script": script, "user": "pi", "working_dir": "/home/pi"}
        store = AppStore(self.master.folder / "apps")
        store.write(AppRecord(name, document))
        self.host.run("install -d -m 700 -o d8-agent -g d8-agent /var/lib/d8-agent/apps")
        record = self.master.folder / "apps" / f"{name}.json"
        self.host.push(record, f"/var/lib/d8-agent/apps/{name}.json", owner="d8-agent", mode=0o600)
        unit = UNIT.format(script=script, arguments=" ".join(map(str, arguments)))
        self.host.push(unit.encode(), f"/etc/systemd/system/d8-app-{name}.service", owner="root", mode=0o644)
        self.host.run("systemctl daemon-reload")

    def start(self, name: str) -> None:
        self.host.run(["systemctl", "restart", f"d8-app-{name}.service"])

    def get(self, path: str) -> Any:
        status, document = self.master.curl(self.host, path, token=self.token)
        assert status == 200, document
        return document

    def connection(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self.host.address, 7600, context=unchecked_context())

    def text(self, path: str) -> tuple[int, str]:
        with closing(self.connection()) as connection:
            connection.request("GET", path, headers={"Authorization": f"Bearer {self.token}"})
            response = connection.getresponse()
            return response.status, response.read().decode()

    def call(self, method: str, path: str, body: object, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """Send JSON; with the token unless there are other headers."""
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        shown = {"Authorization": f"Bearer {self.token}"} if headers is None else headers
        with closing(self.connection()) as connection:
            connection.request(method, path, sent, {"Content-Type": "application/json", **shown})
            response = connection.getresponse()
            return response.status, json.loads(response.read())

    def connect(self, name: str, **query: object) -> Viewer:
        return Viewer(
            f"{self.uri}/{name}?{urlencode(query)}",
            ssl=unchecked_context(),
            additional_headers={"Authorization": f"Bearer {self.token}"},
            compression=None,
            proxy=None,
            max_size=None,
            open_timeout=PATIENCE_SECONDS,
        )

    def journalctls(self) -> list[str]:
        return [one.command for one in self.host.processes() if one.command.startswith("journalctl ")]

    def agent_pid(self) -> int:
        [agent] = [one for one in self.host.processes() if "-m slave_agent --settings" in one.command]
        return agent.pid

    def agent_memory(self) -> int:
        """The agent's proportional share of memory, in bytes."""
        rollup = self.host.run(f"cat /proc/{self.agent_pid()}/smaps_rollup").stdout
        [line] = [line for line in rollup.splitlines() if line.startswith("Pss:")]
        return int(line.split()[1]) * 1024


@pytest.fixture(scope="module")
def slave(tmp_path_factory: pytest.TempPathFactory, lab: Lab) -> Iterator[LogSlave]:
    host = lab.host("bare")
    master = Master(tmp_path_factory.mktemp("logs"), lab.master_address).in_a_clone()
    master.bring_bootstrap(host)
    master.build(host)
    yield LogSlave(host, master, master.token("agent"))
    lab.remove(host)


def eventually(condition: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def read_until(connection: Viewer, is_enough: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_enough(items):
        items += json.loads(connection.recv(timeout=max(0.1, deadline - time.monotonic())))
    return items


def messages(items: list[dict[str, Any]]) -> list[str]:
    return [item["message"] for item in items if item["type"] == "entry"]


def numbers(items: list[dict[str, Any]]) -> list[int]:
    texts = [text for text in messages(items) if text.startswith("seq=")]
    return [int(text[4:].split()[0]) for text in texts]


def test_the_first_ten_lines_over_the_websocket(slave: LogSlave) -> None:
    slave.put_app("talker", NOISE, 100, 300)
    slave.start("talker")
    with slave.connect("talker", lines=10) as connection:
        items = read_until(connection, lambda items: numbers(items)[-1:] == [299])
    assert len(items) >= 10
    assert {item["type"] for item in items[:10]} == {"entry"}
    assert items[0].keys() == {"type", "cursor", "time", "priority", "message", "pid"}
    seen = numbers(items)
    assert seen == list(range(seen[0], 300)), "each line once, none left out"
    eventually(lambda: slave.journalctls() == [])


def test_fifty_viewers_of_five_thousand_lines_a_second(slave: LogSlave) -> None:
    count = LINES_PER_SECOND * SECONDS_OF_NOISE
    slave.put_app("noise", NOISE, LINES_PER_SECOND, count)
    before = slave.agent_memory()
    health: list[float] = []
    memory: list[int] = []
    is_over = threading.Event()

    def look() -> None:
        while not is_over.wait(0.5):
            began = time.monotonic()
            slave.master.curl(slave.host, "/api/health")
            health.append(time.monotonic() - began)
            memory.append(slave.agent_memory())

    uri = f"{slave.uri}/noise?lines=0"
    with watchers(uri, slave.token, VIEWERS, stalled=1, last=count - 1, seconds=240) as viewers:
        looking = threading.Thread(target=look)
        looking.start()
        try:
            began = time.monotonic()
            slave.start("noise")
            viewers.await_word("done")
            took = time.monotonic() - began
        finally:
            is_over.set()
            looking.join()
        running = slave.journalctls()
        [stalled, *healthy] = viewers.leave()
    eventually(lambda: slave.journalctls() == [])
    after = slave.agent_memory()

    summary = {
        "lines": count,
        "seconds": round(took, 1),
        "fewest": min(seen["entries"] for seen in healthy),
        "skipped": sum(seen["skipped"] for seen in healthy),
        "stalled": (stalled["entries"], stalled["skipped"], stalled["error"]),
        "health_ms": (round(sorted(health)[len(health) // 2] * 1000), round(max(health) * 1000)),
        "memory_mb": tuple(round(size / 1e6, 1) for size in (before, max(memory), after)),
    }
    print(summary)
    assert len(running) == 1, running
    assert [seen["error"] for seen in healthy] == [""] * (VIEWERS - 1)
    assert min(seen["entries"] for seen in healthy) >= 0.99 * count, summary
    for seen in healthy[-3:]:
        assert (seen["backwards"], seen["gaps"]) == (0, seen["skipped"]), seen
    assert stalled["skipped"] > 0 or stalled["entries"] == count, summary  # what it missed, if anything, it was told
    assert (stalled["backwards"], stalled["gaps"]) == (0, stalled["skipped"]), stalled
    assert len(health) >= 5
    assert sorted(health)[len(health) // 2] < 1, summary
    assert max(health) < LONGEST_HEALTH_SECONDS, summary
    assert max(memory) - before < MOST_GROWTH_BYTES, summary
    assert after - before < MOST_LEFT_BYTES, summary


def test_viewers_come_and_go_and_nobody_else_notices(slave: LogSlave) -> None:
    count = 2000
    slave.put_app("steady", NOISE, 200, count)
    with slave.connect("steady", lines=0) as steady:
        slave.start("steady")
        is_over = threading.Event()
        visits: list[int] = []

        def visit() -> None:
            while not is_over.is_set():
                with slave.connect("steady", lines=5, priority="info") as visitor:
                    visits.append(len(json.loads(visitor.recv(timeout=PATIENCE_SECONDS))))

        visitors = [threading.Thread(target=visit) for _ in range(4)]
        for visitor in visitors:
            visitor.start()
        try:
            items = read_until(steady, lambda items: numbers(items)[-1:] == [count - 1])
        finally:
            is_over.set()
            for visitor in visitors:
                visitor.join()
        assert len(slave.journalctls()) == 1
    assert numbers(items) == list(range(count))
    assert len(visits) > 4
    eventually(lambda: slave.journalctls() == [])


def test_a_viewer_resumes_by_its_cursor_across_a_restart_of_the_agent(slave: LogSlave) -> None:
    count = 3000
    slave.put_app("long", NOISE, 100, count)
    with slave.connect("long", lines=0) as connection:
        slave.start("long")
        before = read_until(connection, lambda items: len(numbers(items)) >= 50)
    slave.host.run("systemctl restart d8-agent")
    eventually(lambda: slave.host.run("systemctl is-active d8-agent", check=False).stdout == "active\n")
    with slave.connect("long", cursor=before[-1]["cursor"]) as connection:
        after = read_until(connection, lambda items: numbers(items)[-1:] == [count - 1])
    seen = numbers(before + after)
    assert seen == list(range(count)), "no gap and no double"
    with slave.connect("long", cursor=before[0]["cursor"]) as connection:  # farther back than what is in memory
        again = read_until(connection, lambda items: numbers(items)[-1:] == [count - 1])
    assert numbers(again) == list(range(numbers(before)[0] + ("seq=" in before[0]["message"]), count))


NAUGHTY = """
import sys, time
out = sys.stdout.buffer
lines = [b"\\x1b]0;title\\x07\\x1b[31mred", b"nul\\x00inside", b"bad \\xff\\xfe utf-8"]
lines += [b"caf\\xc3\\xa9 \\xe2\\x9c\\x93", b"x" * 1_000_000, b"<script>alert(1)</script>", b"<3>an error"]
lines += [b"carriage\\rreturn", b"the end"]
for line in lines:
    out.write(line + b"\\n")
    out.flush()
time.sleep(100000)
"""


def test_naughty_lines_come_whole_and_harmless(slave: LogSlave) -> None:
    slave.put_app("naughty", NAUGHTY)
    with slave.connect("naughty", lines=0) as connection:
        slave.start("naughty")
        items = read_until(connection, lambda items: "the end" in messages(items))
    said = messages(items)
    for whole in ("\x1b]0;title\x07\x1b[31mred", "bad \ufffd\ufffd utf-8", "café ✓", "<script>alert(1)</script>"):
        assert whole in said
    assert {"nul", "inside"} <= set(said), "journald ends a line at NUL"
    assert sum(len(text) for text in said if set(text) == {"x"}) == 1_000_000, "journald cuts it, nothing is lost"
    [error] = [item for item in items if item["type"] == "entry" and item["message"] == "an error"]
    assert error["priority"] == 3
    with slave.connect("naughty", priority="err") as connection:
        assert messages(read_until(connection, lambda items: len(items) >= 1)) == ["an error"]
    with slave.connect("naughty", grep="CAFÉ") as connection:
        assert messages(read_until(connection, lambda items: len(items) >= 1)) == ["café ✓"]

    status, text = slave.text("/api/apps/naughty/logs?format=text")
    assert status == 200
    assert "\x1b" not in text
    assert "\\x1b[31mred" in text


def test_pages_of_a_log(slave: LogSlave) -> None:
    slave.put_app("pages", NOISE, 1000, 250)
    slave.start("pages")
    eventually(lambda: numbers(slave.get("/api/apps/pages/logs?lines=1")["entries"]) == [249])
    newest = slave.get("/api/apps/pages/logs")
    assert numbers(newest["entries"]) == list(range(150, 250))
    assert newest["next_cursor"] is None
    older = slave.get(f"/api/apps/pages/logs?before={newest['previous_cursor']}")
    assert numbers(older["entries"]) == list(range(50, 150))
    forward = slave.get(f"/api/apps/pages/logs?lines=60&cursor={older['entries'][-1]['cursor']}")
    assert numbers(forward["entries"]) == list(range(150, 210))
    last = slave.get(f"/api/apps/pages/logs?lines=60&cursor={forward['next_cursor']}")
    assert (numbers(last["entries"]), last["next_cursor"]) == (list(range(210, 250)), None)
    found = slave.get("/api/apps/pages/logs?grep=SEQ%3D17%20&since=1h")
    assert numbers(found["entries"]) == [17]
    assert slave.get("/api/apps/pages/logs?grep=nowhere")["entries"] == []
    assert slave.get("/api/apps/pages/logs?priority=emerg")["entries"] == []


def test_journalds_own_suppression_is_shown_as_a_gap(slave: LogSlave) -> None:
    slave.put_app("loud", NOISE, 20000, 3000)
    unit = "/etc/systemd/system/d8-app-loud.service"
    slave.host.run(f"sed -i 's/IntervalSec=1s/IntervalSec=5s/; s/Burst=.*/Burst=100/' {unit}")
    slave.host.run("systemctl daemon-reload")
    with slave.connect("loud", lines=0) as connection:
        slave.start("loud")
        read_until(connection, lambda items: len(numbers(items)) >= 100)
        time.sleep(6)  # journald tells of it with the first line of the next interval
        slave.start("loud")
        items = read_until(connection, lambda items: any(item["type"] == "suppressed" for item in items))
    [told] = [item for item in items if item["type"] == "suppressed"]
    assert "Suppressed" in told["message"]
    assert told["time"].endswith("Z")


def test_an_order_by_webhook_is_followed_once(slave: LogSlave) -> None:
    slave.put_app("hooked", NOISE, 10, 10)
    slave.start("hooked")
    secret = WebhookSecret("a-secret-for-the-webhook")
    assert slave.call("PUT", "/api/agent/webhook", {"secret": secret.secret}) == (
        200,
        {"enabled": True, "plain": False},
    )
    body = b'{"action": "status", "app_name": "hooked"}'
    now = int(slave.host.run("date +%s").stdout)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(now),
        "webhook-signature": sign(secret, "msg_1", now, body),
    }
    status, answer = slave.call("POST", "/webhook/command", body, headers)
    assert (status, answer.get("state")) == (200, "active"), answer
    assert slave.call("POST", "/webhook/command", body, headers)[0] == 409
    assert slave.call("PUT", "/api/agent/webhook", {})[1]["enabled"] is False
