"""The .bat's installer and the bootstrap where the POSIX modules are missing: what can be known of Windows on Linux."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from d8.installers.batch import UNPACK
from d8.installers.generator import write_batch_installer
from d8.models import Installer
from tests.integration.test_installer_script import NOW
from tests.support import windows_like
from tests.support.agent_process import free_port, presented_fingerprint, unchecked_context
from tests.support.installers import make_installer

WINDOWS = Path(windows_like.__file__)


class Console:
    """Somebody at a Windows: a home, the .bat, and what its last line runs."""

    def __init__(self, home: Path) -> None:
        home.mkdir()
        self.home = home
        self.installer: Installer = make_installer(port=free_port())
        self.script = write_batch_installer(self.installer, home / "Downloads & more", NOW)
        self.unpack = home / "unpack.py"
        self.unpack.write_text(UNPACK)
        self.folder = home / "d8_slave"

    def run(self, *options: str, expect: int = 0) -> str:
        """Run the installer with these options; return what it printed."""
        done = subprocess.run(
            [sys.executable, WINDOWS, self.unpack, self.script, *options],
            env={"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8"},
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout + done.stderr

    def ask(self, method: str, path: str, document: Any = None) -> tuple[int, Any]:
        """Call the server with the installer's token, the certificate checked first."""
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.installer.port, timeout=60, context=unchecked_context()
        )
        connection.connect()
        assert presented_fingerprint(connection.sock) == self.installer.fingerprint
        body = None if document is None else json.dumps(document)
        bearer = f"Bearer {self.installer.token}"
        connection.request(method, path, body=body, headers={"Authorization": bearer})
        response = connection.getresponse()
        answer = json.loads(response.read())
        connection.close()
        return response.status, answer

    def execute(self, command: str, **fields: Any) -> Any:
        """Run a command there; return the answer of POST /api/execute."""
        code, answer = self.ask("POST", "/api/execute", {"command": command, **fields})
        assert code == 200, answer
        return answer


def command_lines() -> Iterator[bytes]:
    """Every process of this machine."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield path.read_bytes()


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    made = Console(tmp_path / "Users leo")
    yield made
    made.run("--uninstall")


def test_it_installs_starts_answers_and_goes_without_a_trace(console: Console) -> None:
    said = console.run("--start")
    assert "is free" in said and "netsh advfirewall" in said and "WSL 2" in said
    assert all(path.stat().st_mode & 0o077 == 0 for path in [console.folder, *console.folder.iterdir()])
    code, health = console.ask("GET", "/api/health")
    assert (code, health["mode"]) == (200, "bootstrap")
    assert health["host"]["os"] == "Windows 11", "by this the master knows that it can't build here"
    assert health["host"]["user"] and health["host"]["addresses"]
    answer = console.execute("echo $((6 * 7)); echo no >&2; exit 3")
    assert (answer["state"], answer["exit_code"]) == ("failed", 3)
    assert (answer["stdout"], answer["stderr"]) == ("42\n", "no\n")
    assert "removed" in console.run("--uninstall") and not console.folder.exists()


def test_standard_input_environment_and_large_output(console: Console) -> None:
    console.run("--start")
    answer = console.execute('cat; printf %s "$SECRET"', stdin="from the master ñ\n", env={"SECRET": "s3cret-value"})
    assert answer["stdout"] == "from the master ñ\ns3cret-value"
    assert not any(b"s3cret-value" in path.read_bytes() for path in console.folder.rglob("request.json"))
    large = console.execute("head -c 3000000 /dev/zero | tr '\\0' x")
    assert large["success"] and large["truncated"] and set(large["stdout"]) == {"x"}


def test_a_command_past_its_time_ends_with_what_is_below_it(console: Console) -> None:
    console.run("--start")
    began = time.monotonic()
    answer = console.execute("sh -c 'sleep 4711; true'; true", timeout=1)
    assert answer["state"] == "timed_out" and time.monotonic() - began < 20
    assert not [words for words in command_lines() if words == b"sleep\x004711\0"]


def test_a_job_can_be_cancelled(console: Console) -> None:
    console.run("--start")
    code, started = console.ask("POST", "/api/execute", {"command": "echo on; sleep 600", "wait": False})
    assert code == 202
    code, job = console.ask("POST", f"/api/jobs/{started['id']}/cancel", {})
    assert (code, job["state"]) == (200, "cancelled")


def test_a_second_start_restarts_and_a_taken_port_is_told(console: Console) -> None:
    console.run("--start")
    said = console.run("--start")
    assert "restarting" in said
    assert console.execute("echo again")["stdout"] == "again\n"
    other = console.home / "other"
    said = console.run("--dir", str(other), "--start", expect=1)
    assert "netstat -ano" in said and not other.exists()
    foreign = console.home / "foreign"
    foreign.mkdir()
    (foreign / "mine.txt").write_text("mine")
    assert "not a D8 server's" in console.run("--dir", str(foreign), expect=1)
    assert [path.name for path in foreign.iterdir()] == ["mine.txt"]


def test_a_killed_server_finds_its_jobs_again(console: Console) -> None:
    console.run("--start")
    code, started = console.ask("POST", "/api/execute", {"command": "sleep 3; echo done", "wait": False, "id": "long"})
    assert code == 202 and started["id"] == "long"
    os.kill(int((console.folder / "slave_server.pid").read_text()), 9)
    console.run("--start")
    deadline = time.monotonic() + 30
    while (job := console.ask("GET", "/api/jobs/long")[1])["state"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert (job["state"], job["stdout"]) == ("succeeded", "done\n")
