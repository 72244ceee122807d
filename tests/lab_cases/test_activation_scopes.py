"""Hosts without root: user units, cron, plain processes, and the one command that makes the last survive a reboot."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.support.handover import SlaveUnderTest, wait_until
from tests.support.kills import kill_9, processes

FORBIDDEN = ("sudo", "systemctl", "systemd-run", "loginctl", "crontab", "apt-get")

TIMEOUT_SECONDS = 15.0


@pytest.fixture
def lingering_host(lab: Lab) -> Iterator[Host]:
    """No sudo, but polkit and user sessions."""
    host = lab.host("no-sudo", linger=True)
    yield host
    lab.remove(host)


@pytest.fixture
def cron_host(lab: Lab) -> Iterator[Host]:
    """No sudo, but cron."""
    host = lab.host("no-sudo", cron=True)
    yield host
    lab.remove(host)


def prepared(host: Host, scope: str, timeout_seconds: float = TIMEOUT_SECONDS) -> SlaveUnderTest:
    return SlaveUnderTest(host, scope, timeout_seconds).prepare()


def kill(slave: SlaveUnderTest, pattern: str) -> None:
    kill_9(slave.host, processes(pattern))


def test_user_units_survive_a_reboot(lingering_host: Host) -> None:
    slave = prepared(lingering_host, "user")
    slave.activate()
    assert slave.record()["lingering_was_enabled"] is True
    kill(slave, "-m slave_agent")
    assert slave.wait_for("agent")
    slave.host.reboot(timeout_seconds=180)
    assert slave.wait_for("agent", 40)
    assert slave.call("GET", "/api/version", slave.agent).status == 200


def test_user_units_give_the_port_back_when_nobody_confirms(lingering_host: Host) -> None:
    slave = prepared(lingering_host, "user")
    slave.install_and_stage()
    slave.hand_over()
    assert slave.wait_for("bootstrap", TIMEOUT_SECONDS + 10)
    give_back_to_the_installers_server(slave)


def give_back_to_the_installers_server(slave: SlaveUnderTest) -> None:
    """As a build does that was cancelled or has failed."""
    assert slave.verb_as_job("uninstall --keep-bootstrap")["started"] is True
    assert wait_until(lambda: not slave.host.exists(slave.opt), 30), slave.record()
    assert slave.wait_for("bootstrap")
    assert slave.call("GET", "/api/version", slave.installer).status == 200
    assert [path for path in left_in_home(slave) if not path.startswith(slave.folder)] == []
    [server] = [one.command for one in slave.host.processes() if "slave_server.py" in one.command]
    assert f"{slave.folder}/slave_server.py" in server


def test_user_units_leave_nothing_behind(lingering_host: Host) -> None:
    slave = prepared(lingering_host, "user")
    slave.activate()
    assert slave.call("POST", "/api/agent/uninstall", slave.agent, {}).status == 202
    assert wait_until(lambda: not slave.host.exists(slave.opt), 20)
    assert wait_until(lambda: not slave.host.exists("/var/lib/systemd/linger/bob"), 20)
    assert left_in_home(slave) == []


def left_in_home(slave: SlaveUnderTest) -> list[str]:
    found = slave.host.run(f"find {slave.home} -path '*d8*'").stdout.split()
    return [path for path in found if not path.endswith(".pyc")]


def test_cron_revives_after_kill_and_reboot(cron_host: Host) -> None:
    slave = prepared(cron_host, "cron")
    assert slave.install()["survives_reboot"] is True
    slave.verb("stage")
    slave.hand_over()
    slave.enrol_and_confirm()
    kill(slave, "-m slave_agent")
    assert slave.wait_for("agent", 30)
    kill(slave, "guard --loop")
    assert wait_until(lambda: guard_runs(slave), 75, pause=1), "cron did not revive the guard"
    slave.host.reboot()
    assert slave.wait_for("agent", 40)
    slave.verb("uninstall", "--wait")
    assert "d8" not in slave.host.run("crontab -l", user="bob", check=False).stdout
    assert not guard_runs(slave)
    assert left_in_home(slave) == []


def guard_runs(slave: SlaveUnderTest) -> bool:
    return slave.host.run(["pgrep", "-f", "guard --loop"], check=False).is_success


def test_cron_brings_the_bootstrap_after_an_unconfirmed_reboot(cron_host: Host) -> None:
    slave = prepared(cron_host, "cron", 120)
    slave.install_and_stage()
    slave.hand_over()
    slave.host.reboot()
    assert slave.wait_for("bootstrap", 60)
    give_back_to_the_installers_server(slave)
    assert "d8" not in slave.host.run("crontab -l", user="bob", check=False).stdout


def test_plain_processes_say_that_a_reboot_ends_them_and_what_helps(no_sudo_host: Host) -> None:
    slave = prepared(no_sudo_host, "nohup")
    installed = slave.install()
    assert installed["survives_reboot"] is False
    slave.verb("stage")
    slave.hand_over()
    slave.enrol_and_confirm()
    system = slave.call("GET", "/api/system", slave.agent).document["activation"]
    assert system["scope"] == "nohup" and system["command"] == installed["persistence_command"]

    slave.host.run(installed["persistence_command"], timeout_seconds=180)
    assert wait_until(lambda: slave.record().get("scope") == "user", 40), slave.host.run(
        "journalctl --no-pager -n 40", check=False
    ).stdout
    assert slave.wait_for("agent", 30)
    slave.host.reboot(timeout_seconds=180)
    assert slave.wait_for("agent", 40)
    assert slave.call("GET", "/api/system", slave.agent).document["activation"]["survives_reboot"] is True


def test_plain_processes_survive_one_kill_at_a_time(no_sudo_host: Host) -> None:
    slave = prepared(no_sudo_host, "nohup")
    slave.install_and_stage()
    kill(slave, "slave_server.py")
    assert slave.wait_for("bootstrap", TIMEOUT_SECONDS)
    slave.hand_over()
    kill(slave, "-m slave_agent")
    assert wait_until(lambda: slave.who_answers().mode in ("agent", "bootstrap"), TIMEOUT_SECONDS)
    assert slave.wait_for("bootstrap", 2 * TIMEOUT_SECONDS)
    slave.activate()
    kill(slave, "-m slave_agent")
    assert slave.wait_for("agent", TIMEOUT_SECONDS)


def test_plain_processes_fall_back_when_the_agent_crash_loops(no_sudo_host: Host) -> None:
    slave = prepared(no_sudo_host, "nohup")
    slave.activate()
    slave.host.run(f"printf 'raise SystemExit(3)\\n' > {slave.release()}/slave_agent/__main__.py")
    kill(slave, "-m slave_agent")
    assert slave.wait_for("bootstrap", 60)
    assert slave.call("GET", "/api/version", slave.rescue).status == 200


def test_plain_processes_leave_nothing_behind(no_sudo_host: Host) -> None:
    slave = prepared(no_sudo_host, "nohup")
    slave.activate()
    assert slave.call("POST", "/api/agent/uninstall", slave.agent, {}).status == 202
    assert wait_until(lambda: not slave.host.exists(slave.opt), 20)
    assert left_in_home(slave) == []
    assert "bob" not in slave.host.run("ps -eo user=,args= | grep -v ps", check=False).stdout


def test_the_verbs_work_as_jobs_of_a_bootstrap_without_rights(no_sudo_host: Host) -> None:
    slave = prepared(no_sudo_host, "nohup")
    slave.verb_as_job("install", json.dumps(slave.settings()))
    assert slave.verb_as_job("stage")["healthy"] is True
    assert slave.verb_as_job("handover")["started"] is True
    assert slave.wait_for("agent")
    slave.enrol_and_confirm()
    kill(slave, "-m slave_agent")
    assert slave.wait_for("agent", TIMEOUT_SECONDS)


def test_plain_processes_touch_neither_sudo_nor_systemd_nor_cron(bare_host: Host) -> None:
    """As in a demonstration on the operator's own machine: another home, and rights that must not be used."""
    bare_host.run("mkdir -p /home/pi/elsewhere && chown pi: /home/pi/elsewhere")
    for name in FORBIDDEN:
        witness = f'#!/bin/sh\necho {name} "$@" >> /tmp/forbidden\nexit 1\n'
        bare_host.push(witness.encode(), f"/usr/local/bin/{name}", mode=0o755)
    slave = SlaveUnderTest(bare_host, "nohup", TIMEOUT_SECONDS)
    slave.home, slave.folder = "/home/pi/elsewhere", "/home/pi/elsewhere/d8_slave"
    slave.privilege = "none"
    slave.prepare().activate()
    slave.verb("uninstall", "--wait")
    assert not bare_host.exists("/tmp/forbidden"), bare_host.read_text("/tmp/forbidden")
    left = bare_host.run("find /home/pi/elsewhere /home/pi/.config -mindepth 1", check=False).stdout.split()
    assert left == []
