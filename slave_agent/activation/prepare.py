"""The verb `prepare`: an unpacked source becomes a whole release, with libraries of its own from locked wheels.

Nothing that runs is touched. A build does the same step by step, with what its master finds out on the way.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from slave_agent.activation.commands import Runner
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.files import write_json
from slave_agent.activation.image import make_image
from slave_agent.activation.libraries import Preparation, make_user_base, make_venv, must
from slave_agent.activation.settings import COMMIT
from slave_agent.activation.states import Runtime

LAUNCHER = Path("slave_agent/activation/d8-activate")
VERSION = re.compile(r"""^__version__ = ["']([^"']+)["']""", re.MULTILINE)
CHECK = "import sys; sys.path.insert(0, sys.argv[1]); import a2wsgi, flask, psutil, uvicorn, slave_agent.server"


def parse_preparation(document: str) -> Preparation:
    """Given the JSON text on stdin, return what is wanted. Raises ActivationError."""
    try:
        values = json.loads(document)
        wheels = values.get("wheels")
        wanted = Preparation(
            commit=str(values["commit"]),
            branch=values.get("branch"),
            runtime=Runtime(values.get("runtime", Runtime.VENV.value)),
            python=str(values["python"]),
            wheels=Path(wheels) if wheels else None,
            base_image=values.get("base_image"),
            asks_index_too=values.get("asks_index_too") is True,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise ActivationError(f"What is on stdin can't be used: {problem!r}", "Send commit and python.") from problem
    if not COMMIT.match(wanted.commit):
        raise ActivationError(f"{wanted.commit!r} is not a commit.", "Send its 40 hexadecimal digits.")
    return wanted


def prepare(opt: Path, wanted: Preparation, runner: Runner) -> dict[str, Any]:
    """Given the opt folder and what is wanted, make the release's libraries anew and prove that the agent imports.

    Raises ActivationError with the last words of what failed.
    """
    release = opt / "releases" / wanted.commit
    if not (release / LAUNCHER).exists():
        raise ActivationError(f"{release} does not hold the agent's source.", "Unpack it there first.")
    os.umask(0o022)
    about = {"commit": wanted.commit, "branch": wanted.branch, "version": _version(release)}
    write_json(release / "release.json", {**about, "runtime": wanted.runtime.value, "python": wanted.python}, 0o644)
    if wanted.runtime is Runtime.DOCKER:
        make_image(release, wanted, runner)  # the image proves that the agent imports
    elif wanted.runtime is Runtime.NATIVE:
        python = make_user_base(release, wanted, runner)
        _compile_and_check(release, [*python, "-P"], python, runner)
    else:
        python = make_venv(release, wanted, runner)
        _compile_and_check(release, [*python, "-I"], python, runner)
    return {"prepared": True, "release": str(release), "commit": wanted.commit}


def _compile_and_check(release: Path, isolated: list[str], python: list[str], runner: Runner) -> None:
    """Compiled ahead: the hardened agent can't write .pyc files, and starts in half the time with them."""
    compiled = runner.run([*python, "-m", "compileall", "-q", str(release / "slave_agent")], timeout_seconds=120)
    must(compiled, "The agent could not be compiled")
    must(runner.run([*isolated, "-c", CHECK, str(release)], timeout_seconds=120), "The agent does not import")


def _version(release: Path) -> str:
    found = VERSION.search((release / "slave_agent/__init__.py").read_text(encoding="utf-8"))
    return found.group(1) if found else "unknown"
