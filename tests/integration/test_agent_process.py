"""How the agent starts, refuses to start, stops, and hangs on systemd."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.agent_process import (
    REPOSITORY,
    Answer,
    RunningAgent,
    free_port,
    running_agent,
    start_process,
    write_credentials,
    write_private,
    write_settings,
)
from tests.support.pki import CertificateAuthority

AUTHORITY = CertificateAuthority()


def installed(folder: Path, **overrides: object) -> Path:
    """An agent that was installed and never started."""
    write_settings(folder, **overrides)
    write_credentials(folder, "some random token", AUTHORITY.issue())
    return folder


def check(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "slave_agent", "--settings", str(folder / "agent.json"), *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=30, check=False)


def test_what_can_be_used_passes_the_check(tmp_path: Path) -> None:
    done = check(installed(tmp_path), "--check")
    assert (done.returncode, done.stderr) == (0, "")


def credentials(folder: Path, **fields: object) -> None:
    path = folder / "state" / "credentials.json"
    document = json.loads(path.read_text())
    document["current"] |= fields
    write_private(path, json.dumps(document))


SPOILED: dict[str, tuple[Callable[[Path], object], str]] = {
    "no credentials": (lambda folder: (folder / "state" / "credentials.json").unlink(), "credentials.json"),
    "empty token": (lambda folder: credentials(folder, token_sha256=""), "is empty"),
    "blank token": (lambda folder: credentials(folder, token_sha256="  "), "is empty"),
    "hash of an empty token": (
        lambda folder: credentials(folder, token_sha256=hashlib.sha256(b"").hexdigest()),
        "sample token",
    ),
    "placeholder": (lambda folder: credentials(folder, token_sha256="placeholder"), "SHA-256"),
    "hash of a sample": (
        lambda folder: credentials(folder, token_sha256=hashlib.sha256(b"your-token-here").hexdigest()),
        "sample token",
    ),
    "no key": (lambda folder: (folder / "state" / "tls" / "installer.key").unlink(), "installer.key"),
    "nonsense for a key": (
        lambda folder: (folder / "state" / "tls" / "installer.key").write_text("nonsense"),
        "installer.key",
    ),
    "open key": (lambda folder: (folder / "state" / "tls" / "installer.key").chmod(0o644), "open to others"),
    "open store": (lambda folder: (folder / "state" / "credentials.json").chmod(0o640), "open to others"),
    "open state": (lambda folder: (folder / "state").chmod(0o755), "open to others"),
    "writable settings": (lambda folder: (folder / "agent.json").chmod(0o666), "chmod go-w"),
    "no settings": (lambda folder: (folder / "agent.json").unlink(), "agent.json"),
}


@pytest.mark.parametrize("name", SPOILED)
@pytest.mark.parametrize("arguments", [(), ("--check",)], ids=["start", "check"])
def test_it_refuses_to_start(tmp_path: Path, name: str, arguments: tuple[str, ...]) -> None:
    spoil, told = SPOILED[name]
    spoil(installed(tmp_path))
    done = check(tmp_path, *arguments)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_an_address_can_be_given(tmp_path: Path) -> None:
    """As the staging instance does: the settings' port stays free."""
    with running_agent(tmp_path) as agent:
        port = free_port()
        process = start_process(agent.folder, "--listen", f"127.0.0.1:{port}")
        staged = RunningAgent(**{**agent.__dict__, "port": port, "process": process})
        try:
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                try:
                    assert staged.get("/api/health").status == 200
                    break
                except OSError:
                    time.sleep(0.05)
            else:
                pytest.fail(agent.log)
        finally:
            staged.stop()


