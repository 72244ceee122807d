"""What a release's agent runs in, and the launcher in the release that starts it, so that units are alike for all."""

from __future__ import annotations

import shlex
from pathlib import Path
from string import Template

from slave_agent.activation.errors import ActivationError
from slave_agent.activation.files import read_json, write_file
from slave_agent.activation.states import Runtime

LAUNCHER = "agent"
TEMPLATES = Path(__file__).with_name("templates")
# What the strategy leaves last in the release, and which therefore stands for the whole of it.
PROOFS = {Runtime.DOCKER: "image", Runtime.VENV: "venv/bin/python", Runtime.NATIVE: "native"}


def runtime_of(release: Path) -> Runtime:
    """Given a release's folder, return what it runs in; one that does not say so has a venv. Raises ActivationError."""
    try:
        named = read_json(release / "release.json").get("runtime", Runtime.VENV.value)
        return Runtime(named)
    except FileNotFoundError:
        return Runtime.VENV
    except (OSError, ValueError) as problem:
        raise ActivationError(f"{release}/release.json can't be used: {problem}", "Build the slave again.") from problem


def missing_from(release: Path) -> str | None:
    """Given a release's folder, return what it lacks to be started, or None where it is whole."""
    proof = PROOFS[runtime_of(release)]
    return None if (release / proof).exists() else proof


def launcher_of(release: Path) -> Path:
    """The program in a release that becomes its agent."""
    return release / LAUNCHER


def write_launcher(release: Path) -> None:
    """Given a whole release, write the program that becomes its agent; its process id stays the same."""
    words = {"release": shlex.quote(str(release)), "python": shlex.quote(_agent_python(release))}
    template = TEMPLATES / f"{LAUNCHER}.{runtime_of(release).value}"
    write_file(launcher_of(release), Template(template.read_text(encoding="utf-8")).substitute(words), 0o755)


def _agent_python(release: Path) -> str:
    """The host's interpreter that the master chose for the agent."""
    try:
        return str(read_json(release / "release.json").get("python") or "/usr/bin/python3")
    except (OSError, ValueError):
        return "/usr/bin/python3"
