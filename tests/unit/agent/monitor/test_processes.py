"""Real processes: found with their kind, told from ended ones, measured; gaps filled by somebody with more rights."""

from __future__ import annotations

import getpass
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from slave_agent.errors import AgentError
from slave_agent.monitor.presence import AppProcesses
from slave_agent.monitor.processes import UsageMeter, completed, is_alive, look
from slave_agent.privilege import ProcessSeen
from slave_agent.systemd.parser import ServiceStatus
from slave_agent.systemd.service_config import ServiceConfig
from slave_agent.systemd.states import AppKind, UnitState
from tests.unit.agent.monitor.test_detection import process


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process that runs a script in tmp_path."""
    (tmp_path / "app.py").write_text("import time\nprint('up', flush=True)\ntime.sleep(600)\n")
    with subprocess.Popen([sys.executable, "app.py", "--token", "x"], cwd=tmp_path, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"
        yield child
        child.kill()


def app(folder: Path) -> ServiceConfig:
    return ServiceConfig("lone-sleeper", AppKind.PYTHON, str(folder / "app.py"), getpass.getuser(), str(folder))


def no_scan() -> tuple[ProcessSeen, ...]:
    raise AgentError("nobody here may look")


def test_a_process_is_found_as_it_is(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    found = next(one for one in look() if one.pid == sleeper.pid)
    assert (found.kind, found.user, found.working_dir) == ("python", getpass.getuser(), str(tmp_path))
    assert found.command_line[1:] == ("app.py", "--token", "x")
    assert found.memory_bytes > 0


def test_alive_means_running(sleeper: subprocess.Popen[bytes]) -> None:
    assert is_alive(sleeper.pid)
    sleeper.kill()
    deadline = time.monotonic() + 20
    while is_alive(sleeper.pid):  # it is a zombie of the kernel's kind now: nobody has waited for it
        assert time.monotonic() < deadline
        time.sleep(0.01)
    sleeper.wait()
    assert not is_alive(sleeper.pid)
    assert not is_alive(None)
    assert not is_alive(0)


def test_an_app_without_its_service_is_found_by_what_it_runs(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    processes = AppProcesses(no_scan)
    config = app(tmp_path)
    stopped = ServiceStatus(config.unit, UnitState.INACTIVE)
    assert processes.find([(config, stopped)]) == {"lone-sleeper": sleeper.pid}
    assert processes.find([(config, None)]) == {"lone-sleeper": sleeper.pid}
    named = ServiceStatus(config.unit, UnitState.ACTIVE, pid=sleeper.pid)
    assert processes.find([(config, named)]) == {"lone-sleeper": sleeper.pid}
    sleeper.kill()
    sleeper.wait()
    assert processes.find([(config, named), (config, stopped)]) == {"lone-sleeper": None}


def test_usage_of_those_that_run(sleeper: subprocess.Popen[bytes]) -> None:
    meter = UsageMeter()
    first = meter.measure([sleeper.pid, 2**22 + 5])
    assert set(first) == {sleeper.pid}
    assert first[sleeper.pid].cpu_percent is None
    second = meter.measure([sleeper.pid])[sleeper.pid]
    assert second.cpu_percent is not None
    assert second.memory_bytes > 0


def test_gaps_are_filled_by_who_knows_and_only_for_the_same_process() -> None:
    found = (process("node", "a.js", pid=5, working_dir=None), process("node", "b.js", pid=6, working_dir="/own"))
    seen = (
        ProcessSeen(5, "ana", "/srv/shop", "/usr/bin/node", ("node", "a.js"), "shop.service"),
        ProcessSeen(6, "eva", "/srv/other", "/usr/bin/node", ("node", "b.js"), None),
    )
    first, second = completed(found, seen)
    assert (first.working_dir, first.executable, first.unit) == ("/srv/shop", "/usr/bin/node", "shop.service")
    assert (second.working_dir, second.executable) == ("/own", None)
