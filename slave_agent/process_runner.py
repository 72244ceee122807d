"""The only module that runs processes, apart from the job engine. A non-zero exit is data; what to run is decided
elsewhere.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol, cast

from slave_agent.models import CommandResult

_PIPE_BYTES = 256 * 1024
_SAID_BYTES = 4096
_END_SECONDS = 2.0


class Runner(Protocol):
    """How the rest of the agent reaches processes; tests bring their own."""

    def __call__(self, command: Sequence[str], timeout_seconds: float) -> CommandResult:
        """Given an argv and a time limit, return how it ended."""


def run(command: Sequence[str], timeout_seconds: float) -> CommandResult:
    """Given an argv and a time limit, run it without a shell and without input. Never raises: what failed is in the
    result.
    """
    try:
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return CommandResult(None, "", f"{command[0]} did not end within {timeout_seconds:g} s")
    except OSError as error:
        return CommandResult(None, "", f"{command[0]} could not be started: {error.strerror}")
    return CommandResult(done.returncode, done.stdout, done.stderr)


class Reading:
    """A process whose output is read as it comes. Made by `start_reading`; `end` it in any case."""

    def __init__(
        self, process: asyncio.subprocess.Process, stdout: asyncio.StreamReader, stderr: asyncio.StreamReader
    ) -> None:
        self._process = process
        self._stdout = stdout
        self._stderr = stderr
        self._said = b""
        self._is_at_end = False
        self._listening = asyncio.create_task(self._listen())
        self._ending: asyncio.Task[CommandResult] | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def read(self) -> bytes:
        """Return what it has written since, as soon as there is something; nothing once it has closed its output."""
        piece = await self._stdout.read(_PIPE_BYTES)
        self._is_at_end = not piece
        return piece

    async def end(self) -> CommandResult:
        """Ask it to end unless it has, kill it if it does not, and return how it ended, with the first 4 KiB of its
        stderr. It is reaped even if the caller is cancelled meanwhile.
        """
        self._ending = self._ending or asyncio.create_task(self._end())
        return await asyncio.shield(self._ending)

    async def _end(self) -> CommandResult:
        if not self._is_at_end:
            self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_END_SECONDS):
                await self._until_closed()
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self._until_closed()
        return CommandResult(self._process.returncode, "", self._said.decode("utf-8", "replace").strip())

    async def _until_closed(self) -> None:
        """A pipe that nobody empties would hide that the process has ended."""
        while await self.read():
            pass
        await self._listening
        await self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def _listen(self) -> None:
        """Take what it says on stderr, also beyond what is kept: a full pipe would hold it up."""
        while piece := await self._stderr.read(_SAID_BYTES):
            self._said = (self._said + piece)[:_SAID_BYTES]


async def start_reading(command: Sequence[str]) -> Reading:
    """Given an argv, start it without a shell and without input. Raises OSError if it can't be started."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_PIPE_BYTES,
    )
    return Reading(process, cast("asyncio.StreamReader", process.stdout), cast("asyncio.StreamReader", process.stderr))
