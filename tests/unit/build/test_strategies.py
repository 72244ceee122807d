"""Which strategies a host's facts leave possible, and in which order the operator wants them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from d8.build.command_failed import CommandFailed
from d8.build.strategies import chosen
from d8.build.strategies.docker import DockerStrategy
from d8.build.strategies.native import NativeStrategy
from d8.commands import preflight
from d8.commands.preflight import DockerFacts, HostFacts, Privilege
from d8.models import CommandResult, StrategyName
from d8.settings import read_settings

GOOD = DockerFacts(has_client=True, is_in_group=False, engine="20.10.24+dfsg1", problem="", compose="1.29.2")
NONE = DockerFacts(has_client=False, is_in_group=False, engine=None, problem="", compose=None)
GIGABYTE = 2**30
SCRIPT = "installing Docker with its makers' script"


@pytest.fixture(scope="module")
def fit() -> HostFacts:
    """A host on which Docker works: this machine's answer, with everything that matters set."""
    _, probe = preflight.ask()
    done = subprocess.run([sys.executable, "-I", "-"], input=probe, capture_output=True, text=True, check=True)
    return replace(
        preflight.read(json.dumps(json.loads(done.stdout) | {"is_isolated": False})),
        privilege=Privilege.PASSWORDLESS,
        has_systemd=True,
        architecture="x86_64",
        package_manager="apt-get",
        has_default_route=True,
        memory_available_bytes=2 * GIGABYTE,
        disk_free_bytes={"/var/lib": 5 * GIGABYTE},
        docker=GOOD,
    )


@pytest.mark.parametrize(
    ("changes", "may_install", "reason"),
    [
        ({}, True, None),
        ({}, False, None),
        ({"docker": NONE}, True, None),
        ({"docker": NONE}, False, "may not be installed"),
        ({"docker": NONE, "has_default_route": False}, True, "without a way to the internet"),
        ({"docker": replace(GOOD, compose=None)}, True, None),
        ({"docker": replace(GOOD, compose=None)}, False, "no docker compose"),
        ({"docker": replace(GOOD, compose="1.25.0")}, True, "docker-compose 1.29 or newer"),
        ({"docker": replace(GOOD, engine="19.03.1")}, True, "Docker 20.10 or newer"),
        ({"docker": replace(GOOD, engine=None, problem="is it running?")}, True, "sudo systemctl restart docker"),
        ({"privilege": Privilege.NONE}, True, "needs root"),
        ({"privilege": Privilege.NONE, "docker": replace(GOOD, is_in_group=True)}, True, "group docker"),
        ({"has_systemd": False}, True, "systemd"),
        ({"architecture": "armv7l"}, True, "armv7l"),
        ({"disk_free_bytes": {"/var/lib": GIGABYTE}}, True, None),
        ({"disk_free_bytes": {"/var/lib": GIGABYTE}, "docker": NONE}, True, "1024 MB of disk"),
        ({"memory_available_bytes": GIGABYTE // 10}, True, "of memory"),
    ],
)
def test_docker_is_left_out_with_its_reason(fit: HostFacts, changes, may_install, reason):
    found = DockerStrategy("python:3.11-slim", may_install).impossible_because(replace(fit, **changes))
    assert found is None if reason is None else reason in str(found)


@pytest.mark.parametrize(
    ("said", "tried"),
    [
        ("E: Package 'docker.io' has no installation candidate", ["installing Docker", SCRIPT]),
        ("Error: Unable to find a match: moby-engine docker-compose", ["installing Docker", SCRIPT]),
        ("E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7", ["installing Docker"]),
        ("Temporary failure resolving 'deb.example.org'", ["installing Docker"]),
    ],
)
def test_where_the_distribution_has_no_docker_its_makers_script_is_tried(fit: HostFacts, said, tried):
    asked, warnings = [], []

    def require(command, purpose):
        asked.append(str(purpose))
        raise CommandFailed(CommandResult(command.line, False, "", said, 100, datetime.now(UTC), 0.1, "1"), purpose)

    context: Any = SimpleNamespace(
        facts=replace(fit, docker=NONE),
        settings=SimpleNamespace(package_lock_seconds=6, command_timeout_seconds=5),
        shell=SimpleNamespace(run=lambda *_words, **_options: SimpleNamespace(success=True)),
        progress=SimpleNamespace(tell=lambda _text: None, warn=lambda text: warnings.append(str(text))),
        work="/work",
        require=require,
    )
    with pytest.raises(CommandFailed):
        DockerStrategy("python:3.11-slim").install(context)
    assert asked == tried
    assert any("never tested" in warning for warning in warnings) is (len(tried) == 2)


def test_native_needs_a_python_that_is_new_enough(fit: HostFacts):
    assert NativeStrategy().impossible_because(replace(fit, pythons={"/usr/bin/python3": (3, 11)})) is None
    assert "3.9" in str(NativeStrategy().impossible_because(replace(fit, pythons={"/usr/bin/python3": (3, 9)})))


@pytest.mark.parametrize(
    ("setting", "names"),
    [("", ["docker", "venv", "native"]), ("native,venv", ["native", "venv"]), ("docker", ["docker"])],
)
def test_the_operator_chooses_the_strategies_and_their_order(setting, names):
    settings = read_settings({"D8_STRATEGIES": setting}, Path("/nowhere"))
    assert [strategy.name for strategy in chosen(settings)] == [StrategyName(name) for name in names]
