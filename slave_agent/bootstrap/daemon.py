"""Starts the server in the background, out of reach of the shell and the ssh session, and waits until it answers."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Sequence

from slave_agent.bootstrap.configuration import Configuration
from slave_agent.bootstrap.errors import BootstrapError
from slave_agent.bootstrap.host_facts import local_addresses
from slave_agent.bootstrap.host_system import BACKGROUND_FLAGS, HAS_POSIX
from slave_agent.bootstrap.pid_file import running_pid
from slave_agent.bootstrap.port_check import ask_health
from slave_agent.bootstrap.texts import say

PATIENCE_SECONDS = 30.0


class NotStarted(BootstrapError):
    """The server that was started in the background ended again, or never answered."""


def reachable_hosts(bind: str, own: Sequence[str]) -> list[str]:
    """Given what the server binds and the machine's addresses, return those under which it answers. Pure."""
    answering = {"0.0.0.0": [host for host in own if ":" not in host], "::": list(own)}
    return answering.get(bind) or [bind]


def server_urls(configuration: Configuration) -> list[str]:
    """Return the addresses to give to the master."""
    scheme = "https" if configuration.tls else "http"
    hosts = reachable_hosts(configuration.bind, local_addresses())
    in_brackets = [f"[{host}]" if ":" in host else host for host in hosts]
    return [f"{scheme}://{host}:{configuration.port}" for host in in_brackets]


def start_in_background(configuration: Configuration) -> int:
    """Start the server if it does not run already; print where it answers and return 0. Raises NotStarted with
    the reason.
    """
    language = configuration.language
    pid = running_pid(configuration.pid_file)
    if pid is not None:
        print(say(language, "started_already", pid=pid))
    else:
        pid = _start(configuration)
    print(say(language, "started", pid=pid))
    for url in server_urls(configuration):
        print(f"   {url}")
    return 0


def _start(configuration: Configuration) -> int:
    """Return the number of the server's process once it answers."""
    language = configuration.language
    complaints = configuration.folder / "start.log"
    with complaints.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-I", str(_script()), "--config", str(configuration.folder / "config.json")],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stream,
            start_new_session=True,
            creationflags=BACKGROUND_FLAGS,
        )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            reason = complaints.read_text(encoding="utf-8", errors="replace").strip()
            raise NotStarted(say(language, "not_started", reason=reason), say(language, "not_started_hint"))
        pid = running_pid(configuration.pid_file)
        is_ours = pid == process.pid or not HAS_POSIX  # on Windows python.exe may be a launcher of the real one
        if pid is not None and is_ours and ask_health(configuration):
            process.returncode = 0  # it is on its own now
            return pid
        time.sleep(0.1)
    process.kill()
    reason = say(language, "no_answer", seconds=PATIENCE_SECONDS)
    raise NotStarted(say(language, "not_started", reason=reason), say(language, "not_started_hint"))


def _script() -> Path:
    return Path(sys.argv[0]).resolve()
