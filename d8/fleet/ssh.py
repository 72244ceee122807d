"""Runs one command on a machine over ssh, with the system's OpenSSH.

The host key is checked against one pinned key, never learnt on the way; no session of the operator's is shared.
"""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from d8 import processes
from d8.errors import UsageError
from d8.files import write_private
from d8.fleet.ssh_answer import Answer, waiting
from d8.fleet.ssh_host_keys import HostKey, parse_known_hosts, render_known_hosts
from d8.fleet.ssh_options import KEY_KINDS, PROBING, WITH_ANSWER, WITHOUT_ASKING, ssh_command
from d8.fleet.ssh_problems import Ending, problem_of, reason_in
from d8.fleet.ssh_target import Target

KNOWN_HOSTS = "known_hosts"
LAST_LINES = 40
BEGAN = "d8-ssh-session-begins"  # what comes before this line is ssh's and the login shell's, not the command's
PROBE_SECONDS = 60.0


class Stream(Protocol):
    """What is needed of `d8.processes.stream`."""

    def __call__(
        self,
        words: Sequence[str | Path],
        observe: Callable[[str], None],
        *,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        timeout_seconds: float | None = None,
    ) -> int: ...


class Ssh:
    """ssh to one target. Given also how long to wait for a connection, in seconds."""

    def __init__(self, target: Target, connect_seconds: float, stream: Stream = processes.stream) -> None:
        self._target = target
        self._connect_seconds = connect_seconds
        self._stream = stream

    def presented_key(self, kind: str = "") -> HostKey | None:
        """Ask for the host key (of a kind of KEY_KINDS) without logging in; None where the host has none of that kind.

        Raises D8Error where the host can't be reached.
        """
        extra = (*PROBING, *([f"HostKeyAlgorithms={KEY_KINDS[kind]}"] if kind else []))
        with private_work_folder() as folder:
            ending = self._run(folder, extra, "exit", PROBE_SECONDS)
            if (folder / KNOWN_HOSTS).exists():
                return parse_known_hosts((folder / KNOWN_HOSTS).read_text()).get(self._target.name)
        if kind and "no matching host key type" in "\n".join(ending.lines):
            return None
        self._raise_problem(ending)
        return None

    def run(
        self,
        command: str,
        pinned: HostKey,
        *,
        stdin: bytes,
        observe: Callable[[str], None],
        timeout_seconds: float,
        answer: Answer | None = None,
    ) -> int:
        """Run a command there with this standard input, while `observe` reads its lines; return its exit code.

        Raises D8Error where ssh itself fails: HostKeyChanged, LoginRefused, SlaveUnreachable, Refused.
        """
        methods = WITH_ANSWER[answer.kind] if answer else WITHOUT_ASKING
        with private_work_folder() as folder:
            write_private(folder / KNOWN_HOSTS, render_known_hosts({self._target.name: pinned}))
            extra = (*methods, "StrictHostKeyChecking=yes")
            ending = self._run(folder, extra, command, timeout_seconds, stdin, observe, answer)
        self._raise_problem(ending)
        return ending.exit_code

    def key_needs_passphrase(self) -> bool:
        """Whether the key's file is there but encrypted. Raises UsageError for a file that is no private key."""
        key = self._target.key
        if key is None:
            return False
        tried = processes.run(["ssh-keygen", "-y", "-P", "", "-f", key], timeout_seconds=PROBE_SECONDS)
        if tried.exit_code == 0:
            return False
        if "incorrect passphrase" in tried.stderr:
            return True
        raise UsageError(
            "ssh can't use the key {path}: {reason}",
            "--key takes the private key's file, which nobody else may read: chmod 600 FILE",
            path=key,
            reason=reason_in(tried.stderr.splitlines()),
        )

    def _run(
        self,
        folder: Path,
        extra: tuple[str, ...],
        command: str,
        timeout_seconds: float,
        stdin: bytes = b"",
        observe: Callable[[str], None] = lambda _line: None,
        answer: Answer | None = None,
    ) -> Ending:
        """Run ssh in a folder with its known_hosts; return how it ended."""
        last: deque[str] = deque(maxlen=LAST_LINES)
        has_begun = False

        def both(line: str) -> None:
            nonlocal has_begun
            last.append(line)
            if has_begun:
                observe(line)
            elif line.endswith(BEGAN):
                has_begun = True
                last.clear()

        with environment_for(answer, folder) as environment:
            exit_code = self._stream(
                ssh_command(self._target, self._connect_seconds, extra, f"echo {BEGAN}; {command}"),
                both,
                cwd=folder,
                environment=environment,
                stdin=stdin,
                timeout_seconds=timeout_seconds,
            )
        return Ending(exit_code, tuple(last), has_begun)

    def _raise_problem(self, ending: Ending) -> None:
        problem = problem_of(ending, self._target.name, self._target.user, self._target.host)
        if problem:
            raise problem


@contextmanager
def private_work_folder() -> Iterator[Path]:
    """A folder of one ssh's own, mode 0700, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="d8-ssh-") as name:
        yield Path(name)


@contextmanager
def environment_for(answer: Answer | None, folder: Path) -> Iterator[dict[str, str]]:
    """Given an answer to ssh's question, or none, yield ssh's environment."""
    plain = {**os.environ, "LC_ALL": "C"}
    if answer is None:
        yield plain
        return
    with waiting(answer, folder) as how_to_ask:
        yield {**plain, **how_to_ask}
