"""What the agent says of its rights on real hosts, with root's helper and without root; what goes with the agent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.support.handover import SlaveUnderTest, wait_until

pytestmark = pytest.mark.lab


@pytest.fixture
def lingering_host(lab: Lab) -> Iterator[Host]:
    """No sudo, but polkit and user sessions."""
    host = lab.host("no-sudo", linger=True)
    yield host
    lab.remove(host)


def permissions(slave: SlaveUnderTest) -> dict[str, Any]:
    answer = slave.call("GET", "/api/permissions", slave.agent)
    assert answer.status == 200
    return answer.document


def missing(document: dict[str, Any]) -> list[str]:
    return [one["name"] for one in document["permissions"] if not one["granted"]]


def sleeper(slave: SlaveUnderTest, name: str = "sleeper") -> dict[str, Any]:
    """Put a script into the user's home, which nobody else can look into, and return its app."""
    user = slave.host.user
    path = f"{slave.home}/apps/{name}.py"
    slave.host.push(b"import time\ntime.sleep(100000)\n", path, owner=user, mode=0o600)
    slave.host.run(f"chown {user}: {slave.home}/apps && chmod 700 {slave.home} {slave.home}/apps")
    return {
        "name": name,
        "kind": "python",
        "script": path,
        "user": user,
        "working_dir": f"{slave.home}/apps",
        "environment": {"KEY": "s3cret"},
        "stabilisation_seconds": 0.5,
    }


def register(slave: SlaveUnderTest, app: dict[str, Any]) -> Any:
    answer = slave.call("POST", "/api/apps/register", slave.agent, app, timeout=120)
    assert answer.status == 201, answer.document
    return answer.document


def test_root_s_helper_and_what_it_needs_are_reported(bare_host: Host) -> None:
    slave = SlaveUnderTest(bare_host, confirm_timeout_seconds=30).prepare()
    slave.activate()
    document = permissions(slave)
    assert (document["scope"], document["ok"], missing(document)) == ("system", True, [])
    assert document["sudoers"]["found"] is False
    assert "apps may run as: pi" in document["permissions"][1]["detail"]
    bare_host.run("groupadd -f docker && usermod -aG docker pi")
    near = permissions(slave)["permissions"][1]
    assert "an app of pi could become root through the group" in near["detail"] and "docker" in near["detail"]
    assert near["granted"] and "useradd" in near["command"]
    rule = b"siax-agent ALL=(ALL) NOPASSWD: /bin/systemctl\n"
    bare_host.push(rule, "/etc/sudoers.d/siax-agent", mode=0o440)
    sudoers = permissions(slave)["sudoers"]
    assert (sudoers["found"], sudoers["files"]) == (True, ["/etc/sudoers.d/siax-agent"])
    assert "root for everybody" in sudoers["explanation"] and "visudo -f" in sudoers["command"]
    bare_host.run("rm /etc/sudoers.d/siax-agent && sed -i s/pi/#pi/ /etc/d8-agent/app-users")
    assert missing(permissions(slave)) == ["app-users"]
    bare_host.run("sed -i s/#pi/pi/ /etc/d8-agent/app-users && systemctl stop d8-helper.socket")
    document = permissions(slave)
    assert missing(document) == ["root-helper", "app-users"] and document["ok"] is False
    assert document["permissions"][0]["command"] == "sudo systemctl enable --now d8-helper.socket"
    refused = slave.call("POST", "/api/apps/register", slave.agent, sleeper(slave), timeout=60)
    assert refused.status == 403 and "d8-helper.socket" in refused.document["hint"]
    bare_host.run("systemctl start d8-helper.socket")
    assert permissions(slave)["ok"] is True


def test_apps_go_with_the_agent(bare_host: Host) -> None:
    slave = SlaveUnderTest(bare_host, confirm_timeout_seconds=30).prepare()
    slave.activate()
    pids = [register(slave, sleeper(slave, name))["pid"] for name in ("one", "two")]
    answer = slave.call("POST", "/api/agent/uninstall", slave.agent, {}, timeout=60)
    assert (answer.status, answer.document["apps_removed"]) == (202, 2)
    assert wait_until(lambda: not bare_host.exists("/opt/d8-agent"), 60)
    assert bare_host.run("find /etc /run /var/lib -name '*d8-app*' -o -name '*d8-agent*'").stdout == ""
    listed = "systemctl list-units --all --plain --no-legend 'd8-*'"
    assert wait_until(lambda: bare_host.run(listed).stdout == "", 30), bare_host.run(listed).stdout
    assert all(bare_host.run(f"test -e /proc/{pid}", check=False).returncode for pid in pids)


def test_the_list_of_users_is_kept_by_a_new_installation(bare_host: Host) -> None:
    slave = SlaveUnderTest(bare_host).prepare()
    slave.install()
    assert users_in(bare_host) == ["pi"]
    bare_host.run("sed -i /pi/d /etc/d8-agent/app-users")
    slave.install(app_users=["mallory"])
    assert users_in(bare_host) == ["mallory"], "who was taken off stays off, who is named is added"
    slave.install(app_users=["mallory"])
    assert users_in(bare_host) == ["mallory"]
    facts = bare_host.run("stat -c '%a %U:%G' /etc/d8-agent/app-users").stdout.strip()
    assert facts == "644 root:root"
    for wrong in ("root", "d8-agent", "nobody-here"):
        refused = slave.try_verb("install", input=json.dumps(slave.settings(app_users=[wrong])))
        assert refused.returncode == 1 and wrong in json.loads(refused.stdout)["error"]


def users_in(host: Host) -> list[str]:
    lines = host.read_text("/etc/d8-agent/app-users").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_without_root_the_user_has_apps_of_his_own(lingering_host: Host) -> None:
    slave = SlaveUnderTest(lingering_host, "user", 30).prepare()
    slave.activate()
    document = permissions(slave)
    assert (document["scope"], missing(document)) == ("user", ["other-users"]), document
    status = register(slave, sleeper(slave))
    assert status["status"] == "running" and status["unit"] == "d8-app-sleeper.service"
    assert lingering_host.run(f"ps -o user= -p {status['pid']}").stdout.strip() == "bob"
    home = "/home/bob/.local/share/d8-agent/etc/apps"
    assert lingering_host.run(f"stat -c %a {home} {home}/sleeper.env").stdout.split() == ["700", "600"]
    others = slave.call("POST", "/api/apps/register", slave.agent, {**sleeper(slave, "other"), "user": "mallory"})
    assert others.status == 422 and [one["field"] for one in others.document["problems"]] == ["user"]
    answer = slave.call("POST", "/api/agent/uninstall", slave.agent, {}, timeout=60)
    assert (answer.status, answer.document["apps_removed"]) == (202, 1)
    assert wait_until(lambda: not lingering_host.exists(slave.opt), 60)
    assert wait_until(lambda: lingering_host.run(f"test -e /proc/{status['pid']}", check=False).returncode != 0, 30)
    left = lingering_host.run("find /home/bob -path '*d8*' -not -name '*.pyc'").stdout
    assert left == ""
