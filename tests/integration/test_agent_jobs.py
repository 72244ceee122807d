"""Commands and uploads on a really started agent."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.agent_process import Answer, RunningAgent


def eventually(is_so: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


def processes_with(mark: str) -> list[int]:
    """The processes whose command line holds the mark."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def test_a_command_is_run(agent: RunningAgent, tmp_path: Path) -> None:
    answer = agent.execute(
        'echo "out $X"; cat >&2; pwd; exit 3', working_dir=str(tmp_path), stdin="in ñ", env={"X": "y"}
    )
    assert answer.status == 200
    document = answer.document
    assert (document["success"], document["exit_code"], document["state"]) == (False, 3, "failed")
    assert document["stdout"] == f"out y\n{tmp_path}\n"
    assert document["stderr"] == "in ñ"
    assert document["timed_out"] is False
    assert document["timeout_seconds"] == 300


def test_a_command_starts_in_the_work_folder(agent: RunningAgent) -> None:
    assert agent.execute("pwd").document["stdout"].strip() == str(agent.state_dir / "work")


def test_what_systemd_said_to_the_agent_is_not_told_to_commands(agent: RunningAgent) -> None:
    assert "NOTIFY_SOCKET" not in agent.execute("env").document["stdout"]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"comand": "ls"}, "comand"),
        ({"command": ""}, "command"),
        ({"command": "ls", "timeout": 0}, "timeout"),
        ({"command": "ls", "timeout": 86401}, "timeout"),
        ({"command": "ls", "timeout": "5"}, "timeout"),
        ({"command": "ls", "env": {"A B": "c"}}, "env"),
        ({"command": "ls", "id": "../x"}, "id"),
        ({"command": "ls", "wait": "no"}, "wait"),
        ({"command": 7}, "command"),
    ],
)
def test_a_wrong_field_is_named(agent: RunningAgent, fields: dict[str, object], named: str) -> None:
    answer = agent.post("/api/execute", fields)
    assert answer.status == 422
    assert named in answer.document["detail"]


def test_a_command_that_takes_too_long_is_ended(agent: RunningAgent) -> None:
    document = agent.execute("echo begun; sleep 61", timeout=1).document
    assert (document["timed_out"], document["state"], document["exit_code"]) == (True, "timed_out", None)
    assert document["stdout"] == "begun\n"


def test_the_same_id_is_the_same_job(agent: RunningAgent, tmp_path: Path) -> None:
    command = f"echo x >> {tmp_path}/count; sleep 0.5"
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _number: agent.execute(command, id="once"), range(8)))
    assert {(answer.status, answer.document["id"]) for answer in answers} == {(200, "once")}
    assert (tmp_path / "count").read_text() == "x\n"
    assert agent.execute("true", id="once").status == 409


def test_output_is_read_from_an_offset(agent: RunningAgent) -> None:
    begun = agent.execute("printf 'uno ñ'; sleep 1; printf ' dos'; printf err >&2", wait=False)
    assert begun.status == 202
    where = begun.headers["Location"]
    assert where == f"/api/jobs/{begun.document['id']}"
    first = agent.get(f"{where}?wait=10").document
    assert (first["stdout"], first["next_offset"], first["state"]) == ("uno ñ", 6, "running")
    assert first["exit_code"] is None
    text, errors, offset, error_offset, state = (
        first["stdout"],
        first["stderr"],
        6,
        first["next_stderr_offset"],
        "running",
    )
    while state == "running":
        more = agent.get(f"{where}?offset={offset}&stderr_offset={error_offset}&wait=10").document
        text, errors, state = text + more["stdout"], errors + more["stderr"], more["state"]
        offset, error_offset = more["next_offset"], more["next_stderr_offset"]
    assert (text, errors, state) == ("uno ñ dos", "err", "succeeded")
    assert agent.get(f"{where}?offset=4&limit=4").document["stdout"] == "ñ d"


def test_a_long_poll_waits_no_longer_than_it_was_told(agent: RunningAgent) -> None:
    where = agent.execute("sleep 31", wait=False).headers["Location"]
    began = time.monotonic()
    assert agent.get(f"{where}?wait=0.5").document["state"] == "running"
    assert 0.4 < time.monotonic() - began < 2
    agent.post(f"{where}/cancel")


def test_waiting_holds_nothing_up(agent: RunningAgent) -> None:
    """Far more clients wait than Flask has threads; it answers all the same."""
    where = agent.execute("sleep 33", wait=False).headers["Location"]
    with ThreadPoolExecutor(60) as pool:
        polls = [pool.submit(agent.get, f"{where}?wait=20") for _ in range(40)]
        waits = [pool.submit(agent.execute, "sleep 33", id=where.rpartition("/")[2]) for _ in range(20)]
        time.sleep(1.5)
        for path in ("/api/health", "/api/version", "/api/system"):
            began = time.monotonic()
            assert agent.get(path).status == 200
            assert time.monotonic() - began < 1
        assert agent.post(f"{where}/cancel").document["state"] == "cancelled"
        assert {poll.result().document["state"] for poll in polls} == {"cancelled"}
        assert {wait.result().document["state"] for wait in waits} == {"cancelled"}


def test_cancel_ends_everything_and_may_be_repeated(agent: RunningAgent) -> None:
    where = agent.execute("sleep 3971 & setsid sleep 3971 & wait", wait=False).headers["Location"]
    eventually(lambda: len(processes_with("sleep\0003971")) == 2)
    for _ in range(2):
        answer = agent.post(f"{where}/cancel")
        assert (answer.status, answer.document["state"], answer.document["success"]) == (200, "cancelled", False)
    assert processes_with("sleep\0003971") == []
    assert agent.post("/api/jobs/nothing/cancel").status == 404


