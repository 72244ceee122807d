"""Runs a look at the host as another user: in a child that has given up root for good, and within a deadline.

The child has none of our connections, so that nothing that the user's programs say can pass for our answer.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

from slave_agent.systemd.accounts import Account
from slave_agent.systemd.errors import SystemdError

DEADLINE_SECONDS = 20.0
LONGEST_ANSWER_BYTES = 256 * 1024
CPU_SECONDS = 15
PR_SET_NO_NEW_PRIVS = 38
PATH = "/usr/local/bin:/usr/bin:/bin"


def call_as(account: Account, look: Callable[[], Any], deadline_seconds: float = DEADLINE_SECONDS) -> Any:
    """Given a user and what to do as that user, return its result, which has to fit into JSON.

    Raises SystemdError when it did not end in time or ended without a result. Whatever it started is killed.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _be_child(account, look, writing)
    os.close(writing)
    try:
        answer = _read(reading, time.monotonic() + deadline_seconds)
    finally:
        os.close(reading)
        for end in (os.killpg, os.kill):  # the group may not be there yet
            with contextlib.suppress(ProcessLookupError, PermissionError):
                end(child, signal.SIGKILL)
        os.waitpid(child, 0)
    try:
        return json.loads(answer)["result"]
    except (ValueError, KeyError, TypeError) as problem:
        hint = "Try again; the journal says why: journalctl -u 'd8-helper*'"
        raise SystemdError(f"The look at the host as {account.name} gave no result.", hint) from problem


def _read(reading: int, deadline: float) -> bytes:
    """Return what comes until its end. Raises SystemdError when that takes too long or is too much."""
    received = b""
    while True:
        waited = select.select([reading], [], [], max(0.0, deadline - time.monotonic()))
        part = os.read(reading, 65536) if waited[0] else None
        if part is None or len(received) > LONGEST_ANSWER_BYTES:
            raise SystemdError("The look at the host took too long.", "See whether a disk or network folder hangs.")
        if not part:
            return received
        received += part


def _be_child(account: Account, look: Callable[[], Any], writing: int) -> NoReturn:
    """Become the user, do it, write the result and go. Never returns into the parent's code."""
    try:
        os.setsid()
        _drop_connections()
        become(account)
        answer = json.dumps({"result": look()}).encode()
        with os.fdopen(writing, "wb") as stream:
            stream.write(answer)
    except BaseException as problem:
        print(f"d8-helper: the look as {account.name} failed: {problem!r}", file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def _drop_connections() -> None:
    """Standard input and output are the agent's connection: its place is taken by nothing."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)


def become(account: Account) -> None:
    """Give up root for the user, for good: groups, ids, limits, environment. Raises OSError if anything of it fails."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.setgroups(account.groups)
    os.setresgid(account.group_id, account.group_id, account.group_id)
    os.setresuid(account.user_id, account.user_id, account.user_id)
    if account.user_id == 0 or 0 in (os.getuid(), os.geteuid()):
        raise PermissionError("root was not given up")
    os.environ.clear()
    os.environ.update(HOME=account.home, USER=account.name, LOGNAME=account.name, PATH=PATH, LC_ALL="C.UTF-8")
    os.umask(0o077)
    os.chdir("/")
