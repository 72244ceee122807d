"""How a slave gets credentials of its own, on a really started agent, and how the agent gives way."""

from __future__ import annotations

import hashlib
import json
import secrets
import socket
import ssl
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.support.agent_process import COMMIT, RunningAgent, asked_of_activation, running_agent
from tests.support.pki import CertificateAuthority, Pair


def order(agent: RunningAgent, token: str, pair: Pair) -> dict[str, Any]:
    return {
        "slave_id": "slave-127-0-0-1",
        "token_sha256": hashlib.sha256(token.encode()).hexdigest(),
        "certificate": pair.certificate,
        "private_key": pair.private_key,
        "ca_certificate": agent.authority.certificate,
    }


def state(agent: RunningAgent) -> dict[str, bytes]:
    """What is on the disk, without the audit log, which tells of refusals too."""
    files = [path for path in sorted(agent.state_dir.rglob("*")) if path.is_file() and path.name != "audit.jsonl"]
    return {str(path): path.read_bytes() for path in files}


def test_from_enrolment_to_confirmation(own_agent: RunningAgent) -> None:
    old, new, pair = own_agent.token, secrets.token_urlsafe(24), own_agent.authority.issue()
    assert own_agent.post("/api/agent/confirm", token=old).status == 409, "nothing is enrolled yet"

    with closing(own_agent.connection()) as open_before:
        open_before.request("GET", "/api/health")
        open_before.getresponse().read()
        enrolled = own_agent.post("/api/agent/enroll", order(own_agent, new, pair), token=old)
        assert (enrolled.status, enrolled.document) == (200, {"enrolled": True, "fingerprint": pair.fingerprint})
        open_before.request("GET", "/api/version", headers={"Authorization": f"Bearer {new}"})
        assert open_before.getresponse().status == 200, "a connection from before goes on"

    for token in (old, new):
        answer = own_agent.get("/api/version", token=token)
        assert (answer.status, answer.fingerprint) == (200, pair.fingerprint)
    assert own_agent.post("/api/agent/enroll", order(own_agent, new, pair), token=old).status == 200
    assert own_agent.post("/api/agent/confirm", token=old).status == 409, "only the newest token confirms"
    assert asked_of_activation(own_agent) == []

    for _ in range(2):
        confirmed = own_agent.post("/api/agent/confirm", token=new)
        assert (confirmed.status, confirmed.document) == (200, {"confirmed": True, "commit": COMMIT})
    assert set(asked_of_activation(own_agent)) == {"confirm"}
    assert own_agent.get("/api/version", token=old).status == 401
    assert own_agent.post("/api/agent/enroll", order(own_agent, old, pair), token=old).status == 401
    assert own_agent.post("/api/agent/enroll", order(own_agent, new, pair), token=new).status == 200
    assert not list(own_agent.state_dir.rglob("installer*")), "the installer's key is gone from the disk"

    own_agent.stop()
    own_agent.restart()
    assert own_agent.get("/api/version", token=new).fingerprint == pair.fingerprint
    assert own_agent.get("/api/version", token=old).status == 401


def test_without_tls_the_token_alone_is_enrolled(tmp_path: Path) -> None:
    plain: dict[str, Any] = dict.fromkeys(("certificate", "private_key", "ca_certificate"))
    with running_agent(tmp_path, tls=False) as agent:
        order_of_token = order(agent, "fresh token", agent.authority.issue()) | plain
        assert agent.post("/api/agent/enroll", order_of_token).document == {"enrolled": True, "fingerprint": None}
        assert agent.post("/api/agent/confirm", token="fresh token").status == 200
        assert agent.get("/api/version").status == 401, "the installer's token is dead"
        agent.stop()
        agent.restart()
        assert agent.get("/api/version", token="fresh token").status == 200


def test_a_browser_or_curl_with_the_ca_just_works(own_agent: RunningAgent) -> None:
    pair = own_agent.authority.issue()
    own_agent.post("/api/agent/enroll", order(own_agent, "fresh token", pair))
    context = ssl.create_default_context(cadata=own_agent.authority.certificate)
    with socket.create_connection(("127.0.0.1", own_agent.port)) as plain:
        context.wrap_socket(plain, server_hostname="127.0.0.1").close()


