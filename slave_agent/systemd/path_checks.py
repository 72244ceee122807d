"""What is wrong with the ways to an app's files: who else could change them, and what the app would not see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Optional

from slave_agent.systemd.accounts import Account
from slave_agent.systemd.code_paths import SCRIPT_IS_A_FILE, code_paths
from slave_agent.systemd.probe import Probe
from slave_agent.systemd.service_config import FieldProblem, ServiceConfig
from slave_agent.systemd.writers import foreign_writers

SHARED_TMP = ("/tmp/", "/var/tmp/")  # noqa: S108 - nothing is made there
INTERPRETER = "interpreter"


def foreign_problems(
    config: ServiceConfig, account: Account, probe: Probe, interpreter: Optional[str]
) -> Iterator[FieldProblem]:
    """Given an app, its account, how the host is looked at, and its interpreter, yield what others could change."""
    told: set[tuple[bool, str]] = set()  # a folder is told once, though many files lie in it
    for field, path in code_paths(config, probe, interpreter):
        is_program = field == INTERPRETER
        writers = foreign_writers(probe.parts_of(path), account.name, account.user_id)
        found = [one for one in writers if (is_program, one) not in told]
        if found:
            told.update((is_program, one) for one in found)
            hint = "Take the right to write from others: chmod go-w PATH, or chown it."
            yield FieldProblem(field, f"others could change what {path} runs: {'; '.join(found[:5])}", hint)


def hidden_problems(config: ServiceConfig, probe: Probe, interpreter: Optional[str]) -> Iterator[FieldProblem]:
    """Given an app with a /tmp of its own, how the host is looked at, and its interpreter, yield what it won't see."""
    script = config.script if config.kind in SCRIPT_IS_A_FILE else None
    for field, path in (("script", script), ("working_dir", config.working_dir), (INTERPRETER, interpreter)):
        if path is not None and any(part.path.startswith(SHARED_TMP) for part in probe.parts_of(path)):
            message = f"{path} is not there for the app: with hardening {config.hardening.value} it has its own /tmp"
            yield FieldProblem(field, message, "Move it to another folder, or choose hardening off.")
