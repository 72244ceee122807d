"""The first run on a copy of the project without .venv: spaces in its path, two starts at once, an interrupted one."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
COPIED = ("start_d8.py", "d8", "requirements.txt", ".env.example")
SETUP_SECONDS = 300


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in a folder whose name has spaces."""
    root = tmp_path_factory.mktemp("a folder with spaces") / "d8 project"
    root.mkdir()
    for name in COPIED:
        source = PROJECT / name
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, root / name, ignore=ignore) if source.is_dir() else shutil.copy2(source, root / name)
    return root


def base_python() -> str:
    """The interpreter outside of the environment that runs the tests."""
    return str(Path(sys.base_prefix) / "bin" / "python3")


def start(project: Path, *words: str, **environ: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "LANG": "es_ES.UTF-8", "D8_DATA_DIR": str(project.parent / "data"), **environ}
    return subprocess.Popen(
        [base_python(), project / "start_d8.py", *words],
        cwd="/",
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def processor_seconds_of_children() -> float:
    """The processor time of all processes that we started and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_without_network_it_says_so(project: Path) -> None:
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_NO_INDEX": "", "PIP_FIND_LINKS": "/nonexistent"}
    nowhere |= {"PIP_CONFIG_FILE": "/dev/null", "PIP_EXTRA_INDEX_URL": "", "PIP_NO_CACHE_DIR": "1"}
    process = start(project, "slaves", "--json", **nowhere)
    stdout, _ = process.communicate(timeout=SETUP_SECONDS)
    assert process.returncode == 1
    assert "no network" in json.loads(stdout)["error"]


def test_an_interrupted_set_up_is_done_again_and_two_starts_share_one(project: Path) -> None:
    interrupted = start(project, "slaves")
    assert interrupted.stderr
    for line in interrupted.stderr:
        if "[2/" in line:
            break
    interrupted.send_signal(signal.SIGINT)
    interrupted.communicate(timeout=60)
    assert interrupted.returncode == 1
    assert not (project / ".venv" / ".d8-complete").exists()

    both = [start(project, "slaves", "--json") for _ in range(2)]
    answers = [process.communicate(timeout=SETUP_SECONDS) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    assert [json.loads(stdout) for stdout, _ in answers] == [{"slaves": []}] * 2
    assert sum("Primer arranque" in stderr for _, stderr in answers) == 1
    assert sum("esperando" in stderr for _, stderr in answers) == 1
    assert any(re.search(r"\[(\d+)/\1\]", stderr) for _, stderr in answers), "the last of all packages"

    env_file = project / ".env"
    assert env_file.stat().st_mode & 0o777 == 0o600
    assert "D8_LANG=es\n" in env_file.read_text()

    before = processor_seconds_of_children()
    later = start(project, "--help")
    stdout, stderr = later.communicate(timeout=60)
    assert "Uso:" in stdout and stderr == ""
    assert processor_seconds_of_children() - before < 1.0  # wall time would measure what else runs here
