"""A slave on loopback for a master in its own process: the real bootstrap in a home of its own, known to the master."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from d8.actions.leftovers import end_processes_of
from d8.fleet.registry import Registry
from d8.models import Credential, CredentialKind
from tests.support.bootstrap_process import RunningBootstrap, running_bootstrap
from tests.support.master import Master

POLL_SECONDS = 0.01
# Stands before the real programs in the slave's PATH: installing waits for the test, so that a master can die meanwhile
# however slow the machine is.
WAITING_ENV = """#!/bin/sh
case "$*" in *"pip install"*)
    n=0; while [ -e {hold} ] && [ $n -lt 3000 ]; do n=$((n+1)); sleep 0.1; done ;;
esac
exec /usr/bin/env "$@"
"""


class LoopbackSlave:
    """The slave and its master. Given both, the slave's home and the file that holds installing up."""

    def __init__(self, server: RunningBootstrap, master: Master, home: Path, hold: Path) -> None:
        self.server, self.master, self.home, self._hold = server, master, home, hold

    def let_installing_go_on(self) -> None:
        """Let what is being installed, and all that will be, go on."""
        self._hold.unlink(missing_ok=True)

    @property
    def address(self) -> str:
        """As the command line takes it."""
        return f"127.0.0.1:{self.server.port}"

    def logs(self) -> list[dict[str, Any]]:
        """The objects of the build logs, oldest first."""
        return [json.loads(path.read_text()) for path in sorted((self.master.data / "build_logs").glob("build_*.json"))]

    def wait_for_log(self, condition: Callable[[dict[str, Any]], bool], seconds: float = 60) -> dict[str, Any]:
        """Wait until the newest log is as wanted; return it."""
        deadline = time.monotonic() + seconds
        while True:
            for document in self.logs()[-1:]:
                if condition(document):
                    return document
            assert time.monotonic() < deadline, self.logs()[-1:]
            time.sleep(POLL_SECONDS)

    def times_run(self, words: str) -> int:
        """How often the slave began a command with these words."""
        return sum(words in (job / "request.json").read_text() for job in (self.server.folder / "jobs").glob("[!.]*"))


@contextmanager
def loopback_slave(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, holds_installing: bool = False
) -> Iterator[LoopbackSlave]:
    """A started slave whose installer credential the master's registry holds. With `holds_installing` the installation
    of libraries begins, and goes on when the test lets it."""
    home, programs = folder / "home", folder / "programs"
    for path in (home, programs, folder / "master"):
        path.mkdir(mode=0o700)
    hold = folder / "hold"
    if holds_installing:
        hold.touch()
    (programs / "env").write_text(WAITING_ENV.format(hold=hold))
    (programs / "env").chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")))
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    extra = {"D8_CONFIRM_TIMEOUT": "8", "D8_BUILD_RETRY_DELAY": "0", "D8_CONNECT_TIMEOUT": "2"}
    master = Master(folder / "master", "127.0.0.1", extra).in_a_clone()  # where the commit stays the same
    with monkeypatch.context() as slaves_own:
        slaves_own.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        with running_bootstrap(home, certificate="server.crt", private_key="server.key") as server:
            registry = Registry(master.data)
            registry.save_credential(
                Credential(CredentialKind.INSTALLER, str(server.fingerprint), server.token), datetime.now(UTC)
            )
            registry.close()
            try:
                yield LoopbackSlave(server, master, home, hold)
            finally:
                end_processes_of(home)
