"""Uploads, the same on every server."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path

import pytest

from tests.contract.test_requests import problem_of
from tests.support.agent_process import Answer, RunningAgent

CONTENT = secrets.token_bytes(300_000)


def upload(server: RunningAgent, name: str, content: bytes, sha256: str | None = None) -> Answer:
    headers = {"X-Content-SHA256": sha256 or hashlib.sha256(content).hexdigest()}
    return server.request("PUT", f"/api/files/{name}", body=content, headers=headers)


def test_a_file_arrives_whole_and_private(server: RunningAgent) -> None:
    answer = upload(server, "archive-1.0.tar.gz", CONTENT)
    assert answer.status == 201
    document = answer.document
    assert document["size"] == len(CONTENT)
    assert document["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    path = Path(document["path"])
    assert path.name == "archive-1.0.tar.gz"
    assert path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_empty_file_is_a_file(server: RunningAgent) -> None:
    assert Path(upload(server, "empty", b"").document["path"]).read_bytes() == b""


def test_a_commands_can_use_it(server: RunningAgent) -> None:
    path = upload(server, "script.sh", b"echo from the script\n").document["path"]
    assert server.execute(f"sh '{path}'").document["stdout"] == "from the script\n"


def test_a_damaged_file_is_refused_and_leaves_the_old_one(server: RunningAgent) -> None:
    path = Path(upload(server, "kept", b"old").document["path"])
    answer = upload(server, "kept", b"new", hashlib.sha256(b"other").hexdigest())
    assert problem_of(answer)["status"] == 422
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in path.parent.iterdir() if "part" in entry.name or "tmp" in entry.name] == []


@pytest.mark.parametrize(
    "name", [".hidden", "a%2Fb", "-x", "x" * 129, "a b".replace(" ", "%20"), "ñ".encode().hex() + "~"]
)
def test_a_strange_name_is_refused(server: RunningAgent, name: str) -> None:
    assert upload(server, name, b"x").status in (404, 422)


@pytest.mark.parametrize("sha256", ["", "abc", "z" * 64])
def test_a_digest_that_is_none_is_422(server: RunningAgent, sha256: str) -> None:
    answer = server.request("PUT", "/api/files/name", body=b"x", headers={"X-Content-SHA256": sha256})
    assert problem_of(answer)["status"] == 422


def test_a_missing_digest_is_422(server: RunningAgent) -> None:
    assert problem_of(server.request("PUT", "/api/files/name", body=b"x"))["status"] == 422


def test_a_body_without_length_is_411(server: RunningAgent) -> None:
    headers = {"X-Content-SHA256": hashlib.sha256(b"x").hexdigest()}
    answer = server.request("PUT", "/api/files/name", body=iter([b"x"]), headers=headers)
    assert problem_of(answer)["status"] == 411
