"""Hosts on which something is wrong: a build works all the same, or says exactly what to do.

A dead Docker daemon is in test_docker.py, PEP 668 in test_native.py.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.lab.machine import Outcome
from tests.support.git_server import git_server
from tests.support.master import PROJECT, Master
from tests.support.other_clock import host_with_a_clock_of_its_own, set_clock

LEFT_BY_A_BUILD = "/opt/d8-agent* /etc/d8-agent* /var/lib/d8-agent* /run/d8-agent* /etc/systemd/system/d8-*"
GIT_TOKEN = "a-token-for-the-repository-0123456789"
HOLD_LOCKS = """
import fcntl, sys, time
held = [open(path, "w") for path in ("/var/lib/apt/lists/lock", "/var/lib/dpkg/lock-frontend")]
for one in held:
    fcntl.lockf(one, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(float(sys.argv[1]))
"""
TAKE_PORT = """
import socket, sys, time
listening = socket.socket()
listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of before do not count
while True:
    try:
        listening.bind(("0.0.0.0", 7600))
        break
    except OSError:
        time.sleep(0.001)
listening.listen()
time.sleep(float(sys.argv[1]))
"""


@pytest.fixture
def master(tmp_path, lab: Lab) -> Master:
    return Master(tmp_path, lab.master_address)


@pytest.fixture
def cloning(master: Master, lab: Lab, tmp_path: Path) -> Iterator[Master]:
    """A master whose slaves clone its repository, from a server that this machine runs."""
    folder = tmp_path / "repositories"
    folder.mkdir()
    with git_server(PROJECT, folder, lab.master_address, GIT_TOKEN) as url:
        yield replace(master, extra={"D8_REPO_URL": url, "GIT_TOKEN": GIT_TOKEN})


def notices(document: dict[str, Any]) -> str:
    return "\n".join(notice["text"] for notice in document["notices"])


def outcome(document: dict[str, Any], step: str) -> str:
    return next(one["outcome"] for one in document["steps"] if one["step"] == step)


@contextmanager
def package_manager_at_work(host: Host, seconds: float) -> Iterator[int]:
    """For at most these seconds a process of the host holds the locks of apt and dpkg; yields its pid."""
    host.push(HOLD_LOCKS.encode(), "/root/unattended-upgrade")
    with host.popen(["/usr/bin/python3", "/root/unattended-upgrade", str(seconds)]) as process:
        assert process.stdout is not None and process.stdout.readline() == b"held\n"
        [pid] = [one.pid for one in host.processes() if "unattended-upgrade" in one.command]
        try:
            yield pid
        finally:
            host.run(["kill", str(pid)], check=False)


def test_a_slave_without_internet_is_built_from_what_the_master_sends_also_when_its_link_goes_away_at_the_handover(
    master: Master, bare_host: Host
):
    with bare_host.without_internet():
        master.bring_bootstrap(bare_host)
        build = master.start("build", bare_host.address, "--yes")
        assert build.stdout is not None
        for line in build.stdout:
            if "[7/8] Handover" in line:
                break
        time.sleep(1.2)
        bare_host.cut()
        time.sleep(8)
        bare_host.heal()
        shown, problems = build.communicate(timeout=240)
    assert build.returncode == 0, shown + problems
    [log] = (master.data / "build_logs").glob("*.json")
    document = json.loads(log.read_text())
    assert [attempt["success"] for attempt in document["attempts"]] == [True]
    assert all(entry["success"] for entry in document["commands"] if entry["step"] != "handover")


def test_without_git_it_is_installed_once_another_package_manager_has_let_go_of_apts_lock(
    cloning: Master, bare_host: Host
):
    cloning.bring_bootstrap(bare_host)
    with package_manager_at_work(bare_host, 20):
        document = cloning.build(bare_host)
    assert document["status"] == "success"
    assert "git version" in outcome(document, "prerequisites"), notices(document)
    assert outcome(document, "source").endswith("from the repository")
    [installing] = [one for one in document["commands"] if "apt-get install" in one["command"]]
    assert "is held by process" in installing["stderr"]  # it had to wait, and the log says for whom


def test_apts_lock_held_for_too_long_is_named_with_its_holder_and_the_master_sends_the_source(
    cloning: Master, bare_host: Host
):
    impatient = replace(cloning, extra={**cloning.extra, "D8_PACKAGE_LOCK_TIMEOUT": "6"})
    impatient.bring_bootstrap(bare_host)
    with package_manager_at_work(bare_host, 600) as pid:
        document = impatient.build(bare_host)
    assert document["status"] == "success"
    assert f"held by process {pid} (python3)" in notices(document)
    assert "docs/troubleshooting.md#apt-lock-held" in notices(document)
    assert outcome(document, "source").endswith("sent by the master")
    assert not any("git-askpass" in one["command"] for one in document["commands"])  # the token stays here


@pytest.mark.full
def test_no_git_and_no_way_to_install_it_sends_the_source_and_says_so(cloning: Master, bare_host: Host):
    cloning.bring_bootstrap(bare_host)
    with bare_host.without_internet():
        document = cloning.build(bare_host)
    assert document["status"] == "success"
    assert "git could not be installed, so the master sends its own copy" in notices(document)
    assert "docs/troubleshooting.md#no-internet" in notices(document)


@pytest.mark.full
def test_a_repository_that_refuses_the_token_is_named_with_its_section(cloning: Master, lab: Lab):
    host = lab.host("git")
    try:
        refused = replace(cloning, extra={**cloning.extra, "GIT_TOKEN": "another-token-0123456789"})
        refused.bring_bootstrap(host)
        document = refused.build(host)
    finally:
        lab.remove(host)
    assert document["status"] == "success"
    assert "docs/troubleshooting.md#git-clone-failed" in notices(document)


def test_without_python3_venv_a_virtual_environment_is_made_with_what_the_master_sends(master: Master, bare_host: Host):
    assert bare_host.run("python3 -m venv /tmp/probe", check=False).returncode != 0
    master.bring_bootstrap(bare_host)
    document = master.build(bare_host)
    assert (document["status"], document["strategy"]) == ("success", "venv")
    assert not any("apt-get" in one["command"] for one in document["commands"])


def test_a_port_that_another_program_holds_is_named_with_its_holder_and_built_once_it_is_free(
    master: Master, bare_host: Host
):
    bare_host.run("cd /tmp && nohup python3 -m http.server 7600 >/dev/null 2>&1 &", bare_host.user)
    wait_until(lambda: bare_host.run("ss -Hltn sport = :7600").stdout != "")
    [pid] = [one.pid for one in bare_host.processes() if one.command.startswith("python3 -m http.server")]
    refused = bring_installer(master, bare_host)
    assert refused.returncode != 0
    assert "python3 -m http.server 7600" in refused.stderr and f"kill {pid}" in refused.stderr

    document = master.build(bare_host, expect=3)
    assert document["diagnosis"]["doc"].endswith("#port-taken"), document["error"]
    assert "ss -ltnp" in document["diagnosis"]["advice"]

    bare_host.kill(pid)
    bare_host.run("sh install_slave.sh --start", "pi")
    assert master.build(bare_host)["status"] == "success"


def test_a_port_that_is_taken_while_it_changes_hands_is_told_with_its_holder_and_the_next_attempt_works(
    master: Master, bare_host: Host
):
    quick = replace(master, extra={"D8_CONFIRM_TIMEOUT": "20", "D8_BUILD_ATTEMPTS": "2", "D8_BUILD_RETRY_DELAY": "0"})
    quick.bring_bootstrap(bare_host)
    bare_host.push(TAKE_PORT.encode(), "/home/mallory/squat.py", owner="mallory")
    once = replace(quick, extra={**quick.extra, "D8_BUILD_ATTEMPTS": "1", "D8_STRATEGIES": "venv"})
    bare_host.run("nohup python3 squat.py 25 >/dev/null 2>&1 &", "mallory")
    assert once.build(bare_host, expect=1)["steps"][-1]["step"] == "handover"
    left = f"ls -d {LEFT_BY_A_BUILD} 2>/dev/null; ls -A ~/d8_slave/work; systemctl list-units --all --no-legend 'd8-*'"
    assert bare_host.run(left, "pi", check=False).stdout == ""

    bare_host.run("nohup python3 squat.py 25 >/dev/null 2>&1 &", "mallory")

    document = quick.build(bare_host)

    first, second = document["attempts"]
    assert (first["success"], second["success"]) == (False, True)
    assert "somebody else holds it: python3 squat.py 25 (process " in first["error"], first["error"]


def test_a_full_disk_is_named_with_what_frees_it_and_built_once_there_is_room(master: Master, bare_host: Host):
    every = replace(master, extra={"D8_STRATEGIES": "docker,venv,native", "D8_DOCKER_INSTALL": "never"})
    every.bring_bootstrap(bare_host)
    bare_host.run("mkdir -p /opt/d8-agent")
    with bare_host.fill_disk("/opt/d8-agent"):
        document = every.build(bare_host, expect=1)
    tried = [(entry["strategy"], entry["number"]) for entry in document["attempts"]]
    assert tried == [("venv", 1), ("native", 1)]  # another attempt would not find more room
    assert all("has 0 MB left" in entry["error"] for entry in document["attempts"]), document["attempts"]
    assert document["diagnosis"]["doc"].endswith("#disk-full") and "df -h" in document["diagnosis"]["advice"]
    assert every.build(bare_host)["status"] == "success"


@pytest.fixture
def timeless_host(lab: Lab) -> Iterator[Host]:
    """A host whose clock can be set."""
    host = host_with_a_clock_of_its_own(lab)
    yield host
    lab.remove(host)


def test_a_clock_that_is_a_year_behind_is_named_and_the_slave_built(master: Master, timeless_host: Host):
    set_clock(timeless_host, -365)
    said = bring_installer(master, timeless_host)
    assert said.returncode == 0 and "sudo timedatectl set-ntp true" in said.stdout + said.stderr

    document = master.build(timeless_host)

    assert document["status"] == "success"
    assert "the clock of the slave is 365 days behind" in notices(document)
    assert "sudo timedatectl set-ntp true" in notices(document)
    assert master.curl(timeless_host, "/api/system", token=master.token("agent"))[0] == 200


@pytest.mark.full
def test_a_clock_that_is_a_year_ahead_makes_the_installer_look_expired_which_is_said_at_each_place(
    master: Master, timeless_host: Host
):
    set_clock(timeless_host, 365)
    said = bring_installer(master, timeless_host)
    assert said.returncode != 0 and "sudo timedatectl set-ntp true" in said.stderr, said.stderr

    set_clock(timeless_host, 0)
    timeless_host.run("sh install_slave.sh --start", "pi")
    set_clock(timeless_host, 365)
    document = master.build(timeless_host, expect=4)
    year = (datetime.now(UTC) + timedelta(days=365)).year
    assert "This installer expired on" in document["error"]
    assert f"The clock of this machine says {year}-" in document["hint"]
    assert "date -u" in document["diagnosis"]["advice"]

    set_clock(timeless_host, 0)
    assert master.build(timeless_host)["status"] == "success"
    set_clock(timeless_host, 365)  # an agent that runs does not mind
    commit = document["master_commit"]
    assert master.json("status", expect=0)["slaves"][0]["commit"] == commit


def bring_installer(master: Master, host: Host) -> Outcome:
    """Generate an installer and try to start it; return what it said."""
    made = master.json("installer", "--os", "linux")
    host.push(Path(made["sh"]), "/home/pi/install_slave.sh", owner="pi", mode=0o600)
    return host.run("sh install_slave.sh --start", "pi", check=False)


def wait_until(is_so: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.2)
