"""The verb `prepare`: an unpacked source becomes a whole release, with an environment of its own from locked wheels.

Nothing that runs is touched. The build does the same step by step, with what its master finds out on the way.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slave_agent.activation.commands import Finished, Runner
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.files import remove_tree, write_json
from slave_agent.activation.settings import COMMIT
from slave_agent.activation.states import Runtime

INSTALL_SECONDS = 900.0
LOCKS = ("slave_agent/requirements.txt", "slave_agent/requirements-psutil.txt")
LAUNCHER = Path("slave_agent/activation/d8-activate")
VERSION = re.compile(r"""^__version__ = ["']([^"']+)["']""", re.MULTILINE)
QUIET = ("--no-cache-dir", "--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--compile")
CHECK = "import sys; sys.path.insert(0, sys.argv[1]); import a2wsgi, flask, psutil, uvicorn, slave_agent.server"
ADVICE = "Look whether the package index is reachable, or bring the wheels: --wheels FOLDER"


@dataclass(frozen=True)
class Preparation:
    """What `prepare` is told: the commit, the interpreter for the agent, and a folder of wheels or None (the index)."""

    commit: str
    branch: str | None
    python: str
    wheels: Path | None


def parse_preparation(document: str) -> Preparation:
    """Given the JSON text on stdin, return what is wanted. Raises ActivationError."""
    try:
        values = json.loads(document)
        wheels = values.get("wheels")
        wanted = Preparation(
            str(values["commit"]), values.get("branch"), str(values["python"]), Path(wheels) if wheels else None
        )
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise ActivationError(f"What is on stdin can't be used: {problem!r}", "Send commit and python.") from problem
    if not COMMIT.match(wanted.commit):
        raise ActivationError(f"{wanted.commit!r} is not a commit.", "Send its 40 hexadecimal digits.")
    return wanted


def prepare(opt: Path, wanted: Preparation, runner: Runner) -> dict[str, Any]:
    """Given the opt folder and what is wanted, make the release's environment anew and prove that the agent imports.

    Raises ActivationError with the last words of what failed.
    """
    release = opt / "releases" / wanted.commit
    if not (release / LAUNCHER).exists():
        raise ActivationError(f"{release} does not hold the agent's source.", "Unpack it there first.")
    os.umask(0o022)
    about = {"commit": wanted.commit, "branch": wanted.branch, "version": _version(release)}
    write_json(release / "release.json", {**about, "runtime": Runtime.VENV.value, "python": wanted.python}, 0o644)
    _make_venv(release, wanted, runner)
    _compile_and_check(release, runner)
    return {"prepared": True, "release": str(release), "commit": wanted.commit}


def _make_venv(release: Path, wanted: Preparation, runner: Runner) -> None:
    venv = release / "venv"
    remove_tree(venv)
    pip = _pip_wheel(wanted.wheels)
    words = [wanted.python, "-m", "venv", *(["--without-pip"] if pip else []), str(venv)]
    _must(runner.run(words, timeout_seconds=INSTALL_SECONDS), "The virtual environment could not be made")
    for lock in LOCKS:
        installed = _install(release, lock, wanted, pip, runner)
        if not installed.is_ok and lock == LOCKS[-1] and _sees_psutil_of_distribution(release, wanted, runner):
            continue  # there is no psutil wheel for 32-bit ARM
        _must(installed, f"{lock} could not be installed")


def _install(release: Path, lock: str, wanted: Preparation, pip: Path | None, runner: Runner) -> Finished:
    """Nothing but what the lock names, hash for hash, and never anything that would have to be compiled here."""
    python = str(release / "venv/bin/python")
    program = [python, f"{pip}/pip"] if pip else [python, "-m", "pip"]
    source = ["--no-index", "--find-links", str(wanted.wheels)] if wanted.wheels else []
    locked = ["--require-hashes", "--only-binary", ":all:", "-r", str(release / lock)]
    return runner.run([*program, "install", *QUIET, *source, *locked], timeout_seconds=INSTALL_SECONDS)


def _compile_and_check(release: Path, runner: Runner) -> None:
    """Compiled ahead: the hardened agent can't write .pyc files, and starts in half the time with them."""
    python = str(release / "venv/bin/python")
    compiled = runner.run([python, "-m", "compileall", "-q", str(release / "slave_agent")], timeout_seconds=120)
    _must(compiled, "The agent could not be compiled")
    _must(runner.run([python, "-I", "-c", CHECK, str(release)], timeout_seconds=120), "The agent does not import")


def _sees_psutil_of_distribution(release: Path, wanted: Preparation, runner: Runner) -> bool:
    if not runner.run([wanted.python, "-I", "-c", "import psutil"]).is_ok:
        return False
    configuration = release / "venv/pyvenv.cfg"
    text = configuration.read_text(encoding="utf-8")
    opened = re.sub(r"(?m)^(include-system-site-packages *= *)false", r"\1true", text)
    configuration.write_text(opened, encoding="utf-8")
    return True


def _pip_wheel(wheels: Path | None) -> Path | None:
    return next(iter(sorted(wheels.glob("pip-*.whl"))), None) if wheels else None


def _version(release: Path) -> str:
    found = VERSION.search((release / "slave_agent/__init__.py").read_text(encoding="utf-8"))
    return found.group(1) if found else "unknown"


def _must(finished: Finished, problem: str) -> None:
    if not finished.is_ok:
        said = " | ".join((finished.stderr.strip() or finished.stdout.strip()).splitlines()[-3:])
        raise ActivationError(f"{problem}: {said or finished.reason}", ADVICE)
