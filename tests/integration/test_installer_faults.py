"""What the bootstrap that the installer leaves must survive: silent, dripping and huge clients, and its own death."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from slave_agent.bootstrap.connections import MOST_BUSY
from tests.support.agent_process import free_port
from tests.support.bootstrap_process import RunningBootstrap, running_bootstrap, start_bootstrap

SILENT_CLIENTS = 200


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningBootstrap]:
    with running_bootstrap(tmp_path) as running:
        yield running


def health_seconds(server: RunningBootstrap) -> float:
    began = time.monotonic()
    assert server.get("/api/health", token=None, timeout_seconds=10).status == 200
    return time.monotonic() - began


def processes_with(marker: str) -> list[int]:
    """The processes whose command line holds this text."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if marker.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def wait_until_gone(marker: str, seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while processes_with(marker):
        assert time.monotonic() < deadline, f"still there: {processes_with(marker)}"
        time.sleep(0.05)


def marked_sleep() -> tuple[str, str]:
    """A command that sleeps long, and the text by which to find it among the processes."""
    seconds = str(100_000_000 + secrets.randbelow(100_000_000))
    return f"sleep {seconds}", seconds


# --- clients ---


@pytest.mark.parametrize("speaks", ["nothing", "half a handshake", "drips", "plain drips"])
def test_health_answers_beside_200_clients_that_do_not(server: RunningBootstrap, speaks: str) -> None:
    with contextlib.ExitStack() as stack:
        channels = []
        for _ in range(SILENT_CLIENTS):
            channel: socket.socket = socket.create_connection((server.address, server.port), 10)
            if speaks == "half a handshake":
                channel.sendall(b"\x16\x03\x01")
            channels.append(stack.enter_context(channel))
        stopping = threading.Event()

        def drip() -> None:
            data = b"G" if speaks == "plain drips" else b"\x16"
            while not stopping.wait(0.2):
                for channel in channels:
                    with contextlib.suppress(OSError):
                        channel.send(data)

        dripper = threading.Thread(target=drip)
        if "drips" in speaks:
            dripper.start()
        try:
            assert max(health_seconds(server) for _ in range(5)) < 1
        finally:
            stopping.set()
            if dripper.is_alive():
                dripper.join()


def test_health_answers_beside_clients_that_drip_their_headers(server: RunningBootstrap) -> None:
    with contextlib.ExitStack() as stack:
        channels = [stack.enter_context(server.connect()) for _ in range(100)]
        for channel in channels:
            channel.sendall(b"GET /api/health HTTP/1.1\r\nX: ")
        for _ in range(5):
            for channel in channels:
                channel.sendall(b"x")
            assert health_seconds(server) < 1


def test_more_clients_than_there_is_room_for_do_not_close_the_door(server: RunningBootstrap) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(500):
            stack.enter_context(socket.create_connection((server.address, server.port), 10))
        assert max(health_seconds(server) for _ in range(3)) < 1


def test_all_room_for_waiting_taken_leaves_health_alone(server: RunningBootstrap) -> None:
    job_id = server.execute("sleep 30", wait=False).document["id"]
    with contextlib.ExitStack() as stack:
        head = f"GET /api/jobs/{job_id}?wait=20 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n\r\n"

        def wait_there() -> None:
            stack.enter_context(channel := server.connect())
            channel.sendall(head.encode())

        for _ in range(MOST_BUSY):
            wait_there()
        deadline = time.monotonic() + 10
        while server.get(f"/api/jobs/{job_id}").status != 503:
            assert time.monotonic() < deadline
            wait_there()  # for one that found its place taken by the look
        assert health_seconds(server) < 1
        assert server.post(f"/api/jobs/{job_id}/cancel").document["state"] == "cancelled"


def test_a_gigabyte_announced_is_refused_with_flat_memory(server: RunningBootstrap) -> None:
    before = server.resident_bytes()
    with server.connect() as channel:
        head = f"POST /api/execute HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n"
        channel.sendall(f"{head}Content-Length: {1 << 30}\r\n\r\n".encode())
        with contextlib.suppress(OSError):
            for _ in range(200):
                channel.sendall(b"x" * 65536)
        assert channel.recv(64).startswith(b"HTTP/1.1 413 ")
    assert server.resident_bytes() - before < 20_000_000


def test_a_large_upload_is_streamed(server: RunningBootstrap) -> None:
    size = 100 * 1024 * 1024
    block = b"x" * (1024 * 1024)
    digest = hashlib.sha256()
    for _ in range(100):
        digest.update(block)
    before = server.resident_bytes()
    headers = {"X-Content-SHA256": digest.hexdigest(), "Content-Length": str(size)}
    answer = server.request("PUT", "/api/files/large", body=iter([block] * 100), headers=headers)
    assert answer.status == 201
    assert server.resident_bytes() - before < 20_000_000


