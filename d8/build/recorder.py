"""Runs commands on the slave as jobs: shows their output while they run, survives a lost link, records every one."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TypeVar

from d8.build.build_log import BuildLog
from d8.build.events import CommandStarted, Observer, OutputLine
from d8.errors import BuildFailed, SlaveUnreachable
from d8.fleet.agent_client import Job, JobRequest, SlaveClient
from d8.masking import Masker, MaskingStream
from d8.messages import Message
from d8.models import CommandResult
from d8.shell import ShellCommand

T = TypeVar("T")
LINK_PATIENCE_SECONDS = 60.0
LONG_POLL_SECONDS = 10.0
FIRST_RETRY_SECONDS = 0.5
KEPT_FOR_DIAGNOSIS = 8000  # characters of each stream


class CommandFailed(BuildFailed):
    """A command that had to succeed did not; carries its result for whoever explains it."""

    def __init__(self, result: CommandResult, purpose: Message) -> None:
        self.result = result
        super().__init__(
            "{purpose} failed: {reason}",
            "The whole output is in the build log.",
            purpose=purpose,
            reason=_last_words(result),
        )


def last_output(error: BaseException) -> str:
    """Given what ended a step, return the end of what its command printed, masked; empty when there was no command."""
    failed = error if isinstance(error, CommandFailed) else error.__cause__
    if not isinstance(failed, CommandFailed):
        return ""
    return f"{failed.result.stdout[-KEPT_FOR_DIAGNOSIS:]}\n{failed.result.stderr[-KEPT_FOR_DIAGNOSIS:]}".strip()


class RemoteShell:
    """A slave's shell. Given the client, the log, what to mask and who watches; clock and sleep can be replaced."""

    def __init__(
        self,
        client: SlaveClient,
        log: BuildLog,
        masker: Masker,
        observer: Observer,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._log = log
        self._masker = masker
        self._observer = observer
        self._sleep = sleep
        self._clock = clock

    def run(
        self,
        command: ShellCommand,
        *,
        timeout_seconds: float,
        stdin: str | None = None,
        purpose: Message | None = None,
        shows_output: bool = True,
    ) -> CommandResult:
        """Given a command, run it to its end and return its result, masked and recorded.

        Without `shows_output` what it prints, meant for us and not for people, stays off the screen.

        Raises SlaveUnreachable when the link stays away for a minute.
        """
        shown = self._masker.mask(command.line)
        self._observer(CommandStarted(shown, purpose))
        started = datetime.now().astimezone()
        job_id = secrets.token_hex(8)
        request = JobRequest(command.line, timeout_seconds, job_id, stdin=stdin)
        self._patiently(lambda: self._client.start_job(request))
        stdout, stderr, last = self._follow(job_id, shows_output)
        result = CommandResult(
            command=shown,
            success=last.exit_code == 0,
            stdout=self._masker.mask(stdout),
            stderr=self._masker.mask(stderr),
            exit_code=last.exit_code,
            timestamp=started,
            duration_seconds=last.duration_seconds,
            job_id=job_id,
            timed_out=last.state == "timed_out",
        )
        self._log.add_command(result)
        return result

    def require(
        self,
        command: ShellCommand,
        purpose: Message,
        *,
        timeout_seconds: float,
        stdin: str | None = None,
        shows_output: bool = True,
    ) -> CommandResult:
        """Like run, but raises CommandFailed, named by `purpose`, when the command does not succeed."""
        result = self.run(
            command, timeout_seconds=timeout_seconds, stdin=stdin, purpose=purpose, shows_output=shows_output
        )
        if not result.success:
            raise CommandFailed(result, purpose)
        return result

    def upload(self, name: str, content: bytes) -> str:
        """Given a file's name and content, put it into the slave's work folder; return its path there."""
        return self._patiently(lambda: self._client.upload(name, content))

    def _follow(self, job_id: str, shows_output: bool) -> tuple[str, str, Job]:
        stdout: list[str] = []
        stderr: list[str] = []
        offset = stderr_offset = 0
        lines = _LiveLines(self._masker, self._observer if shows_output else (lambda _line: None))
        while True:
            job = self._patiently(partial(self._client.job, job_id, offset, stderr_offset, LONG_POLL_SECONDS))
            stdout.append(job.stdout)
            stderr.append(job.stderr)
            lines.feed(job.stdout, job.stderr)
            is_read = (job.next_offset, job.next_stderr_offset) == (offset, stderr_offset)
            offset, stderr_offset = job.next_offset, job.next_stderr_offset
            if not job.is_running and is_read:
                lines.flush()
                return "".join(stdout), "".join(stderr), job

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
                self._sleep(delay)
                delay = min(delay * 2, 8.0)


class _LiveLines:
    """Turns chunks of two streams into masked whole lines for the observer."""

    def __init__(self, masker: Masker, observer: Observer) -> None:
        self._observer = observer
        self._streams = (MaskingStream(masker), MaskingStream(masker))
        self._rests = ["", ""]

    def feed(self, *chunks: str) -> None:
        for index, chunk in enumerate(chunks):
            self._emit(index, self._streams[index].feed(chunk))

    def flush(self) -> None:
        for index, stream in enumerate(self._streams):
            self._emit(index, stream.flush())
            if self._rests[index].strip():
                self._observer(OutputLine(self._rests[index]))

    def _emit(self, index: int, text: str) -> None:
        *lines, self._rests[index] = (self._rests[index] + text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for line in lines:
            if line.strip():
                self._observer(OutputLine(line))


def _last_words(result: CommandResult) -> str:
    """The last line that says something, else the exit code: what stands in an error message."""
    if result.timed_out:
        return f"no end after {result.duration_seconds:.0f} s"
    lines = [line.strip() for line in (result.stderr or result.stdout).splitlines() if line.strip()]
    return f"{lines[-1][:300]} (exit {result.exit_code})" if lines else f"exit {result.exit_code}"
