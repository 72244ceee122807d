"""Builds on real hosts whose master is killed -9: in the middle of installing, between steps, at the handover."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.support.master import Master

INSTALLING = "uv pip install"
Condition = Callable[[dict[str, Any]], bool]
BUILD = ("--yes", "--strategy", "venv")


@pytest.fixture
def master(tmp_path, lab: Lab) -> Master:
    return Master(tmp_path, lab.master_address, {"D8_CONFIRM_TIMEOUT": "20"}).in_a_clone()


def newest_log(master: Master) -> dict[str, Any]:
    logs = sorted((master.data / "build_logs").glob("build_*.json"))
    return json.loads(logs[-1].read_text()) if logs else {"commands": [], "steps": []}


def start_until(master: Master, host: Host, condition: Condition, *words: str):
    """Start a build; return its process as soon as the log is as wanted."""
    build = master.start("build", host.address, *BUILD, *words)
    deadline = time.monotonic() + 120
    while not condition(newest_log(master)):
        assert time.monotonic() < deadline and build.poll() is None, build.communicate()
        time.sleep(0.005)
    return build


def kill_when(master: Master, host: Host, condition: Condition) -> dict[str, Any]:
    build = start_until(master, host, condition)
    build.kill()
    build.communicate()
    return newest_log(master)


def is_installing(document: dict[str, Any]) -> bool:
    return any(one["state"] == "running" and INSTALLING in one["command"] for one in document["commands"])


def is_staging(document: dict[str, Any]) -> bool:
    return any(one["state"] == "running" and "d8-activate stage" in one["command"] for one in document["commands"])


def has_ended(step: str) -> Condition:
    return lambda document: any(one["step"] == step for one in document["steps"])


def resume(master: Master, host: Host) -> dict[str, Any]:
    document = master.json("build", host.address, *BUILD, "--resume")
    assert document["status"] == "success" and len(document["resumed"]) == 1, document
    installed = Counter(one["command"] for one in document["commands"] if one["step"] == "strategy")
    assert set(installed.values()) <= {1}, installed
    assert master.curl(host, "/api/system", token=master.token("agent"))[0] == 200
    return document


def test_killed_in_the_middle_of_installing_the_libraries(master: Master, bare_host: Host):
    master.bring_bootstrap(bare_host)
    left = kill_when(master, bare_host, is_installing)
    [interrupted] = [one for one in left["commands"] if one["state"] == "running"]
    document = resume(master, bare_host)
    [same] = [one for one in document["commands"] if one["command"] == interrupted["command"]]
    assert (same["job_id"], same["state"]) == (interrupted["job_id"], "succeeded")


@pytest.mark.parametrize(
    "step",
    [
        "source",
        "activation",
        pytest.param("preflight", marks=pytest.mark.full),
        pytest.param("strategy", marks=pytest.mark.full),
    ],
)
def test_killed_between_two_steps(master: Master, bare_host: Host, step: str):
    master.bring_bootstrap(bare_host)
    kill_when(master, bare_host, has_ended(step))
    resume(master, bare_host)


def test_killed_while_the_port_changes_hands(master: Master, bare_host: Host):
    master.bring_bootstrap(bare_host)
    kill_when(master, bare_host, lambda log: any("handover" in one["command"] for one in log["commands"]))
    time.sleep(3)
    resume(master, bare_host)


def test_the_slave_is_rebooted_while_the_master_is_dead(master: Master, bare_host: Host):
    master.bring_bootstrap(bare_host)
    kill_when(master, bare_host, is_installing)
    bare_host.reboot()
    bare_host.run("sh install_slave.sh --start", bare_host.user)
    document = master.json("build", bare_host.address, *BUILD, "--resume")
    assert document["status"] == "success" and len(document["resumed"]) == 1


@pytest.mark.parametrize("step", ["strategy", "activation"])
def test_cancelled_leaves_the_host_as_it_was(master: Master, bare_host: Host, step: str):
    master.bring_bootstrap(bare_host)
    build = start_until(master, bare_host, is_installing if step == "strategy" else is_staging)
    build.send_signal(signal.SIGINT)
    build.communicate(timeout=150)
    assert build.returncode == 1 and newest_log(master)["status"] == "cancelled", newest_log(master)
    left = bare_host.run("find /opt/d8-agent/releases -mindepth 1; ls -d /etc/systemd/system/d8-*", check=False).stdout
    bootstraps_own = {"/etc/systemd/system/d8-bootstrap.service", "/etc/systemd/system/d8-agent.socket"}
    assert set(left.split()) <= bootstraps_own
    assert bare_host.run("pgrep -f 'uv pip'", check=False).stdout == ""
    assert master.json("build", bare_host.address, *BUILD)["status"] == "success"
