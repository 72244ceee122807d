"""The preflight question asked for real on this machine, and what follows from its answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from d8.build.examination import warnings_for
from d8.commands import preflight, release
from d8.commands.preflight import Privilege


@pytest.fixture(scope="module")
def answer():
    _, probe = preflight.ask()
    done = subprocess.run([sys.executable, "-I", "-"], input=probe, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def read(answer, **changes):
    return preflight.read(json.dumps(answer | changes))


def test_this_machine_answers_in_one_round_trip(answer):
    facts = read(answer)
    assert facts.pythons and facts.home.startswith("/") and facts.machine_id is not None


def test_half_an_answer_is_refused():
    with pytest.raises(ValueError, match="lacks"):
        preflight.read("{}")


@pytest.mark.parametrize(
    ("sudo", "has_systemd", "is_isolated", "scope", "start"),
    [
        ("is_root", True, False, "system", "/opt/d8-agent/releases/"),
        ("passwordless", True, False, "system", "/opt/d8-agent/releases/"),
        ("passwordless", False, False, "auto", "/home/pi/.local/share/d8-agent/opt/releases/"),
        ("password", True, False, "auto", "/home/pi/.local/share/d8-agent/opt/releases/"),
        ("none", True, False, "auto", "/home/pi/.local/share/d8-agent/opt/releases/"),
        ("is_root", True, True, "nohup", "/home/pi/.local/share/d8-agent/opt/releases/"),
    ],
)
def test_where_the_agent_goes_follows_from_rights_and_systemd(answer, sudo, has_systemd, is_isolated, scope, start):
    facts = read(answer, sudo=sudo, has_systemd=has_systemd, is_isolated=is_isolated, home="/home/pi")
    assert facts.wanted_scope == scope
    assert release.folder(facts, "c" * 40) == start + "c" * 40


@pytest.mark.parametrize(
    ("pythons", "for_root", "chosen"),
    [
        ({"/usr/bin/python3": [3, 11]}, True, "/usr/bin/python3"),
        ({"/usr/bin/python3": [3, 9], "/usr/bin/python3.12": [3, 12]}, True, "/usr/bin/python3.12"),
        ({"/usr/bin/python3": [3, 11], "/usr/bin/python3.13": [3, 13]}, True, "/usr/bin/python3"),
        ({"/root/x/python3": [3, 12], "/usr/bin/python3.11": [3, 11]}, True, "/usr/bin/python3.11"),
        ({"/home/pi/x/python3": [3, 12]}, False, "/home/pi/x/python3"),
        ({"/usr/bin/python3": [3, 9]}, True, None),
        ({}, True, None),
    ],
)
def test_the_interpreter_for_the_agent(answer, pythons, for_root, chosen):
    facts = read(answer, pythons=pythons, sudo="is_root" if for_root else "none", has_systemd=True, is_isolated=False)
    assert facts.agent_python == chosen


def test_what_will_hurt_is_told(answer):
    facts = read(
        answer,
        clock=0.0,
        sudo="password",
        memory_available_bytes=50 * 2**20,
        has_default_route=False,
        is_isolated=False,
    )
    told = " ".join(map(str, warnings_for(facts, 1_800_000_000)))
    assert all(word in told for word in ("clock", "password", "50 MB", "internet"))
    assert facts.privilege is Privilege.PASSWORD and not facts.privilege.can_be_root


def test_a_healthy_host_is_no_reason_to_warn(answer):
    facts = read(answer, clock=1000.0, sudo="passwordless", memory_available_bytes=2**30, has_default_route=True)
    assert warnings_for(facts, 1010) == []


def test_a_docker_daemon_that_hangs_is_named_in_words(tmp_path):
    client = tmp_path / "docker"
    client.write_text('#!/bin/sh\n[ "$2" = --format ] && exec sleep 60\nexit 1\n')
    client.chmod(0o755)
    _, probe = preflight.ask()
    hurried = probe.replace("timeout=20", "timeout=0.5")
    done = subprocess.run(
        [sys.executable, "-I", "-"],
        input=hurried,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PATH": f"{tmp_path}:/usr/bin:/bin"},
    )
    assert json.loads(done.stdout)["docker"]["problem"] == "no answer within 0.5 s"
