"""A master that dies or is told to stop in the middle of a build, at the moment that its log tells."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from typing import Any

from tests.lab.host import Host
from tests.support.master import Master

Condition = Callable[[dict[str, Any]], bool]


def newest_log(master: Master) -> dict[str, Any]:
    """Return the log of the newest build, also of one that runs."""
    logs = sorted((master.data / "build_logs").glob("build_*.json"))
    return json.loads(logs[-1].read_text()) if logs else {"commands": [], "steps": []}


def start_until(
    master: Master, host: Host, condition: Condition, *words: str, seconds: float = 120
) -> subprocess.Popen[str]:
    """Start a build; return its process as soon as the log is as wanted."""
    build = master.start("build", host.address, *words)
    deadline = time.monotonic() + seconds
    while not condition(newest_log(master)):
        assert time.monotonic() < deadline and build.poll() is None, build.communicate()
        time.sleep(0.005)
    return build


def kill_when(master: Master, host: Host, condition: Condition, *words: str) -> dict[str, Any]:
    """Start a build, kill -9 it as soon as the log is as wanted; return the log that is left."""
    build = start_until(master, host, condition, *words)
    build.kill()
    build.communicate()
    return newest_log(master)


def is_running(part: str) -> Condition:
    """Return the condition that a command with these words runs on the slave."""
    return lambda document: any(one["state"] == "running" and part in one["command"] for one in document["commands"])