def test_an_upload_that_breaks_off_leaves_nothing(server: RunningBootstrap) -> None:
    with server.connect() as channel:
        head = f"PUT /api/files/part HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n"
        channel.sendall(f"{head}X-Content-SHA256: {'0' * 64}\r\nContent-Length: 1000\r\n\r\nsome".encode())
    deadline = time.monotonic() + 5
    while list((server.folder / "work").iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_client_that_leaves_does_not_end_its_command(server: RunningBootstrap) -> None:
    with server.connect() as channel:
        body = json.dumps({"command": "sleep 1.5; echo done", "id": "left-alone"})
        head = f"POST /api/execute HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n"
        channel.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        time.sleep(0.5)
    answer = server.execute("sleep 1.5; echo done", id="left-alone")
    assert answer.document["stdout"] == "done\n"


def test_10000_wrong_tokens_and_then_the_right_one(server: RunningBootstrap) -> None:
    connection = server.connection()
    statuses = set()
    for number in range(10_000):
        connection.request("GET", "/api/version", headers={"Authorization": f"Bearer guess-{number}"})
        response = connection.getresponse()
        response.read()
        statuses.add(response.status)
    connection.close()
    assert statuses == {401, 429}
    began = time.monotonic()
    assert server.get("/api/version").status == 200
    assert time.monotonic() - began < 0.5


# --- commands ---

LEAVES_BEHIND = {
    "a child": "{sleep} & echo x",
    "a child in a session of its own": "setsid {sleep} & echo x",
    "a double fork": "(setsid sh -c '{sleep} & {sleep}' &) ; echo x",
    "nohup": "nohup {sleep} >/dev/null 2>&1 & echo x",
    "one that ignores TERM": "sh -c 'trap \"\" TERM; {sleep}; {sleep}' & sleep 0.3; echo x",
    "one that is stopped": "{sleep} & kill -STOP $!; echo x",
    "a tree": "for i in 1 2 3; do (for j in 1 2 3; do (setsid {sleep} &); done); done; echo x",
}


@pytest.mark.parametrize("shape", LEAVES_BEHIND)
def test_what_a_command_leaves_behind_is_ended(server: RunningBootstrap, shape: str) -> None:
    sleep, marker = marked_sleep()
    answer = server.execute(LEAVES_BEHIND[shape].format(sleep=sleep), timeout=30)
    assert answer.document["stdout"] == "x\n"
    assert answer.document["state"] == "succeeded"
    assert processes_with(marker) == []


@pytest.mark.parametrize("shape", LEAVES_BEHIND)
def test_a_deadline_ends_all_of_it(server: RunningBootstrap, shape: str) -> None:
    sleep, marker = marked_sleep()
    answer = server.execute(LEAVES_BEHIND[shape].format(sleep=sleep) + f"; {sleep}", timeout=1)
    assert answer.document["state"] == "timed_out"
    assert processes_with(marker) == []


def test_a_service_that_drops_the_tag_stays(server: RunningBootstrap) -> None:
    sleep, marker = marked_sleep()
    answer = server.execute(f"env -u D8_JOB_TAG setsid {sleep} >/dev/null 2>&1 & echo started")
    assert answer.document["stdout"] == "started\n"
    left = processes_with(marker)
    assert len(left) == 1
    os.kill(left[0], signal.SIGKILL)


def test_a_fork_chain_is_ended(server: RunningBootstrap) -> None:
    _, marker = marked_sleep()
    script = f"chain() {{ : {marker}; sleep 0.01; chain & }}; chain; sleep 60"
    answer = server.execute(f"sh -c '{script}'", timeout=1)
    assert answer.document["state"] == "timed_out"
    wait_until_gone(marker)


def test_endless_output_stops_at_the_quota(server: RunningBootstrap) -> None:
    document = server.execute("yes", timeout=3).document
    assert document["state"] == "timed_out" and document["truncated"] is True
    assert (server.folder / "jobs" / document["id"] / "stdout").stat().st_size == 64 * 1024 * 1024


def test_secrets_of_a_command_leave_no_trace(server: RunningBootstrap) -> None:
    secret = secrets.token_hex(16)
    job = server.execute("cat >/dev/null; sleep 2", stdin=secret, env={"PASSWORD": secret}, wait=False).document
    for path in server.folder.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path
    assert processes_with(secret) == []
    server.post(f"/api/jobs/{job['id']}/cancel")
    assert secret not in server.command_log and secret not in server.log


def test_every_command_is_logged_with_its_outcome(server: RunningBootstrap) -> None:
    server.execute("exit 7; # \x1b[31mred\nline", id="logged")
    deadline = time.monotonic() + 5
    while "exit code 7" not in server.command_log:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    lines = [line for line in server.command_log.splitlines() if "[logged]" in line]
    assert len(lines) == 2
    assert all(line.endswith("exit 7; # \\x1b[31mred\\nline") for line in lines)


# --- the server's own death ---


def test_killed_in_the_middle_of_a_command_nothing_is_lost_or_run_twice(
    server: RunningBootstrap, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    command = f"echo began; echo run >> {trace}; sleep 1.5; echo ended"
    assert server.execute(command, id="survivor", wait=False).status == 202
    server.kill()
    server.restart()
    again = server.execute(command, id="survivor").document
    assert again["state"] == "succeeded"
    assert again["stdout"] == "began\nended\n"
    assert trace.read_text() == "run\n"


@pytest.mark.parametrize("rounds", [10, pytest.param(200, marks=pytest.mark.full)])
def test_killed_at_random_moments_no_acknowledged_command_is_lost(
    server: RunningBootstrap, tmp_path: Path, rounds: int
) -> None:
    acknowledged = []
    for number in range(rounds):
        job_id, trace = f"job-{number}", tmp_path / f"trace-{number}"
        command = f"echo run >> {trace}; sleep 0.2"
        killer = threading.Timer(0.2 * number / rounds, server.process.kill)
        killer.start()
        with contextlib.suppress(Exception):
            if server.execute(command, id=job_id, wait=False).status == 202:
                acknowledged.append((job_id, command))
        killer.join()
        server.process.wait()
        server.restart()
        document = server.execute(command, id=job_id).document
        assert document["state"] == "succeeded"
        assert trace.read_text() == "run\n"
    for job_id, command in acknowledged:
        assert server.execute(command, id=job_id).document["state"] == "succeeded"


def test_a_job_whose_supervisor_died_is_lost_and_swept(server: RunningBootstrap) -> None:
    sleep, marker = marked_sleep()
    server.execute(f"setsid {sleep} & wait", id="orphan", wait=False)
    state = json.loads((server.folder / "jobs" / "orphan" / "state.json").read_text())
    time.sleep(0.3)
    os.kill(state["pid"], signal.SIGKILL)
    deadline = time.monotonic() + 10
    while server.get("/api/jobs/orphan").document["state"] == "running":
        assert time.monotonic() < deadline
    assert server.get("/api/jobs/orphan").document["state"] == "lost"
    wait_until_gone(marker)


def test_stopping_finishes_replies_and_leaves_jobs_running(server: RunningBootstrap) -> None:
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(server.execute("sleep 3; echo end", id="goes-on")))
    waiting.start()
    time.sleep(0.7)
    assert server.stop() == 0
    waiting.join()
    assert answers[0].status == 202
    assert answers[0].document == {"id": "goes-on", "state": "running"}
    server.restart()
    assert server.execute("sleep 3; echo end", id="goes-on").document["stdout"] == "end\n"


def test_the_port_taken_is_told_with_who_and_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AssertionError) as failure, running_bootstrap(tmp_path, port=port):
            pass
    text = str(failure.value)
    assert f"Port {port} is taken by process {os.getpid()}" in text
    assert f"kill {os.getpid()}" in text


def test_a_second_server_of_the_same_folder_is_refused(server: RunningBootstrap) -> None:
    second = start_bootstrap(server.folder)
    assert second.wait(10) == 1
    assert f"running already (pid {server.process.pid})" in server.log
    assert server.get("/api/health").status == 200


def test_after_its_last_day_the_right_token_is_not_enough(tmp_path: Path) -> None:
    with running_bootstrap(tmp_path, expires="2020-01-01T00:00:00Z") as server:
        answer = server.get("/api/version")
        assert answer.status == 401
        assert "expired on 2020-01-01" in answer.document["detail"]
        assert "clock" in answer.document["hint"] and "install script" in answer.document["hint"]
        assert server.get("/api/health", token=None).status == 200


def test_without_tls_health_warns(tmp_path: Path) -> None:
    with running_bootstrap(tmp_path, tls=False) as server:
        document = server.get("/api/health", token=None).document
        assert document["tls"] is False
        assert "no TLS" in document["warnings"][0]
        assert server.execute("echo plain").document["stdout"] == "plain\n"
        assert "No TLS" in server.log
