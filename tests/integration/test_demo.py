"""The demo for real: it builds a slave on this machine, proves it, and leaves nothing, also after Ctrl+C."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from d8.actions.leftovers import end_processes_of, processes_of
from tests.support.handover import wait_until

PROJECT = Path(__file__).resolve().parents[2]
DEMO_SECONDS = 240


class Operator:
    """Somebody with a home and a folder for temporary files of his own, and no terminal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home, self.temporary = folder / "home", folder / "tmp"
        for path in (self.home, self.temporary):
            path.mkdir()

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start the demo."""
        own = {
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "D8_ENV_FILE": str(self.folder / "none.env"),
            "D8_LANG": "en",
            "D8_STABILISATION": "1",
            "XDG_CACHE_HOME": str(Path.home() / ".cache"),
        }
        return subprocess.Popen(
            [sys.executable, PROJECT / "start_d8.py", "demo", *words],
            env={**os.environ, **own},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def assert_nothing_is_left(self) -> None:
        """No process that names the folder, no file in it, nothing of ours in the operator's home."""
        assert processes_of(self.temporary) == []
        assert list(self.temporary.iterdir()) == []
        assert list(self.home.rglob("*d8*")) == []


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    made = Operator(tmp_path)
    yield made
    end_processes_of(made.temporary)
    shutil.rmtree(made.temporary, ignore_errors=True)


def test_the_demo_builds_a_slave_and_cleans_up(operator: Operator) -> None:
    process = operator.start("--yes", "--json")
    stdout, stderr = process.communicate(timeout=DEMO_SECONDS)
    assert process.returncode == 0, stderr
    document = json.loads(stdout)
    assert document["build"]["status"] == "success" and document["build"]["strategy"] == "venv"
    assert document["curl"].startswith("curl --cacert") and document["kept"] is False
    operator.assert_nothing_is_left()


@pytest.mark.full
def test_a_kept_slave_answers_until_it_is_removed(operator: Operator) -> None:
    process = operator.start("--yes", "--json", "--keep")
    stdout, stderr = process.communicate(timeout=DEMO_SECONDS)
    assert process.returncode == 0, stderr
    document = json.loads(stdout)
    answer = subprocess.run(["sh", "-c", document["curl"]], capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout)["hostname"]
    environment = {**os.environ, "D8_DATA_DIR": f"{document['folder']}/master", "D8_ENV_FILE": "/nonexistent"}
    command = [sys.executable, PROJECT / "start_d8.py", "remove", document["build"]["slave_id"], "--yes"]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=120)
    agent = Path(document["folder"], "home/.local/share/d8-agent")
    assert wait_until(lambda: not agent.exists(), 30), "the slave removes itself after its last answer"
    shutil.rmtree(document["folder"])
    operator.assert_nothing_is_left()


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        pytest.param("[4/8]", signal.SIGINT, id="while it builds"),
        pytest.param("[4/8]", signal.SIGHUP, id="a closed terminal"),
        pytest.param("2. On the slave", signal.SIGINT, id="while the script runs", marks=pytest.mark.full),
        pytest.param("[7/8] Handover", signal.SIGINT, id="during the handover", marks=pytest.mark.full),
    ],
)
def test_an_end_in_the_middle_leaves_nothing(operator: Operator, moment: str, number: signal.Signals) -> None:
    process = operator.start()
    assert process.stdout
    for line in process.stdout:
        if moment in line:
            break
    time.sleep(0.5)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=90)
    assert process.returncode == 1
    assert "Traceback" not in stderr
    operator.assert_nothing_is_left()
