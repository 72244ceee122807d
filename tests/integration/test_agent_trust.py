"""Scopes of tokens, their end, and the audit log: a real agent, every route of its table."""

from __future__ import annotations

import hashlib
import secrets
import time
from pathlib import Path
from typing import Any

import pytest

from slave_agent.app import route_table
from slave_agent.routes import Route
from slave_agent.states import RIGHTS_OF, Right, TokenScope
from tests.support.agent_process import RunningAgent, running_agent
from tests.unit.agent.test_routes import services

__all__ = ["services"]

NO_RIGHT = "this token has no right"
HTTP_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def grant(agent: RunningAgent, name: str, scope: str) -> str:
    token = secrets.token_urlsafe(24)
    body = {"scope": scope, "token_sha256": hashlib.sha256(token.encode()).hexdigest()}
    assert agent.request("PUT", f"/api/agent/tokens/{name}", body).status == 201
    return token


def audit_with(agent: RunningAgent, what: str, status: int) -> dict[str, Any]:
    """The entry about a deed, once it is there: it is written after the reply."""
    deadline = time.monotonic() + 30
    while True:
        entries: list[dict[str, Any]] = agent.get("/api/audit").document["entries"]
        found = [entry for entry in entries if entry["what"] == what and entry["status"] == status]
        if found:
            return found[-1]
        assert time.monotonic() < deadline, f"{what} {status} never came into the audit log: {entries}"
        time.sleep(0.05)


def call(agent: RunningAgent, route: Route, token: str | None) -> tuple[int, str]:
    """Send something that no route does anything with; return the status and the detail of a refusal."""
    path = route.rule.replace("<name>", "x").replace("<job_id>", "x")
    method = route.method if route.method in HTTP_METHODS else "GET"
    body = None if method == "GET" else {"no such field": 1}
    answer = agent.request(method, path, body, token=token)
    return answer.status, answer.document.get("detail", "") if answer.status >= 400 else ""


@pytest.mark.parametrize("scope", list(TokenScope))
def test_every_route_keeps_to_the_scope(agent: RunningAgent, services: Any, scope: TokenScope) -> None:
    token = grant(agent, scope.value, scope.value)
    routes = list(route_table(services).routes)
    assert len(routes) > 15
    for route in routes:
        status, detail = call(agent, route, token)
        is_allowed = route.right in RIGHTS_OF[scope]
        is_refused = status == 403 and NO_RIGHT in detail
        assert is_refused is not is_allowed, f"{route.method} {route.rule} with {scope}: {status} {detail}"
        assert status != 401
        no_token, _ = call(agent, route, None)
        refused = 303 if route.is_panel and route.method == "GET" else 401
        assert (no_token == refused) is (route.right is not Right.NONE), f"{route.method} {route.rule}: {no_token}"


def test_a_token_is_dead_the_moment_it_is_revoked(own_agent: RunningAgent) -> None:
    token = grant(own_agent, "prometheus", "read")
    assert own_agent.get("/api/version", token=token).status == 200
    listed = own_agent.get("/api/agent/tokens").document["tokens"]
    assert [(one["name"], one["scope"]) for one in listed] == [("prometheus", "read")]
    assert hashlib.sha256(token.encode()).hexdigest() not in own_agent.get("/api/agent/tokens").body.decode()
    assert own_agent.request("DELETE", "/api/agent/tokens/prometheus").document == {"revoked": True}
    assert own_agent.get("/api/version", token=token).status == 401
    assert own_agent.request("DELETE", "/api/agent/tokens/prometheus").document == {"revoked": False}


def test_a_token_survives_kill_9_and_its_text_is_nowhere_on_the_disk(own_agent: RunningAgent) -> None:
    token = grant(own_agent, "ci", "operate")
    own_agent.kill()
    own_agent.restart()
    assert own_agent.get("/api/version", token=token).status == 200
    stored = b"".join(path.read_bytes() for path in sorted(own_agent.folder.rglob("*")) if path.is_file())
    assert token.encode() not in stored


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/agent/tokens/UPPER", {"scope": "read", "token_sha256": "a" * 63 + "b"}),
        ("/api/agent/tokens/master", {"scope": "read", "token_sha256": "a" * 63 + "b"}),
        ("/api/agent/tokens/..", {"scope": "read", "token_sha256": "a" * 63 + "b"}),
        ("/api/agent/tokens/ci", {"scope": "everything", "token_sha256": "a" * 63 + "b"}),
        ("/api/agent/tokens/ci", {"scope": ["read"], "token_sha256": "a" * 63 + "b"}),
        ("/api/agent/tokens/ci", {"scope": "read"}),
        ("/api/agent/tokens/ci", {"scope": "read", "token_sha256": hashlib.sha256(b"changeme").hexdigest()}),
        ("/api/agent/tokens/ci", {"scope": "read", "token_sha256": "a" * 63 + "b", "rights": "all"}),
    ],
)
def test_what_can_not_be_granted(agent: RunningAgent, path: str, body: dict[str, Any]) -> None:
    assert agent.request("PUT", path, body).status == 422
    assert "ci" not in [one["name"] for one in agent.get("/api/agent/tokens").document["tokens"]]


