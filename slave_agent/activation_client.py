"""Asking the activation for what the agent may not do itself: root's helper has the rights, or without root the same
user has.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from slave_agent.errors import ActivationError
from slave_agent.helper_client import ask_helper, checked_answer, read_answer
from slave_agent.models import AgentSettings, JsonObject
from slave_agent.process_runner import Runner
from slave_agent.states import ActivationVerb

_RUN_SECONDS = 60.0
_HELPER_SECONDS = 55.0
_SYSTEM_PYTHON = Path("/usr/bin/python3")


class ActivationClient:
    """Given the settings and how to run a process."""

    def __init__(self, settings: AgentSettings, run: Runner) -> None:
        self._settings = settings
        self._run = run

    def ask(self, verb: ActivationVerb, **fields: str) -> JsonObject:
        """Given a verb with its fields, have it done and return the answer. Raises ActivationError if it was refused or
        nobody answered.

        What ends the agent is only begun: it happens about a second later, so that the answer to the client still
        gets out.
        """
        if self._settings.helper_socket is not None:
            return ask_helper(self._settings.helper_socket, verb, _HELPER_SECONDS, **fields)
        command = self.command(verb, **fields)
        result = self._run(command, _RUN_SECONDS)
        is_refusal = bool((read_answer(result.stdout) or {}).get("error"))
        if result.success or is_refusal:
            return checked_answer(result.stdout, "the activation")
        said = (result.stderr.strip() or result.stdout.strip() or f"exit code {result.exit_code}").splitlines()
        raise ActivationError(f"{verb} failed: {said[-1][:300]}", f"Try it by hand: {shlex.join(command)}")

    def command(self, verb: ActivationVerb, **fields: str) -> list[str]:
        """The argv of a verb where there is no helper."""
        python = str(_SYSTEM_PYTHON) if _SYSTEM_PYTHON.exists() else sys.executable
        options = [f"--{name}={value}" for name, value in fields.items()]
        return [python, "-I", str(self._settings.release_dir / "d8-activate"), verb, *options]