def test_a_busy_port_is_waited_for(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        folder = installed(tmp_path, port=port)
        process = start_process(folder)
        time.sleep(3)
        assert process.poll() is None
    agent = RunningAgent("127.0.0.1", port, True, "some random token", None, folder, process, AUTHORITY)
    try:
        deadline = time.monotonic() + 10
        while True:
            try:
                assert agent.get("/api/version").status == 200
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
    finally:
        agent.stop()


def test_who_holds_the_port_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        began = time.monotonic()
        done = check(installed(tmp_path, port=holder.getsockname()[1]))
        assert 18 < time.monotonic() - began < 28
    assert done.returncode == 1
    assert f"process {os.getpid()}" in done.stderr


def test_a_request_in_flight_is_finished(own_agent: RunningAgent) -> None:
    answers: list[Answer] = []
    request = threading.Thread(target=lambda: answers.append(own_agent.execute("sleep 1.5; echo done")))
    request.start()
    time.sleep(0.7)
    began = time.monotonic()
    own_agent.process.terminate()
    own_agent.process.wait(10)
    request.join()
    assert (answers[0].status, answers[0].document["stdout"]) == (200, "done\n")
    assert time.monotonic() - began < 5


def test_what_takes_too_long_hears_so_and_goes_on(own_agent: RunningAgent) -> None:
    answers: list[Answer] = []
    request = threading.Thread(target=lambda: answers.append(own_agent.execute("sleep 6; echo done", id="long")))
    request.start()
    while not (own_agent.state_dir / "jobs" / "long").exists():
        time.sleep(0.05)
    began = time.monotonic()
    own_agent.stop()
    assert time.monotonic() - began < 5
    request.join()
    assert answers[0].status == 503
    assert "/api/jobs/long" in answers[0].document["hint"]
    own_agent.restart()
    assert own_agent.execute("sleep 6; echo done", id="long").document["stdout"] == "done\n"


NEVER_DONE = """
import pathlib, time
pathlib.Path(__file__).with_name('asked').touch()
time.sleep(60)
"""


def test_what_a_stop_cuts_off_hears_so_and_is_written_down(own_agent: RunningAgent) -> None:
    """Here the activation hangs: nothing in the agent ends the wait for it but the stop itself."""
    (own_agent.folder / "release" / "d8-activate").write_text(NEVER_DONE, encoding="utf-8")
    answers: list[Answer] = []
    request = threading.Thread(target=lambda: answers.append(own_agent.post("/api/agent/rollback")))
    request.start()
    deadline = time.monotonic() + 30
    while not (own_agent.folder / "release" / "asked").exists():
        assert time.monotonic() < deadline, "the activation was never asked"
        time.sleep(0.05)
    own_agent.stop()
    request.join()
    assert [answer.status for answer in answers] == [503]
    assert "the agent stops" in answers[0].document["detail"]
    lines = (own_agent.state_dir / "audit.jsonl").read_text(encoding="utf-8").splitlines()
    assert [(line["what"], line["status"]) for line in map(json.loads, lines)] == [("POST /api/agent/rollback", 503)]
    assert "Traceback" not in own_agent.log


def test_idle_connections_do_not_hold_the_end_up(own_agent: RunningAgent) -> None:
    idle = [socket.create_connection(("127.0.0.1", own_agent.port)) for _ in range(20)]
    idle += [own_agent.connect() for _ in range(20)]
    began = time.monotonic()
    own_agent.stop()
    duration_seconds = time.monotonic() - began
    for one in idle:
        one.close()
    assert duration_seconds < 3


PASS_SOCKET = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.executable, [sys.executable, "-m", "slave_agent", "--settings", sys.argv[2]])
"""


def test_systemd_passes_the_socket_and_hears_how_it_goes(tmp_path: Path) -> None:
    folder = installed(tmp_path)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
    ):
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        port = listener.getsockname()[1]
        early = socket.create_connection(("127.0.0.1", port))
        process = subprocess.Popen(
            [sys.executable, "-c", PASS_SOCKET, str(listener.fileno()), str(folder / "agent.json")],
            cwd=REPOSITORY,
            pass_fds=[listener.fileno()],
            env=os.environ | {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "3000000"},
            stderr=subprocess.DEVNULL,
        )
        agent = RunningAgent("127.0.0.1", port, True, "some random token", None, folder, process, AUTHORITY)
        try:
            assert manager.recv(100) == b"READY=1"
            assert agent.get("/api/version").status == 200
            environment = agent.execute("env; ls -l /proc/self/fd | wc -l").document["stdout"]
            assert not {"NOTIFY_SOCKET", "LISTEN_FDS", "WATCHDOG_USEC"} & {
                line.partition("=")[0] for line in environment.splitlines()
            }
            assert [manager.recv(100) for _ in range(2)] == [b"WATCHDOG=1"] * 2
        finally:
            agent.stop()
            early.close()
        assert manager.recv(100) in (b"WATCHDOG=1", b"STOPPING=1")
        later = socket.create_connection(("127.0.0.1", port), 5)  # systemd holds the port: nobody is refused
        later.close()


def test_a_stopped_agent_stops_pinging(tmp_path: Path) -> None:
    """A hung event loop is what the watchdog is for."""
    folder = installed(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        environment = os.environ | {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "3000000"}
        process = start_process(folder, environment=environment)
        try:
            assert manager.recv(100) == b"READY=1"
            assert manager.recv(100) == b"WATCHDOG=1"
            process.send_signal(signal.SIGSTOP)
            manager.settimeout(3)
            with pytest.raises(TimeoutError):
                for _ in range(3):
                    manager.recv(100)
        finally:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            process.wait(10)


def test_it_is_small(own_agent: RunningAgent) -> None:
    """Idle, and after every kind of request."""
    for path in ("/api/health", "/api/version", "/api/system", "/api/nothing"):
        own_agent.get(path)
    own_agent.execute("true")
    rollup = Path(f"/proc/{own_agent.process.pid}/smaps_rollup").read_text()
    proportional = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    assert proportional < 42_000, f"{proportional} kB"
