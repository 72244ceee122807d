"""Commands and jobs, the same on every server."""

from __future__ import annotations

import secrets
import time
from typing import Any

import pytest

from tests.contract.test_requests import problem_of
from tests.support.agent_process import RunningAgent


def new_id() -> str:
    return "test-" + secrets.token_hex(6)


def wait_for_end(server: RunningAgent, job_id: str, seconds: float = 20) -> dict[str, Any]:
    """Follow a job to its end and return the last answer with all its output."""
    deadline = time.monotonic() + seconds
    stdout, stderr, offset, stderr_offset = "", "", 0, 0
    while time.monotonic() < deadline:
        path = f"/api/jobs/{job_id}?offset={offset}&stderr_offset={stderr_offset}&wait=5"
        document: dict[str, Any] = server.get(path).document
        stdout += document["stdout"]
        stderr += document["stderr"]
        moved = (document["next_offset"], document["next_stderr_offset"]) != (offset, stderr_offset)
        offset, stderr_offset = document["next_offset"], document["next_stderr_offset"]
        if document["state"] != "running" and not moved:
            return document | {"stdout": stdout, "stderr": stderr}
    raise AssertionError(f"job {job_id} did not end")


def test_a_command_answers_with_all_it_did(server: RunningAgent) -> None:
    answer = server.execute("printf 'hola ñ'; printf 'mal' >&2; exit 3")
    assert answer.status == 200
    document = answer.document
    expected = {"state": "failed", "success": False, "stdout": "hola ñ", "stderr": "mal", "exit_code": 3}
    assert {name: document[name] for name in expected} == expected
    assert document["timed_out"] is False and document["truncated"] is False
    assert document["timeout_seconds"] == 300
    assert 0 <= document["duration_seconds"] < 10
    assert document["id"]


def test_the_missions_request_works(server: RunningAgent) -> None:
    document = server.execute("echo hola", working_dir="/").document
    assert (document["success"], document["stdout"], document["exit_code"]) == (True, "hola\n", 0)


def test_a_killed_command_has_the_shells_exit_code(server: RunningAgent) -> None:
    assert server.execute("kill -9 $$").document["exit_code"] == 137


def test_standard_input_and_environment_arrive(server: RunningAgent) -> None:
    document = server.execute(
        'cat; printf "%s" "$GREETING"', stdin="from stdin ", env={"GREETING": "a $b 'c'"}
    ).document
    assert document["stdout"] == "from stdin a $b 'c'"


def test_without_standard_input_there_is_none(server: RunningAgent) -> None:
    assert server.execute("cat", timeout=5).document["success"] is True


def test_a_missing_working_dir_is_a_failed_command(server: RunningAgent) -> None:
    answer = server.execute("pwd", working_dir="/nowhere/at/all")
    assert answer.status in (200, 422)
    assert "/nowhere/at/all" in answer.body.decode() or "working_dir" in answer.body.decode()


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({}, "command"),
        ({"command": ""}, "command"),
        ({"command": 1}, "command"),
        ({"command": None}, "command"),
        ({"command": "a\0b"}, "command"),
        ({"command": "\ud800"}, "command"),
        ({"command": "true", "surprise": 1}, "surprise"),
        ({"command": "true", "timeout": 0}, "timeout"),
        ({"command": "true", "timeout": 86401}, "timeout"),
        ({"command": "true", "timeout": True}, "timeout"),
        ({"command": "true", "timeout": "5"}, "timeout"),
        ({"command": "true", "env": []}, "env"),
        ({"command": "true", "env": {"A-B": "x"}}, "env"),
        ({"command": "true", "env": {"A": 1}}, "env"),
        ({"command": "true", "stdin": 1}, "stdin"),
        ({"command": "true", "working_dir": 1}, "working_dir"),
        ({"command": "true", "id": "a b"}, "id"),
        ({"command": "true", "id": "x" * 65}, "id"),
        ({"command": "true", "id": "../x"}, "id"),
        ({"command": "true", "wait": "yes"}, "wait"),
        ([], "object"),
    ],
)
def test_a_wrong_field_is_422_and_named(server: RunningAgent, document: object, named: str) -> None:
    answer = server.post("/api/execute", document)
    assert answer.status == 422
    assert named in str(problem_of(answer)["detail"])


def test_a_deadline_ends_the_command(server: RunningAgent) -> None:
    document = server.execute("echo before; sleep 60", timeout=1).document
    assert document["state"] == "timed_out"
    assert document["timed_out"] is True and document["success"] is False
    assert document["exit_code"] is None
    assert document["stdout"] == "before\n"
    assert document["duration_seconds"] < 10


def test_without_waiting_the_job_is_followed_by_offset(server: RunningAgent) -> None:
    job_id = new_id()
    answer = server.execute("for i in 1 2 3; do echo line $i; sleep 0.2; done; echo end >&2", id=job_id, wait=False)
    assert answer.status == 202
    assert answer.document["id"] == job_id
    assert answer.headers["Location"] == f"/api/jobs/{job_id}"
    document = wait_for_end(server, job_id)
    assert document["stdout"] == "line 1\nline 2\nline 3\n"
    assert document["stderr"] == "end\n"
    assert document["state"] == "succeeded" and document["exit_code"] == 0
    assert document["started"] <= document["ended"]


