"""Runs one command on slaves, at the same time, each as a job with an id of its own."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from d8.actions.fan_out import fan_out
from d8.actions.unexpected import unexpected
from d8.actions.workplace import Workplace
from d8.errors import Cancelled, D8Error, ExitCode
from d8.fleet.agent_client import JobRequest, SlaveClient
from d8.fleet.connection import connect_to_slave
from d8.fleet.job_reader import read_to_end
from d8.messages import NOTHING, Message, message
from d8.models import CommandState, Slave

ENDED_BY_ITSELF = (CommandState.SUCCEEDED, CommandState.FAILED)
ENDINGS: dict[str, Message] = {
    CommandState.CANCELLED: message("the command was cancelled on the slave"),
    CommandState.LOST: message("the slave lost the command before it had a result"),
}
Write = Callable[[str, str], None]  # stream ("stdout" or "stderr"), text


@dataclass(frozen=True)
class Execution:
    """How a command ended on one slave; `error` says why it could not run there at all."""

    slave_id: str
    stdout: str = ""
    stderr: str = ""
    exit_code: int | None = None
    duration_seconds: float = 0.0
    error: Message = NOTHING
    hint: Message = NOTHING
    kind: ExitCode = ExitCode.DONE
    is_cut: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return this slave's object in `exec --json`."""
        return {
            "slave_id": self.slave_id,
            "success": self.kind is ExitCode.DONE,
            "exit_code": self.exit_code,
            "stdout": self.stdout,
            "stderr": self.stderr,
            "truncated": self.is_cut,
            "duration_seconds": self.duration_seconds,
            "error": str(self.error) or None,
            "hint": str(self.hint) or None,
        }


def execute(workplace: Workplace, names: Sequence[str], command: str, write: Write | None = None) -> list[Execution]:
    """Given slaves' names and a shell command, run it on all; `write` gets the output of a single one as it comes.

    Raises UsageError for an unknown name, before anything ran.
    """
    slaves = list({slave.slave_id: slave for slave in map(workplace.registry.slave, names)}.values())
    live = write if len(slaves) == 1 else None
    stop = threading.Event()
    return fan_out(lambda slave: _on(workplace, slave, command, live, stop), slaves, workplace.settings.fan_out, stop)


def executions_exit_code(executions: Sequence[Execution]) -> ExitCode:
    """Given all outcomes, return the exit code: partly done when it worked on some slaves only. Pure."""
    failed = [execution for execution in executions if execution.kind is not ExitCode.DONE]
    if not failed:
        return ExitCode.DONE
    return failed[0].kind if len(failed) == len(executions) else ExitCode.PARTLY_DONE


def _on(workplace: Workplace, slave: Slave, command: str, write: Write | None, stop: threading.Event) -> Execution:
    execution = _attempt(workplace, slave, command, write, stop)
    ended = f"exit code {execution.exit_code}" if execution.exit_code else execution.kind.name.lower()
    workplace.registry.record("exec", slave.slave_id, ended)
    return execution


def _attempt(workplace: Workplace, slave: Slave, command: str, write: Write | None, stop: threading.Event) -> Execution:
    try:
        client = connect_to_slave(slave, workplace.settings, workplace.registry)
        try:
            return _run(client, slave, command, workplace.settings.command_timeout_seconds, write, stop)
        finally:
            client.close()
    except D8Error as error:
        return Execution(slave.slave_id, error=error.message, hint=error.hint, kind=error.exit_code)
    except BrokenPipeError:  # whoever read our output is gone; the slave did nothing wrong
        raise
    except Exception as error:  # a bug with one slave must not take the others' results with it
        return Execution(slave.slave_id, error=unexpected(error), kind=ExitCode.FAILED)


def _run(
    client: SlaveClient,
    slave: Slave,
    command: str,
    timeout_seconds: float,
    write: Write | None,
    stop: threading.Event,
) -> Execution:
    job_id = secrets.token_hex(8)
    client.start_job(JobRequest(command, timeout_seconds, job_id))

    def check() -> None:
        if stop.is_set():
            client.cancel_job(job_id)
            raise Cancelled("cancelled")

    def heard(stdout: str, stderr: str) -> None:
        for stream, text in (("stdout", stdout), ("stderr", stderr)):
            if write and text:
                write(stream, text)

    read = read_to_end(partial(client.job, job_id), heard, check, timeout_seconds)
    job = read.job
    return Execution(
        slave.slave_id,
        read.stdout,
        read.stderr,
        job.exit_code,
        job.duration_seconds,
        _ending(job.state, timeout_seconds),
        kind=ExitCode.DONE if job.exit_code == 0 else ExitCode.FAILED,
        is_cut=job.truncated or (read.is_cut and write is None),
    )


def _ending(state: str, timeout_seconds: float) -> Message:
    """Given a job's last state, say what ended the command from outside; nothing when it ended by itself. Pure."""
    if state in ENDED_BY_ITSELF:
        return NOTHING
    if state == CommandState.TIMED_OUT:
        return message("the command took longer than {seconds} s and was ended", seconds=f"{timeout_seconds:g}")
    return ENDINGS.get(state, message("the slave does not know how the command ended"))
