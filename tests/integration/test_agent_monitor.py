"""Processes, the chosen ones, events and metrics of a real agent, here without systemd."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.agent_process import COMMIT, RunningAgent


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    (tmp_path / "till.py").write_text("import time\nprint('up', flush=True)\ntime.sleep(600)\n")
    command = [sys.executable, "till.py", "--token", "hush-hush"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"
        yield child
        child.kill()


def test_processes_are_listed_without_their_secrets(
    agent: RunningAgent, sleeper: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    answer = agent.get("/api/processes")
    found = {process["pid"]: process for process in answer.document["processes"]}
    till = found[sleeper.pid]
    assert (till["kind"], till["working_dir"], till["app"]) == ("python", str(tmp_path), None)
    assert till["command_line"][1:] == ["till.py", "--token", "***"]
    assert "hush-hush" not in answer.body.decode()
    assert agent.process.pid in found
    again = {process["pid"]: process for process in agent.get("/api/processes").document["processes"]}
    assert again[sleeper.pid]["cpu_percent"] is not None


def test_metrics_parse(agent: RunningAgent) -> None:
    answer = agent.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(answer.body.decode())}
    assert families["d8_agent_info"].samples[0].labels["commit"] == COMMIT
    assert families["d8_host_memory_total_bytes"].samples[0].value > 0


def test_a_choice_is_kept_or_refused_whole(own_agent: RunningAgent) -> None:
    assert own_agent.get("/api/monitored").document == {"monitored": []}
    refused: tuple[object, ...] = (
        {},
        {"monitored": ["../x"]},
        {"monitored": ["a", "-H"]},
        {"monitored": [], "more": 1},
        [],
    )
    for wrong in refused:
        assert own_agent.request("PUT", "/api/monitored", wrong).status == 422, wrong
    assert own_agent.get("/api/monitored").document == {"monitored": []}
    own_agent.request("PUT", "/api/monitored", {"monitored": ["till"]})  # no systemd answers here: 502, but it is kept
    own_agent.kill()
    own_agent.restart()
    assert "till" in (own_agent.state_dir / "monitored.json").read_text()
    assert own_agent.request("PUT", "/api/monitored", {"monitored": []}).document == {"monitored": []}


def test_events_of_a_slave_where_nothing_happened(agent: RunningAgent) -> None:
    assert agent.get("/api/events?after=0").document == {"events": [], "first_id": 0, "last_id": 0}
    for wrong in ("after=-1", "after=x", "after=1&after=2", "after=", "limit=99999999999999999"):
        assert agent.get(f"/api/events?{wrong}").status == 422, wrong