def test_an_enrolment_outlives_a_crash(own_agent: RunningAgent) -> None:
    pair = own_agent.authority.issue()
    assert own_agent.post("/api/agent/enroll", order(own_agent, "fresh token", pair)).status == 200
    own_agent.kill()
    own_agent.restart()
    for token in ("fresh token", own_agent.token):
        assert own_agent.get("/api/version", token=token).fingerprint == pair.fingerprint


def test_a_failed_enrolment_changes_nothing(own_agent: RunningAgent) -> None:
    pair, other = own_agent.authority.issue(), own_agent.authority.issue()
    good = order(own_agent, "fresh token", pair)
    before = state(own_agent)
    for spoiled in (
        {"private_key": other.private_key},
        {"certificate": "nonsense"},
        {"ca_certificate": CertificateAuthority().certificate},
        {"token_sha256": hashlib.sha256(b"changeme").hexdigest()},
        {"slave_id": "line\nbreak"},
        {"unknown": 1},
        {"certificate": None},
    ):
        answer = own_agent.post("/api/agent/enroll", good | spoiled)
        assert answer.status == 422, spoiled
        assert pair.private_key not in answer.body.decode()
    assert state(own_agent) == before
    assert own_agent.get("/api/version").fingerprint == own_agent.fingerprint
    assert own_agent.get("/api/version", token="fresh token").status == 401
    assert "PRIVATE KEY" not in own_agent.log


def test_a_new_enrolment_replaces_the_pending_one(own_agent: RunningAgent) -> None:
    for token in ("first token", "second token"):
        pair = own_agent.authority.issue()
        assert own_agent.post("/api/agent/enroll", order(own_agent, token, pair)).status == 200
    assert own_agent.get("/api/version", token="first token").status == 401
    assert own_agent.post("/api/agent/confirm", token="second token").status == 200
    rotated = own_agent.authority.issue()
    assert own_agent.post("/api/agent/enroll", order(own_agent, "third", rotated), token="second token").status == 200
    assert own_agent.post("/api/agent/confirm", token="third").status == 200
    assert own_agent.get("/api/version", token="second token").status == 401


def test_a_confirmation_that_the_activation_refuses_can_be_repeated(own_agent: RunningAgent) -> None:
    """The tokens are switched already; the way back stays armed until the activation agrees."""
    own_agent.post("/api/agent/enroll", order(own_agent, "fresh token", own_agent.authority.issue()))
    stand_in = own_agent.folder / "release" / "d8-activate"
    willing = stand_in.read_text()
    refusing = {"error": "the timer can't be stopped", "hint": "stop it by hand"}
    stand_in.write_text(f"import sys; print({json.dumps(refusing)!r}); sys.exit(1)")
    refused = own_agent.post("/api/agent/confirm", token="fresh token")
    assert refused.status == 502
    assert "the timer can't be stopped" in refused.document["detail"]
    assert refused.document["hint"] == "stop it by hand"
    stand_in.write_text(willing)
    assert own_agent.post("/api/agent/confirm", token="fresh token").status == 200


def test_giving_way_is_asked_of_the_activation(own_agent: RunningAgent) -> None:
    assert own_agent.post("/api/agent/bootstrap").status == 202
    assert own_agent.post("/api/agent/uninstall").status == 202
    assert asked_of_activation(own_agent) == ["return-to-bootstrap", "uninstall"]
    assert own_agent.post("/api/agent/uninstall", {"force": True}).status == 422


def test_no_secret_lies_open(own_agent: RunningAgent) -> None:
    own_agent.post("/api/agent/enroll", order(own_agent, "fresh token", own_agent.authority.issue()))
    for path in [own_agent.state_dir, *own_agent.state_dir.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path
    environment = Path(f"/proc/{own_agent.process.pid}/environ").read_bytes()
    for token in (own_agent.token, "fresh token"):
        assert token.encode() not in environment
        assert all(token.encode() not in path.read_bytes() for path in own_agent.folder.rglob("*") if path.is_file())
