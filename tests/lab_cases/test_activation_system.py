"""The system scope's edges on a real host: what another user may see and do, the helper's door, leaving no trace."""

from __future__ import annotations

import json

import pytest

from tests.lab.host import Host
from tests.support.handover import SlaveUnderTest, wait_until

HELPER = "/run/d8-agent-helper/helper.sock"
ASK = """
import json, socket, sys
with socket.socket(socket.AF_UNIX) as s:
    s.settimeout(20)
    s.connect("/run/d8-agent-helper/helper.sock")
    s.sendall(sys.argv[1].encode() + b"\\n")
    print(s.makefile().readline())
"""
BACKED_UP = ("passwd", "group", "shadow", "gshadow")
# Written by others while the test runs, or by useradd and userdel as their backup.
NOT_OURS = ("/var/log", "/var/lib/systemd", "/var/lib/dbus", *(f"/etc/{name}-" for name in BACKED_UP))


@pytest.fixture
def slave(bare_host: Host) -> SlaveUnderTest:
    return SlaveUnderTest(bare_host, confirm_timeout_seconds=30).prepare()


def ask(slave: SlaveUnderTest, request: str, user: str) -> tuple[int, str]:
    argv = ["runuser", "-u", user, "--", "python3", "-c", ASK, request]
    done = slave.host.run(argv, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_helper_serves_the_agent_and_root_with_fixed_verbs_only(slave: SlaveUnderTest) -> None:
    slave.install()
    assert json.loads(ask(slave, '{"verb": "ping"}', "d8-agent")[1])["ok"] is True
    assert json.loads(ask(slave, '{"verb": "ping"}', "root")[1])["ok"] is True
    for request in ('{"verb": "install"}', '{"verb": "ping", "x": 1}', "[]", "nonsense", '{"verb": ["ping"]}', "{}"):
        answer = json.loads(ask(slave, request, "d8-agent")[1])
        assert answer["ok"] is False and "hint" in answer, request


def test_another_user_reads_no_secret_and_does_not_reach_the_helper(slave: SlaveUnderTest) -> None:
    slave.activate()
    code, words = ask(slave, '{"verb": "ping"}', "mallory")
    assert code != 0 and "PermissionError" in words
    secrets = [
        text
        for one in (slave.installer, slave.agent, slave.rescue)
        for text in (one.token, one.travelling["token_sha256"], one.pair.private_key.splitlines()[1])
    ]
    folders = f"/opt /etc /var/lib /var/log /run /tmp /var/tmp {slave.home} /proc/[0-9]*/cmdline /proc/[0-9]*/environ"
    needles = "\n".join(secrets)
    found = slave.host.run(
        f"grep -rslF -f /dev/stdin {folders} 2>/dev/null",
        user="mallory",
        input=needles,
        check=False,
        timeout_seconds=120,
    )
    assert found.stdout.split() == []
    as_root = slave.host.run("grep -rslF -f /dev/stdin /opt/d8-agent /proc/[0-9]*/cmdline", input=needles, check=False)
    assert as_root.stdout.split() == []


def test_the_agents_user_can_change_nothing_that_root_runs(slave: SlaveUnderTest) -> None:
    slave.activate()
    writable = "find /opt/d8-agent /etc/d8-agent /etc/systemd/system -writable -not -type l 2>/dev/null"
    assert slave.host.run(["runuser", "-u", "d8-agent", "--", "sh", "-c", writable], check=False).stdout == ""
    read = slave.host.run(["runuser", "-u", "d8-agent", "--", "ls", "/etc/d8-agent/bootstrap"], check=False)
    assert read.returncode != 0


def test_the_agents_sandbox_scores_well(slave: SlaveUnderTest) -> None:
    slave.activate()
    overall = slave.host.run("systemd-analyze security d8-agent.service --no-pager | tail -1").stdout
    score = float(overall.split(":")[1].split()[0])
    assert score <= 2.0


def test_uninstall_leaves_nothing(bare_host: Host) -> None:
    before = everything(bare_host)
    slave = SlaveUnderTest(bare_host, confirm_timeout_seconds=30).prepare()
    slave.activate()
    assert slave.call("POST", "/api/agent/uninstall", slave.agent, {}).status == 202
    assert wait_until(lambda: not bare_host.exists("/opt/d8-agent"), 20)
    assert wait_until(
        lambda: "d8" not in bare_host.run("systemctl list-units --all --plain 'd8*' --no-legend").stdout, 20
    )
    assert everything(bare_host) - before == set()
    assert before - everything(bare_host) == set()


def everything(host: Host) -> set[str]:
    """Every path outside of what the kernel and the journal keep, units, users and listening sockets."""
    tree = host.run("find / -xdev \\( -name __pycache__ -prune \\) -o -print", timeout_seconds=60).stdout.splitlines()
    run = host.run("find /run -name '*d8*'").stdout.splitlines()
    units = host.run("systemctl list-unit-files --plain --no-legend | cut -d' ' -f1").stdout.splitlines()
    users = host.run("cut -d: -f1 /etc/passwd /etc/group").stdout.splitlines()
    ports = host.run("ss -Hltn | awk '{print $4}'").stdout.splitlines()
    return {path for path in tree if not path.startswith(NOT_OURS)} | {*run, *units, *users, *ports}


def test_once_an_agent_is_confirmed_there_is_no_bootstrap_of_the_installer_to_leave(slave: SlaveUnderTest) -> None:
    slave.activate()
    refused = slave.try_verb("uninstall", "--keep-bootstrap")
    assert refused.returncode == 1 and "An agent was confirmed" in refused.stdout
    assert slave.call("GET", "/api/health", slave.agent).document["mode"] == "agent"


def test_install_is_idempotent_and_touches_nothing_that_answers(slave: SlaveUnderTest) -> None:
    first = slave.install()
    pid = slave.bootstrap_pid
    assert slave.install() == first
    assert slave.bootstrap_pid == pid
    assert slave.who_answers().mode == "bootstrap"


def test_a_repeated_handover_joins_the_first(slave: SlaveUnderTest) -> None:
    slave.install_and_stage()
    slave.hand_over()
    again = slave.verb("handover")
    assert again["started"] is True and 0 < again["deadline_seconds"] <= 30
    slave.enrol_and_confirm()
    assert slave.verb("confirm") == slave.verb("confirm")


def test_the_verbs_work_as_jobs_of_the_bootstrap(slave: SlaveUnderTest) -> None:
    slave.verb_as_job("install", json.dumps(slave.settings()))
    assert slave.verb_as_job("stage")["healthy"] is True
    assert slave.verb_as_job("handover")["started"] is True
    assert slave.wait_for("agent")
    slave.enrol_and_confirm()
