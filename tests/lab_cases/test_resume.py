"""Builds on real hosts whose master is killed -9: in the middle of installing, between steps, at the handover."""

from __future__ import annotations

import signal
import time
from collections import Counter
from typing import Any

import pytest

from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.support.handover import wait_until
from tests.support.interrupted import Condition, is_running, kill_when, newest_log, start_until
from tests.support.master import Master

is_installing = is_running("uv pip install")
is_staging = is_running("d8-activate stage")
CANCELLED_AT = {
    "strategy": is_installing,
    "activation": is_staging,
    "handover": lambda log: any("d8-activate handover" in one["command"] for one in log["commands"]),
}
LEFT_BY_A_BUILD = "/opt/d8-agent* /etc/d8-agent* /var/lib/d8-agent* /run/d8-agent* /etc/systemd/system/d8-*"
BUILD = ("--yes", "--strategy", "venv")


@pytest.fixture
def master(tmp_path, lab: Lab) -> Master:
    return Master(tmp_path, lab.master_address, {"D8_CONFIRM_TIMEOUT": "20"}).in_a_clone()


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
    left = kill_when(master, bare_host, is_installing, *BUILD)
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
    kill_when(master, bare_host, has_ended(step), *BUILD)
    resume(master, bare_host)


def test_killed_while_the_port_changes_hands(master: Master, bare_host: Host):
    master.bring_bootstrap(bare_host)
    kill_when(master, bare_host, lambda log: any("handover" in one["command"] for one in log["commands"]), *BUILD)
    time.sleep(3)
    resume(master, bare_host)


@pytest.mark.full
def test_the_slave_is_rebooted_while_the_master_is_dead(master: Master, bare_host: Host):
    master.bring_bootstrap(bare_host)
    kill_when(master, bare_host, is_installing, *BUILD)
    bare_host.reboot()
    bare_host.run("sh install_slave.sh --start", bare_host.user)
    document = master.json("build", bare_host.address, *BUILD, "--resume")
    assert document["status"] == "success" and len(document["resumed"]) == 1


@pytest.mark.parametrize("step", ["strategy", "activation", "handover"])
def test_cancelled_leaves_the_host_as_it_was(master: Master, bare_host: Host, step: str):
    master.bring_bootstrap(bare_host)
    build = start_until(master, bare_host, CANCELLED_AT[step], *BUILD)
    if step == "handover":
        assert wait_until(lambda: bare_host.run("systemctl is-active d8-agent", check=False).is_success, 30)
    build.send_signal(signal.SIGINT)
    build.communicate(timeout=150)
    assert build.returncode == 1 and newest_log(master)["status"] == "cancelled", newest_log(master)
    assert bare_host.run(f"ls -d {LEFT_BY_A_BUILD} 2>/dev/null; ls -A ~/d8_slave/work", "pi", check=False).stdout == ""
    assert bare_host.run("systemctl list-units --all --no-legend 'd8-*'").stdout == ""
    assert master.curl(bare_host, "/api/health", options=("-k",))[1]["mode"] == "bootstrap"
    assert bare_host.run("pgrep -f 'uv pip'", check=False).stdout == ""
    [server] = [one for one in bare_host.processes() if "slave_server.py --config" in one.command]
    assert server.user == "pi" and "/home/pi/d8_slave/slave_server.py" in server.command, server
    if step == "handover":  # the copy of the server is gone, so that the script is at home again
        bare_host.run("sh install_slave.sh --start", "pi")
        bare_host.run("sh install_slave.sh --uninstall", "pi")
        assert bare_host.run("ss -Hltn sport = :7600; ls -A ~ | grep d8", "pi", check=False).stdout == ""
        bare_host.run("sh install_slave.sh --start", "pi")
    assert master.json("build", bare_host.address, *BUILD)["status"] == "success"