def test_endless_output_is_capped(agent: RunningAgent) -> None:
    document = agent.execute("yes 0123456789 | head -c 3000000; echo end").document
    assert document["truncated"] is True
    assert len(document["stdout"]) <= 2**20
    assert document["stdout"].endswith("end\n")


def test_a_client_that_leaves_does_not_stop_its_command(agent: RunningAgent, tmp_path: Path) -> None:
    order = {"command": f"sleep 1; touch {tmp_path}/done", "id": "left"}
    with pytest.raises(TimeoutError):
        agent.post("/api/execute", order, timeout_seconds=0.5)
    eventually((tmp_path / "done").exists)
    assert agent.get("/api/jobs/left?wait=5").document["state"] == "succeeded"


def test_killed_in_the_middle_of_a_command(own_agent: RunningAgent) -> None:
    """The command goes on or is lost, nothing stays behind, and the agent that comes back knows."""
    answers: list[Answer | BaseException] = []

    def wait_for_it() -> None:
        try:
            answers.append(own_agent.execute("echo begun; sleep 3; echo done", id="survivor"))
        except OSError as error:
            answers.append(error)

    waiting = threading.Thread(target=wait_for_it)
    waiting.start()
    eventually(lambda: (own_agent.state_dir / "jobs" / "survivor" / "state.json").exists())
    own_agent.kill()
    waiting.join()
    assert isinstance(answers[0], OSError)
    own_agent.restart()
    document = own_agent.execute("echo begun; sleep 3; echo done", id="survivor").document
    assert document["state"] in ("succeeded", "lost")
    if document["state"] == "succeeded":
        assert document["stdout"] == "begun\ndone\n"


def test_killed_with_its_supervisor_the_job_is_lost(own_agent: RunningAgent) -> None:
    own_agent.execute("sleep 4001 & sleep 4001", id="gone", wait=False)
    eventually(lambda: len(processes_with("sleep\0004001")) == 2)
    own_agent.kill()
    for pid in processes_with(str(own_agent.state_dir / "jobs" / "gone")):
        os.kill(pid, signal.SIGKILL)
    own_agent.restart()
    assert own_agent.get("/api/jobs/gone").document["state"] == "lost"
    eventually(lambda: processes_with("sleep\0004001") == [])


def upload(agent: RunningAgent, name: str, content: bytes, **headers: str) -> Answer:
    digest = {"X-Content-SHA256": hashlib.sha256(content).hexdigest()}
    return agent.request("PUT", f"/api/files/{name}", body=content, headers=digest | headers)


def test_a_file_is_put_into_the_work_folder(agent: RunningAgent) -> None:
    content = bytes(range(256)) * 4096
    answer = upload(agent, "wheel-1.0.whl", content)
    path = agent.state_dir / "work" / "wheel-1.0.whl"
    assert answer.status == 201
    assert answer.document == {"path": str(path), "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert path.read_bytes() == content
    assert path.stat().st_mode & 0o777 == 0o600
    assert upload(agent, "empty", b"").status == 201


def test_a_file_that_arrives_damaged_is_not_there(agent: RunningAgent) -> None:
    answer = upload(agent, "damaged", b"content", **{"X-Content-SHA256": hashlib.sha256(b"other").hexdigest()})
    assert answer.status == 422
    assert not (agent.state_dir / "work" / "damaged").exists()
    assert list((agent.state_dir / "work").glob(".*")) == []


@pytest.mark.parametrize("name", ["..", ".hidden", "a%2Fb", "a%00b", "x" * 129, "a%0a", "%2e%2e%2fx"])
def test_a_name_that_leads_elsewhere_is_refused(agent: RunningAgent, name: str) -> None:
    assert upload(agent, name, b"content").status in (404, 422)


def test_an_upload_says_how_long_it_is(agent: RunningAgent) -> None:
    digest = {"X-Content-SHA256": hashlib.sha256(b"content").hexdigest()}
    assert agent.request("PUT", "/api/files/chunked", body=iter([b"content"]), headers=digest).status == 411
    assert agent.request("PUT", "/api/files/plain", body=b"content").status == 422


def test_what_does_not_fit_is_refused_before_it_is_sent(agent: RunningAgent) -> None:
    headers = {"X-Content-SHA256": "0" * 64, "Content-Length": str(2**60)}
    with agent.connect() as connection:
        lines = [f"{name}: {value}" for name, value in headers.items()]
        request = ("PUT /api/files/huge HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {agent.token}", *lines)
        connection.sendall(("\r\n".join(request) + "\r\n\r\n").encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 507")


def test_an_upload_that_breaks_off_leaves_nothing(agent: RunningAgent) -> None:
    with agent.connect() as connection:
        lines = ("PUT /api/files/broken HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {agent.token}")
        sizes = ("Content-Length: 1000000", f"X-Content-SHA256: {'0' * 64}")
        connection.sendall(("\r\n".join((*lines, *sizes)) + "\r\n\r\n").encode() + bytes(5000))
        eventually(lambda: list((agent.state_dir / "work").glob(".*.part")) != [])
    eventually(lambda: list((agent.state_dir / "work").glob(".*.part")) == [])
    assert not (agent.state_dir / "work" / "broken").exists()
