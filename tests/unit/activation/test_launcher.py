"""d8-activate as a program: it finds its own code in isolated mode and answers with JSON, also when it fails."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A release's code where the launcher expects it, without an environment."""
    folder = tmp_path / "d8-agent" / "opt" / "releases" / ("a" * 40)
    for name in ("__init__.py", "activation", "privileged", "systemd"):
        source, target = PROJECT / "slave_agent" / name, folder / "slave_agent" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, target)
    shutil.copy2(PROJECT / "slave_agent/activation/d8-activate", folder / "d8-activate")
    return folder


def run(program: Path, *words: str, stdin: str = "") -> tuple[int, dict[str, object]]:
    argv = [sys.executable, "-I", str(program), *words]
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, json.loads(done.stdout)


def test_a_verb_before_install_says_what_is_missing(release: Path) -> None:
    code, answer = run(release / "d8-activate", "stage")
    assert code == 1 and answer == {"error": "Nothing is installed here.", "hint": "Run install first."}


def test_wrong_settings_are_answered_in_json(release: Path) -> None:
    code, answer = run(release / "d8-activate", "install", stdin='{"scope": "nohup"}')
    assert code == 1 and "commit: missing" in str(answer["error"])


def test_a_release_in_the_wrong_place_is_refused(release: Path) -> None:
    elsewhere = release.parent.parent / "elsewhere"
    release.rename(elsewhere)
    code, answer = run(elsewhere / "d8-activate", "status")
    assert code == 1 and "releases/COMMIT" in str(answer["hint"])