def test_offsets_count_bytes_and_texts_end_with_whole_characters(server: RunningAgent) -> None:
    job_id = server.execute("printf 'añ🤖z'").document["id"]
    texts, offset = [], 0
    while True:
        document = server.get(f"/api/jobs/{job_id}?offset={offset}&limit=4").document
        if not document["stdout"]:
            break
        texts.append(document["stdout"])
        offset = document["next_offset"]
    assert "".join(texts) == "añ🤖z"
    assert offset == len("añ🤖z".encode())


def test_a_long_poll_waits_for_output_and_returns_when_it_comes(server: RunningAgent) -> None:
    job_id = new_id()
    server.execute("sleep 0.7; echo now; sleep 20", id=job_id, wait=False)
    began = time.monotonic()
    document = server.get(f"/api/jobs/{job_id}?wait=10").document
    assert document["stdout"] == "now\n"
    assert time.monotonic() - began < 5
    began = time.monotonic()
    assert server.get(f"/api/jobs/{job_id}?offset={document['next_offset']}&wait=1").document["stdout"] == ""
    assert time.monotonic() - began < 4
    server.post(f"/api/jobs/{job_id}/cancel")


def test_a_cancelled_job_stays_cancelled(server: RunningAgent) -> None:
    job_id = new_id()
    server.execute("sleep 60", id=job_id, wait=False)
    for _ in range(2):
        answer = server.post(f"/api/jobs/{job_id}/cancel")
        assert answer.status == 200
        assert answer.document["state"] == "cancelled"
        assert answer.document["success"] is False


def test_cancelling_what_has_ended_changes_nothing(server: RunningAgent) -> None:
    job_id = server.execute("true").document["id"]
    assert server.post(f"/api/jobs/{job_id}/cancel").document["state"] == "succeeded"


def test_the_same_id_runs_once(server: RunningAgent, tmp_path: Any) -> None:
    job_id, trace = new_id(), tmp_path / "trace"
    command = f"echo run; echo x >> '{trace}' || true"
    first = server.execute(command, id=job_id).document
    second = server.execute(command, id=job_id).document
    assert second["stdout"] == first["stdout"] == "run\n"
    assert second["started"] == first["started"]
    assert not trace.exists() or trace.read_text() == "x\n"


def test_the_same_id_with_another_command_is_409(server: RunningAgent) -> None:
    job_id = new_id()
    server.execute("true", id=job_id)
    assert problem_of(server.execute("false", id=job_id))["status"] == 409


@pytest.mark.parametrize("path", ["/api/jobs/unknown", "/api/jobs/..", "/api/jobs/a%2e%2e"])
def test_an_unknown_job_is_404(server: RunningAgent, path: str) -> None:
    assert problem_of(server.get(path))["status"] == 404


def test_cancelling_an_unknown_job_is_404(server: RunningAgent) -> None:
    assert problem_of(server.post("/api/jobs/unknown/cancel"))["status"] == 404


@pytest.mark.parametrize(
    "query",
    [
        "offset=-1",
        "offset=x",
        "offset=1.5",
        "offset=",
        "offset=1099511627777",
        "stderr_offset=1e3",
        "limit=0",
        "limit=1048577",
        "wait=-1",
        "wait=nan",
        "wait=60",
        "size=1",
    ],
)
def test_a_wrong_field_of_the_query_is_422_and_named(server: RunningAgent, query: str) -> None:
    job_id = server.execute("true").document["id"]
    answer = server.get(f"/api/jobs/{job_id}?{query}")
    assert problem_of(answer)["status"] == 422
    assert query.partition("=")[0] in answer.document["detail"]


@pytest.mark.parametrize("query", ["wait=30", "wait=0.5", "limit=1048576", "offset=1099511627776"])
def test_the_largest_numbers_of_the_query_are_taken(server: RunningAgent, query: str) -> None:
    job_id = server.execute("true").document["id"]
    assert server.get(f"/api/jobs/{job_id}?{query}").status == 200


def test_much_output_is_capped_to_its_tail(server: RunningAgent) -> None:
    document = server.execute("head -c 3000000 /dev/zero | tr '\\0' x; echo the end").document
    assert document["truncated"] is True
    assert len(document["stdout"]) == 1024 * 1024
    assert document["stdout"].endswith("the end\n")
    job = server.get(f"/api/jobs/{document['id']}?offset=2999990").document
    assert job["stdout"] == "x" * 10 + "the end\n"
    assert job["truncated"] is False


def test_output_that_is_not_text_arrives_all_the_same(server: RunningAgent) -> None:
    document = server.execute("printf 'a\\377b\\033[31m\\000c'").document
    assert document["stdout"] == "a\ufffdb\x1b[31m\0c"


def test_a_long_command_runs_beside_health(server: RunningAgent) -> None:
    job_id = new_id()
    server.execute("sleep 20", id=job_id, wait=False)
    began = time.monotonic()
    assert server.get("/api/health", token=None).status == 200
    assert time.monotonic() - began < 1
    server.post(f"/api/jobs/{job_id}/cancel")
