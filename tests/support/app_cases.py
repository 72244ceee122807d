"""What must hold for apps on every kind of slave: the mission's cases, and what surrounds them. Each case is told the
slave; the files in lab_cases say which slaves there are.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.support.app_slave import AppSlave, Document, eventually, fastapi, module, node, npm, python

KINDS: dict[str, tuple[Callable[[AppSlave], Document], int | None]] = {
    "node": (node, 3100),
    "npm": (npm, 3101),
    "fastapi": (fastapi, 8100),
    "python": (python, None),
    "module": (module, None),
}


def an_app_lives_from_register_to_delete(slave: AppSlave, kind: str) -> None:
    """Register; the pid exists; stop, it is gone; start; restart, a new pid; ten lines of log; delete, nothing left."""
    make, port = KINDS[kind]
    document = make(slave) | {"stabilisation_seconds": 1}
    name = document["name"]

    registered = slave.done("POST", "/api/apps/register", document, 201)
    assert (registered["status"], registered["state"], registered["enabled"]) == ("running", "active", True), registered
    assert registered["problem"] is None
    assert slave.owner_of(registered["pid"]) == slave.user
    assert name in slave.names()
    if port is not None:
        eventually(lambda: slave.asks_app(port, "/health")["status"] == "ok", f"{name} to answer")
    assert len(slave.has_lines(name, 5)) == 5

    stopped = slave.done("POST", f"/api/apps/{name}/stop")
    assert (stopped["status"], stopped["pid"]) == ("stopped", None), stopped
    assert slave.owner_of(registered["pid"]) == ""

    started = slave.done("POST", f"/api/apps/{name}/start")
    assert started["status"] == "running" and slave.owner_of(started["pid"]) == slave.user
    restarted = slave.done("POST", f"/api/apps/{name}/restart")
    assert restarted["pid"] not in (None, started["pid"])
    assert slave.owner_of(started["pid"]) == "" and slave.owner_of(restarted["pid"]) == slave.user

    assert slave.done("POST", f"/api/apps/{name}/disable")["enabled"] is False
    assert slave.done("POST", f"/api/apps/{name}/enable")["enabled"] is True

    assert slave.done("DELETE", f"/api/apps/{name}") == {"removed": name}
    assert slave.owner_of(restarted["pid"]) == ""
    assert slave.left_of(name) == []
    assert slave.call("GET", f"/api/apps/{name}/status").status == 404
    assert slave.call("DELETE", f"/api/apps/{name}").status == 404


def a_second_operation_within_a_second_is_refused(slave: AppSlave) -> None:
    """429 with Retry-After, and what was refused did not happen."""
    first = slave.done("POST", "/api/apps/register", python(slave, "limited"), 201)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: slave.call("POST", "/api/apps/limited/restart"), range(4)))
    refused = [answer for answer in answers if answer.status == 429]
    done = [answer for answer in answers if answer.status == 200]
    assert refused and done and len(refused) + len(done) == 4, answers
    assert all(int(answer.headers["Retry-After"]) >= 1 and answer.document["hint"] for answer in refused)
    assert len({first["pid"], *(answer.document["pid"] for answer in done)}) == 1 + len(done)
    time.sleep(float(refused[0].headers["Retry-After"]))
    assert slave.done("POST", "/api/apps/limited/stop")["pid"] is None
    slave.done("DELETE", "/api/apps/limited")


def what_can_not_run_is_refused_with_every_wrong_field_at_once(slave: AppSlave) -> None:
    """A missing script, an unknown user, a bad name, each named; and several in one answer. Nothing is left."""
    cases: list[tuple[Document, set[str]]] = [
        (node(slave, script=f"{slave.home}/node_app/missing.js"), {"script"}),
        (node(slave, user="nobody-here"), {"user"}),
        (node(slave, user="root"), {"user"}),
        (node(slave, "Bad Name"), {"name"}),
        (node(slave, "../shop"), {"name"}),
        (node(slave, working_dir=f"{slave.home}/missing"), {"working_dir"}),
        (node(slave, colour="red"), {"colour"}),
        (
            node(slave, "Bad Name", script=f"{slave.home}/missing.js", tasks=-1),
            {"name", "script", "tasks"},
        ),
    ]
    for document, fields in cases:
        answer = slave.call("POST", "/api/apps/register", document)
        assert answer.status == 422, (document, answer)
        assert fields <= {problem["field"] for problem in answer.document["problems"]}, (document, answer)
        assert all(problem["message"] for problem in answer.document["problems"])
    assert slave.names() == []
    assert slave.left_of("shop") == []


def an_app_that_crashes_at_start_is_refused_with_its_reason(slave: AppSlave, kind: str) -> None:
    """The exit code, the last lines, and nothing half-made. Also if it ends only after it was up."""
    make, _ = KINDS[kind]
    document = make(slave) | {"environment": {"CRASH": "at-start"}}
    answer = slave.call("POST", "/api/apps/register", document)
    assert answer.status == 422, answer
    assert answer.document["type"] == "urn:d8:app-did-not-stay-up"
    assert answer.document["exit_code"] == 3, answer.document
    assert any("the database is not configured" in line for line in answer.document["log"]), answer.document
    assert slave.names() == [] and slave.left_of(document["name"]) == []

    if kind == "node":
        later = node(slave, environment={"CRASH": "after-start", "PORT": "3100"}, stabilisation_seconds=5)
        answer = slave.patiently("POST", "/api/apps/register", later)
        assert (answer.status, answer.document.get("exit_code")) == (422, 4), answer
        assert slave.left_of("shop") == []


def a_change_is_shown_applied_on_request_and_taken_back_if_it_fails(slave: AppSlave) -> None:
    """PATCH: a dry run, a change that waits for a restart, one that restarts, one that goes back by itself."""
    first = slave.done("POST", "/api/apps/register", node(slave), 201)
    planned = slave.done("PATCH", "/api/apps/shop", {"tasks": 64, "dry_run": True})
    assert planned["changes"] == [{"field": "tasks", "before": None, "after": 64}]
    assert slave.shows("shop", "TasksMax")["TasksMax"] != "64"

    waiting = slave.done("PATCH", "/api/apps/shop", {"tasks": 64, "environment": {"VERSION": "2"}})
    assert (waiting["restarted"], waiting["needs_restart"], waiting["app"]["pid"]) == (False, True, first["pid"])
    assert slave.asks_app(3100, "/health")["version"] == "1"

    changed = slave.done("PATCH", "/api/apps/shop", {"environment": {"GREETING": None}, "restart": True})
    assert changed["restarted"] is True and changed["app"]["pid"] != first["pid"]
    eventually(lambda: slave.asks_app(3100, "/health")["version"] == "2", "the new version")
    assert "GREETING" not in slave.asks_app(3100, "/environment")
    assert slave.shows("shop", "TasksMax")["TasksMax"] == "64"
    detail = slave.done("GET", "/api/apps/shop")
    assert detail["environment_names"] == ["PORT", "VERSION"] and detail["config"]["tasks"] == 64
    assert 0 < detail["exposure"] < 10
    assert "environment" not in detail["config"]

    broken = slave.patiently("PATCH", "/api/apps/shop", {"environment": {"CRASH": "at-start"}, "restart": True})
    assert (broken.status, broken.document["restored"], broken.document["exit_code"]) == (422, True, 3), broken
    eventually(lambda: slave.asks_app(3100, "/health")["version"] == "2", "the former version")
    assert slave.done("GET", "/api/apps/shop")["environment_names"] == ["PORT", "VERSION"]
    slave.done("DELETE", "/api/apps/shop")
    assert slave.left_of("shop") == []
