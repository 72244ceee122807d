"""A release's own libraries from its lock files: in a virtual environment, or in a user base of the host's Python.

Nothing but what a lock names, hash for hash, and never anything that would have to be compiled here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from slave_agent.activation.commands import Finished, Runner
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.files import make_folder, remove_tree
from slave_agent.activation.states import Runtime

INSTALL_SECONDS = 900.0
PSUTIL = "slave_agent/requirements-psutil.txt"
LOCKS = ("slave_agent/requirements.txt", PSUTIL)
QUIET = ("--no-cache-dir", "--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--compile")
BREAK_SYSTEM_PACKAGES = "--break-system-packages"
ADVICE = "Look whether the package index is reachable, or bring the wheels: --wheels FOLDER"


@dataclass(frozen=True)
class Preparation:
    """What `prepare` is told: the commit, the host's interpreter for the agent, a folder of wheels or None (the index),
    and for Docker the image that the agent's own is made from.

    `asks_index_too` says that some wheels are missing in the folder.
    """

    commit: str
    branch: str | None
    runtime: Runtime
    python: str
    wheels: Path | None
    base_image: str | None = None
    asks_index_too: bool = False


def make_venv(release: Path, wanted: Preparation, runner: Runner) -> list[str]:
    """Make the release's virtual environment anew; return the words that start its Python. Raises ActivationError."""
    venv = release / "venv"
    remove_tree(venv)
    pip = pip_wheel(wanted.wheels)
    words = [wanted.python, "-m", "venv", *(["--without-pip"] if pip else []), str(venv)]
    must(runner.run(words, timeout_seconds=INSTALL_SECONDS), "The virtual environment could not be made")
    python = [str(venv / "bin/python")]
    program = [*python, *([f"{pip}/pip"] if pip else ["-m", "pip"]), "install", *QUIET]
    for lock in LOCKS:
        installed = _install(program, release, lock, wanted, runner)
        if not installed.is_ok and lock == PSUTIL and _shows_psutil_of_distribution(venv, wanted, runner):
            continue  # there is no psutil wheel for 32-bit ARM
        must(installed, f"{lock} could not be installed")
    return python


def make_user_base(release: Path, wanted: Preparation, runner: Runner) -> list[str]:
    """Make the release's user base anew; return the words that start the host's Python with it. Raises
    ActivationError.
    """
    base = release / "native"
    remove_tree(base)
    make_folder(base)
    pip = pip_wheel(wanted.wheels)
    python = ["env", "-u", "PYTHONNOUSERSITE", f"PYTHONUSERBASE={base}", wanted.python]
    program = [*python, *([f"{pip}/pip"] if pip else ["-m", "pip"]), "install"]
    options = ["--user", "--ignore-installed", "--no-warn-script-location", *QUIET]
    if BREAK_SYSTEM_PACKAGES in runner.run([*program, "--help"]).stdout:  # for this folder alone
        options.append(BREAK_SYSTEM_PACKAGES)
    for lock in LOCKS:
        installed = _install([*program, *options], release, lock, wanted, runner)
        if not installed.is_ok and lock == PSUTIL and _has_psutil(wanted, runner):
            continue
        must(installed, f"{lock} could not be installed")
    return python


def pip_wheel(wheels: Path | None) -> Path | None:
    """The wheel of pip among them, which runs without being installed."""
    return next(iter(sorted(wheels.glob("pip-*.whl"))), None) if wheels else None


def must(finished: Finished, problem: str) -> None:
    """Raises ActivationError with the last words of a command that failed."""
    if not finished.is_ok:
        said = " | ".join((finished.stderr.strip() or finished.stdout.strip()).splitlines()[-3:])
        raise ActivationError(f"{problem}: {said or finished.reason}", ADVICE)


def _install(program: list[str], release: Path, lock: str, wanted: Preparation, runner: Runner) -> Finished:
    source = ["--find-links", str(wanted.wheels)] if wanted.wheels else []
    source += ["--no-index"] if wanted.wheels and not wanted.asks_index_too else []
    locked = ["--require-hashes", "--only-binary", ":all:", "-r", str(release / lock)]
    return runner.run([*program, *source, *locked], timeout_seconds=INSTALL_SECONDS)


def _has_psutil(wanted: Preparation, runner: Runner) -> bool:
    return runner.run([wanted.python, "-I", "-c", "import psutil"]).is_ok


def _shows_psutil_of_distribution(venv: Path, wanted: Preparation, runner: Runner) -> bool:
    if not _has_psutil(wanted, runner):
        return False
    configuration = venv / "pyvenv.cfg"
    text = configuration.read_text(encoding="utf-8")
    opened = re.sub(r"(?m)^(include-system-site-packages *= *)false", r"\1true", text)
    configuration.write_text(opened, encoding="utf-8")
    return True
