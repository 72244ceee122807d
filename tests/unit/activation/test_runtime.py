"""What a release runs in, and that its launcher really becomes that: real programs in a folder with a blank in it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from slave_agent.activation.errors import ActivationError
from slave_agent.activation.runtime import launcher_of, missing_from, runtime_of, write_launcher
from slave_agent.activation.states import Runtime

PRINT = '#!/bin/sh\nprintf \'%s\\n\' "$$" "$PYTHONUSERBASE" "$@"\n'


@pytest.fixture
def release(tmp_path: Path) -> Path:
    folder = tmp_path / "a release's folder"
    folder.mkdir()
    return folder


def say(release: Path, **about: str) -> None:
    (release / "release.json").write_text(json.dumps(about))


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PRINT)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("about", "runtime", "missing"),
    [
        (None, Runtime.VENV, "venv/bin/python"),
        ({}, Runtime.VENV, "venv/bin/python"),
        ({"runtime": "venv"}, Runtime.VENV, "venv/bin/python"),
        ({"runtime": "native"}, Runtime.NATIVE, "native"),
        ({"runtime": "docker"}, Runtime.DOCKER, "image"),
    ],
)
def test_a_release_says_what_it_runs_in_and_what_it_lacks(release: Path, about, runtime, missing) -> None:
    if about is not None:
        say(release, **about)
    assert runtime_of(release) is runtime
    assert missing_from(release) == missing
    program(release / missing)
    assert missing_from(release) is None


def test_an_unknown_runtime_is_refused(release: Path) -> None:
    say(release, runtime="podman")
    with pytest.raises(ActivationError, match="podman"):
        runtime_of(release)


@pytest.mark.parametrize(
    ("runtime", "python", "user_base"),
    [("venv", "venv/bin/python", ""), ("native", "python of the host", "native")],
)
def test_the_launcher_becomes_the_agent_itself(
    release: Path, runtime, python, user_base, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONUSERBASE", raising=False)
    say(release, runtime=runtime, python=str(program(release / python)))
    write_launcher(release)
    argv = [str(launcher_of(release)), "--settings", "an agent.json"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        pid, base, *words = process.communicate(timeout=10)[0].splitlines()
    assert (int(pid), words) == (process.pid, ["-m", "slave_agent", "--settings", "an agent.json"])
    assert base == (str(release / user_base) if user_base else "")


def test_the_native_launcher_finds_libraries_of_the_release_alone(release: Path) -> None:
    say(release, runtime="native", python=f"{sys.base_prefix}/bin/python3")
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    site = release / "native/lib" / version / "site-packages"
    site.mkdir(parents=True)
    (site / "slave_agent.py").write_text("print('from the release')")
    write_launcher(release)
    done = subprocess.run([str(launcher_of(release))], capture_output=True, text=True, check=True, cwd=release)
    assert done.stdout == "from the release\n"
