"""The command that installs packages with apt, really run by a shell, against an apt-get that answers as told."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from d8.commands import packages

LOCKED = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 4711 (python3)"
DEAD_SOURCE = "E: The repository 'https://dead.example trixie Release' does not have a Release file."
RESOLVING = "W: Failed to fetch http://deb.example.org/x  Temporary failure resolving 'deb.example.org'"
# Answers of `update` in turn: one file each, its first line the exit code, the rest what it says on standard error.
APT = """#!/bin/sh
echo "$*" >> "$here/calls"
[ "$1" = update ] || exit 0
echo "Reading package lists..."
n=$(grep -c '^update' "$here/calls"); answer=$here/answer$n; [ -e "$answer" ] || exit 0
tail -n +2 "$answer" >&2; exit "$(head -n 1 "$answer")"
"""
Install = Callable[..., tuple[subprocess.CompletedProcess[str], list[str]]]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Install git within so many seconds, where `apt-get update` gives these answers (exit code, words) first."""

    def run(*answers: tuple[int, str], lock_seconds: float = 600) -> tuple[subprocess.CompletedProcess[str], list[str]]:
        for name, text in (("apt-get", APT), ("sleep", "#!/bin/sh\n")):
            (tmp_path / name).write_text(text)
            (tmp_path / name).chmod(0o755)
        for number, (code, words) in enumerate(answers, start=1):
            (tmp_path / f"answer{number}").write_text(f"{code}\n{words}\n" if words else f"{code}\n")
        done = subprocess.run(
            ["sh", "-c", packages.install("apt-get", "git", lock_seconds=lock_seconds).line],
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "here": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        return done, [call.split()[0] for call in (tmp_path / "calls").read_text().splitlines()]

    return run


def test_lists_are_renewed_then_it_is_installed(install: Install) -> None:
    done, calls = install()
    assert (done.returncode, calls, done.stderr) == (0, ["update", "install"], "")
    assert "Reading package lists" in done.stdout


def test_a_held_lock_is_waited_for_and_its_holder_named(install: Install) -> None:
    done, calls = install((100, LOCKED), (100, LOCKED))
    assert (done.returncode, calls) == (0, ["update"] * 3 + ["install"])
    assert LOCKED in done.stderr


def test_a_lock_that_is_held_too_long_ends_it(install: Install) -> None:
    done, calls = install(*[(100, LOCKED)] * 9, lock_seconds=10)
    assert (done.returncode, calls) == (100, ["update"] * 3)
    assert done.stderr.splitlines()[-1] == LOCKED


def test_a_dead_source_of_somebody_else_is_told_and_not_waited_for(install: Install) -> None:
    done, calls = install((100, DEAD_SOURCE))
    assert (done.returncode, calls) == (0, ["update", "install"])
    assert DEAD_SOURCE in done.stderr and "lists that are there are used" in done.stderr


def test_warnings_of_lists_that_could_not_be_fetched_are_kept(install: Install) -> None:
    done, _ = install((0, RESOLVING))
    assert done.stderr.strip() == RESOLVING
