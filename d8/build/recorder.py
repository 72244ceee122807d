"""Runs commands on the slave as jobs: shows their output while they run, survives a lost link, records every one.

In a resumed build it first takes what the log still holds: results, and jobs that the slave went on with.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TypeVar

from d8.build.build_log import BuildLog
from d8.build.command_failed import CommandFailed
from d8.build.control import Control, Orders
from d8.build.events import CommandStarted, Observer
from d8.build.live_lines import LiveLines
from d8.build.recording import RecordedCommand, Recording
from d8.errors import SlaveUnreachable
from d8.fleet.agent_client import Job, JobRequest, ProblemAnswer, SlaveClient
from d8.fleet.job_reader import JobOutput, read_to_end
from d8.masking import Masker
from d8.messages import Message
from d8.models import CommandResult, CommandState
from d8.shell import ShellCommand

T = TypeVar("T")
LINK_PATIENCE_SECONDS = 60.0
WITHOUT_RESULT = (CommandState.LOST, CommandState.CANCELLED)
FIRST_RETRY_SECONDS = 0.5


class RemoteShell:
    """A slave's shell. Given the client, the log, what to mask, who watches, the orders and what a resumed build need
    not repeat; clock and sleep can be replaced."""

    def __init__(
        self,
        client: SlaveClient,
        log: BuildLog,
        masker: Masker,
        observer: Observer,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        control: Control | None = None,
        recording: Recording | None = None,
    ) -> None:
        self._client = client
        self._log = log
        self._masker = masker
        self._observer = observer
        self._sleep = sleep
        self._clock = clock
        self._control = control or Control(Orders())
        self._recording = recording or Recording()
        self._running: RecordedCommand | None = None

    def run(
        self,
        command: ShellCommand,
        *,
        timeout_seconds: float,
        stdin: str | None = None,
        purpose: Message | None = None,
        shows_output: bool = True,
        replayable: bool = True,
    ) -> CommandResult:
        """Given a command, run it to its end and return its result, masked and recorded.

        Without `shows_output` what it prints, meant for us and not for people, stays off the screen. Without
        `replayable` it runs whatever the log holds, and a later resumed build repeats it too.

        Raises SlaveUnreachable when the link stays away for a minute, or the slave does not end the command in time.
        """
        self._control.check()
        shown = self._masker.mask(command.line)
        self._observer(CommandStarted(shown, purpose))
        replayable = replayable and shown == command.line  # of a masked one nobody can say that it is the same
        recorded = self._recorded(shown) if replayable else None
        if recorded and recorded.result:
            return recorded.result
        running = recorded or self._begin(shown, replayable, timeout_seconds)
        request = JobRequest(command.line, timeout_seconds, running.job_id, stdin=stdin)
        self._running = running
        self._patiently(lambda: self._client.start_job(request))  # a job that is there already is not started again
        result, state = self._follow(running, shows_output)
        if recorded and state in WITHOUT_RESULT:
            self._log.end_without_result(recorded.index, state)
            return self.run(
                command, timeout_seconds=timeout_seconds, stdin=stdin, purpose=purpose, shows_output=shows_output
            )
        return result

    def require(
        self,
        command: ShellCommand,
        purpose: Message,
        *,
        timeout_seconds: float,
        stdin: str | None = None,
        shows_output: bool = True,
        replayable: bool = True,
    ) -> CommandResult:
        """Like run, but raises CommandFailed, named by `purpose`, when the command does not succeed."""
        result = self.run(
            command,
            timeout_seconds=timeout_seconds,
            stdin=stdin,
            purpose=purpose,
            shows_output=shows_output,
            replayable=replayable,
        )
        if not result.success:
            raise CommandFailed(result, purpose)
        return result

    def upload(self, name: str, content: bytes) -> str:
        """Given a file's name and content, put it into the slave's work folder, unless a resumed build has it there
        already; return its path."""
        sha256 = hashlib.sha256(content).hexdigest()
        path = self._recording.path_of(name, sha256)
        if path is not None:
            return path
        self._control.check()
        with self._control.orders.uploads:
            path = self._patiently(lambda: self._client.upload(name, content))
        self._log.add("uploads", {"name": name, "sha256": sha256, "size": len(content), "path": path})
        return path

    def start_anew(self) -> None:
        """Forget what the log holds: cancel the job that still runs for it, and run everything from here on."""
        rest = self._recording.forget()
        for one in rest:
            if one.is_running:
                self._patiently(partial(self.cancel, one))
        if rest:
            self._log.supersede([one.index for one in rest])

    def wait_for(self, commands: list[RecordedCommand]) -> None:
        """Given commands of the log that may still run on the slave, wait for their ends and record them."""
        for one in commands:
            try:
                self._follow(one, shows_output=False)
            except ProblemAnswer:  # the slave does not know the job: it never began, or its server is another one now
                self._log.end_without_result(one.index, CommandState.LOST)

    def cancel_running(self) -> None:
        """End the job that runs now, with everything it started. Raises SlaveUnreachable."""
        if self._running is not None:
            self._patiently(partial(self.cancel, self._running))
            self._running = None

    def lose_running(self) -> None:
        """Record that nobody will learn how the job that ran last has ended."""
        if self._running is not None:
            self._log.end_without_result(self._running.index, CommandState.LOST)
            self._running = None

    def cancel(self, command: RecordedCommand) -> None:
        """Given a recorded command, end its job on the slave, if it is there and runs, and record it."""
        try:
            state = self._client.cancel_job(command.job_id).state
        except ProblemAnswer:
            state = CommandState.LOST
        self._log.end_without_result(command.index, _state(state))

    def _recorded(self, shown: str) -> RecordedCommand | None:
        found = self._recording.take(shown)
        if found is None:
            self.start_anew()
        return found

    def _begin(self, shown: str, replayable: bool, timeout_seconds: float) -> RecordedCommand:
        job_id = secrets.token_hex(8)
        index = self._log.begin_command(shown, job_id, datetime.now().astimezone(), replayable, timeout_seconds)
        return RecordedCommand(index, shown, job_id, is_running=True, timeout_seconds=timeout_seconds)

    def _follow(self, command: RecordedCommand, shows_output: bool) -> tuple[CommandResult, CommandState]:
        """Show a job's output until it ends; record and return the outcome."""
        began = datetime.now().astimezone()
        read = self._read_to_end(command, shows_output)
        shown = self._masker.mask(read.stdout), self._masker.mask(read.stderr)
        last, state = read.job, _state(read.job.state)
        result = CommandResult(
            command=command.command,
            success=last.exit_code == 0,
            stdout=shown[0],
            stderr=shown[1],
            exit_code=last.exit_code,
            timestamp=began,
            duration_seconds=last.duration_seconds,
            job_id=command.job_id,
            timed_out=state is CommandState.TIMED_OUT,
        )
        is_whole = shown == (read.stdout, read.stderr) and not read.is_cut
        self._log.end_command(command.index, result, state, is_whole)
        self._running = None
        return result, state

    def _read_to_end(self, command: RecordedCommand, shows_output: bool) -> JobOutput:
        lines = LiveLines(self._masker, self._observer if shows_output else (lambda _line: None))

        def ask(offset: int, stderr_offset: int, wait_seconds: float) -> Job:
            return self._patiently(partial(self._client.job, command.job_id, offset, stderr_offset, wait_seconds))

        read = read_to_end(ask, lines.feed, self._control.check, command.timeout_seconds, self._clock)
        lines.flush()
        return read

    def _patiently(self, call: Callable[[], T]) -> T:
        """Repeat a call while the link is away: every call here is safe to repeat, for a job's id is the job."""
        deadline = self._clock() + LINK_PATIENCE_SECONDS
        delay = FIRST_RETRY_SECONDS
        while True:
            try:
                return call()
            except SlaveUnreachable:
                if self._clock() + delay > deadline:
                    raise
                self._control.check()
                self._sleep(delay)
                delay = min(delay * 2, 8.0)


def _state(name: str) -> CommandState:
    try:
        return CommandState(name)
    except ValueError:
        return CommandState.UNKNOWN