def test_the_masters_own_token_is_not_granted_to_anybody(own_agent: RunningAgent) -> None:
    body = {"scope": "read", "token_sha256": hashlib.sha256(own_agent.token.encode()).hexdigest()}
    assert own_agent.request("PUT", "/api/agent/tokens/ci", body).status == 409


def test_revoking_everything_leaves_nobody_in(tmp_path: Path) -> None:
    with running_agent(tmp_path, kind="agent") as agent:
        token = grant(agent, "ci", "manage")
        assert agent.post("/api/agent/revoke").status == 200
        for known in (token, agent.token):
            assert agent.get("/api/version", token=known).status == 401
        answer = agent.get("/api/health", token=None)
        assert (answer.status, answer.fingerprint) == (200, agent.fingerprint)
        agent.kill()
        agent.restart()
        assert agent.get("/api/version").status == 401


def enrol(agent: RunningAgent, master: str, **more: bool) -> str:
    """Enrol as the master whose token is given; return its next token."""
    new = secrets.token_urlsafe(24)
    pair = agent.authority.issue()
    body = {
        "slave_id": "slave-1",
        "token_sha256": hashlib.sha256(new.encode()).hexdigest(),
        "certificate": pair.certificate,
        "private_key": pair.private_key,
        "ca_certificate": agent.authority.certificate,
    }
    assert agent.post("/api/agent/enroll", body | more, token=master).status == 200
    return new


@pytest.mark.parametrize("kind", ["installer", "agent"])
def test_a_build_ends_what_was_granted_before_it(tmp_path: Path, kind: str) -> None:
    with running_agent(tmp_path, kind=kind) as agent:
        token = grant(agent, "ci", "read")
        new = enrol(agent, agent.token, begins_anew=True)
        agent.kill()
        agent.restart()
        assert agent.post("/api/agent/confirm", token=agent.token).status == 409
        assert agent.get("/api/version", token=token).status == 200, "it is not confirmed yet"
        assert agent.post("/api/agent/confirm", token=new).status == 200
        assert agent.get("/api/version", token=token).status == 401
        kept = grant_with(agent, new, "ci")
        assert agent.post("/api/agent/confirm", token=new).status == 200
        assert agent.get("/api/version", token=kept).status == 200
        rotated = enrol(agent, new)
        assert agent.post("/api/agent/confirm", token=rotated).status == 200
        assert agent.get("/api/version", token=kept).status == 200, "a rotation ends the master's own token alone"


def grant_with(agent: RunningAgent, master: str, name: str) -> str:
    token = secrets.token_urlsafe(24)
    body = {"scope": "read", "token_sha256": hashlib.sha256(token.encode()).hexdigest()}
    assert agent.request("PUT", f"/api/agent/tokens/{name}", body, token=master).status == 201
    return token


def test_the_audit_log_says_who_did_what_and_how_it_ended(own_agent: RunningAgent) -> None:
    token = grant(own_agent, "ci", "operate")
    assert own_agent.post("/api/execute", {"command": "echo hush", "wait": False}, token=token).status == 403
    assert own_agent.post("/api/execute", {"command": "echo hush", "wait": False}).status == 202
    assert own_agent.get("/api/version", token="wrong").status == 401
    granted = audit_with(own_agent, "PUT /api/agent/tokens/ci", 201)
    assert (granted["who"], granted["address"]) == ("installer", "127.0.0.1")
    assert audit_with(own_agent, "POST /api/execute", 403)["who"] == "ci"
    assert audit_with(own_agent, "POST /api/execute", 202)["who"] == "installer"
    assert audit_with(own_agent, "GET /api/version", 401)["who"] == "unknown"
    assert own_agent.log_with('127.0.0.1 ci "POST /api/execute" 403')  # in the journal, which no token can change
    assert own_agent.log_with('127.0.0.1 - "GET /api/version" 401')
    text = (own_agent.state_dir / "audit.jsonl").read_text()
    assert "hush" not in text
    assert token not in text
    page = own_agent.get("/api/audit?after=0&limit=1").document
    assert (len(page["entries"]), page["first_id"]) == (1, 1)
    last = own_agent.get("/api/audit").document["entries"][-1]["id"]
    before = own_agent.get(f"/api/audit?before={last}&limit=2").document["entries"]
    assert [entry["id"] for entry in before] == [last - 2, last - 1]
    assert own_agent.get("/api/audit?before=0").document["entries"] == []
    assert own_agent.get("/api/audit?after=x").status == 422
    assert own_agent.get("/api/audit?after=1&before=2").status == 422
    own_agent.kill()
    own_agent.restart()
    assert own_agent.get("/api/audit").document["entries"][0]["what"] == "PUT /api/agent/tokens/ci"


def test_a_spoilt_file_of_tokens_lets_in_nobody_but_the_master(own_agent: RunningAgent) -> None:
    token = grant(own_agent, "ci", "read")
    own_agent.kill()
    (own_agent.state_dir / "access_tokens.json").write_text("[{]")
    own_agent.restart()
    assert own_agent.get("/api/version", token=token).status == 401
    assert own_agent.get("/api/version").status == 200
    assert "granted tokens are refused" in own_agent.log_with("granted tokens are refused")
    again = grant(own_agent, "ci", "read")
    assert own_agent.get("/api/version", token=again).status == 200
