"""The strategy native on real hosts: asked for, and reached by itself where no virtual environment can be made."""

from __future__ import annotations

import json

import pytest

from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.support.master import Master

ALL_BUT_DOCKER = {"D8_STRATEGIES": "venv,native", "D8_BUILD_ATTEMPTS": "1"}


@pytest.fixture
def master(tmp_path, lab: Lab) -> Master:
    return Master(tmp_path, lab.master_address, ALL_BUT_DOCKER)


def packages_of_the_host(host: Host) -> str:
    return host.run("ls -R /usr/lib/python3 /usr/local/lib ~/.local 2>/dev/null | sort | md5sum", host.user).stdout


def assert_native_agent(master: Master, host: Host, scope: str) -> None:
    _, system = master.curl(host, "/api/system", token=master.token("agent"))
    assert system["activation"]["scope"] == scope
    [agent] = [one for one in host.processes() if "-m slave_agent --settings" in one.command]
    assert agent.command.startswith("/usr/bin/python3 -m slave_agent"), agent


def test_native_on_debian_12_leaves_the_hosts_python_as_it_is_and_survives_a_reboot(
    tmp_path, lab: Lab, bare_host: Host
):
    master = Master(tmp_path, lab.master_address, {"D8_STRATEGIES": "native"})
    master.bring_bootstrap(bare_host)
    before = packages_of_the_host(bare_host)

    document = master.build(bare_host)

    assert (document["status"], document["strategy"]) == ("success", "native")
    assert any("--break-system-packages" in notice["text"] for notice in document["notices"])
    assert packages_of_the_host(bare_host) == before
    assert_native_agent(master, bare_host, "system")
    bare_host.reboot()
    bare_host.run("until systemctl is-active -q d8-agent; do sleep 0.5; done", timeout_seconds=30)
    assert_native_agent(master, bare_host, "system")


def test_native_without_sudo(tmp_path, lab: Lab, no_sudo_host: Host):
    master = Master(tmp_path, lab.master_address, {"D8_STRATEGIES": "native"})
    master.bring_bootstrap(no_sudo_host)
    assert master.build(no_sudo_host)["strategy"] == "native"
    assert_native_agent(master, no_sudo_host, "nohup")


def test_native_is_reached_where_no_virtual_environment_can_be_made(master: Master, bare_host: Host):
    master.bring_bootstrap(bare_host)
    bare_host.run("rm -r /usr/lib/python3.11/venv")  # as where a distribution leaves it out
    work = "/home/pi/d8_slave/work"  # and where nothing that was uploaded may be executed, uv neither
    bare_host.run(f"mkdir -p {work}; mount -t tmpfs -o noexec,mode=700,uid=$(id -u pi),gid=$(id -g pi) none {work}")

    document = master.build(bare_host)

    assert (document["status"], document["strategy"]) == ("success", "native"), json.dumps(document, indent=1)
    venv, native = document["attempts"]
    assert (venv["strategy"], venv["success"]) == ("venv", False)
    assert "venv" in venv["error"]
    assert (native["strategy"], native["success"]) == ("native", True)
    assert_native_agent(master, bare_host, "system")
