"""Keeps the servers alive without a service manager: own sessions and a guard that loops. cron may revive it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from slave_agent.activation import plain_logs, processes
from slave_agent.activation.commands import Finished, Runner
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.files import read_json, write_json
from slave_agent.activation.layout import Layout
from slave_agent.activation.persistence import CRON_MARK
from slave_agent.activation.runtime import launcher_of
from slave_agent.activation.states import Mode, Scope, Speaker

NOT_INSTALLED = 127
NO_CRONTAB = ("no crontab for", "no such file")  # cron's and busybox's words for an empty one
LOG_LINES = 15
STAGING, AGENT, BOOTSTRAP, GUARD, SWAP = "staging", "agent", "bootstrap", "guard", "swap"


class PlainKeeper:
    """Given the layout (cron or nohup scope) and a runner. Processes are remembered by pid and start time."""

    keeps_agent_alive = True

    def __init__(self, layout: Layout, runner: Runner, sleep: Callable[[float], None] = time.sleep) -> None:
        self.layout, self.runner, self.sleep = layout, runner, sleep

    def place(self, files: dict[str, str]) -> None:
        """There is no service manager that would read units."""

    def arm_guard(self) -> None:
        if self.layout.scope is Scope.CRON:
            self._edit_crontab(cron_lines(self.layout))
        if self._find(GUARD) is None:
            self.runner.spawn(self.layout.command("guard", "--loop"), folder=self.layout.opt, log=self._log(GUARD))

    def remember_guard(self) -> None:
        """Note this process as the guard; whether install or cron started it, it can be found again."""
        self._remember(GUARD, os.getpid())

    def disarm_guard(self) -> None:
        """The guard goes on: it is what restarts the agent here."""

    def boot_into(self, server: Mode) -> None:
        """After a reboot (cron) the guard decides from the record."""

    def stop_bootstrap(self) -> None:
        self._stop(BOOTSTRAP)

    def open_port(self) -> None:
        """Nothing can hold the port here; the agent retries its bind."""

    def close_port(self) -> None:
        self._stop(AGENT)

    def start_agent(self) -> Finished:
        self._stop(AGENT)
        release = self.layout.current.resolve()
        argv = [str(launcher_of(release)), "--settings", str(self.layout.agent_settings)]
        return self._started(AGENT, argv, release)

    def has_agent(self) -> bool:
        return self._find(AGENT) is not None

    def agent_pid(self) -> int | None:
        return self._find(AGENT)

    def stop_agent(self) -> None:
        self._stop(AGENT)

    def start_bootstrap(self) -> Finished:
        self._stop(AGENT)
        if self._find(BOOTSTRAP) is not None:
            return Finished(("bootstrap",), 0, "already running", "")
        argv = [self.layout.python, str(self.layout.bootstrap_server), "--config", str(self.layout.bootstrap_config)]
        return self._started(BOOTSTRAP, argv, self.layout.opt)

    def start_installers_server(self, user: str, argv: list[str], log: Path) -> Finished:  # noqa: ARG002  it is ours
        self.runner.spawn(argv, folder=Path("/"), log=log)
        return Finished(tuple(argv), 0, "", "")

    def start_staging(self, release: Path, port: int) -> Finished:
        self._stop(STAGING)
        self._log(STAGING).unlink(missing_ok=True)
        settings = ["--settings", str(release / "agent.json"), "--listen", f"127.0.0.1:{port}"]
        return self._started(STAGING, [str(launcher_of(release)), *settings], release)

    def stop_staging(self) -> None:
        self._stop(STAGING)

    def last_lines(self, speaker: Speaker = Speaker.AGENT) -> list[str]:
        return plain_logs.last_lines(self._log(speaker.value), LOG_LINES)

    def bound_logs(self) -> None:
        plain_logs.bound(self.layout.state.glob("*.log"))

    def stop_swap(self) -> None:
        self._stop(SWAP)

    def detach(self, verb: str, *words: str) -> None:
        if verb == Speaker.UPDATE.value:
            self._log(verb).unlink(missing_ok=True)  # the last words of a former one would explain nothing
        self._spawn(SWAP if verb == "swap" else verb, self.layout.command(verb, *words), self.layout.opt)

    def remove(self) -> None:
        if self.layout.scope is Scope.CRON:
            self._edit_crontab([])
        for name in (GUARD, SWAP, STAGING, AGENT, BOOTSTRAP):
            self._stop(name)

    def _started(self, name: str, argv: list[str], folder: Path) -> Finished:
        self._spawn(name, argv, folder)
        self.sleep(0.3)
        is_alive = self._find(name) is not None
        return Finished(tuple(argv), 0 if is_alive else 1, "", "" if is_alive else f"the {name} ended at once")

    def _spawn(self, name: str, argv: list[str], folder: Path) -> None:
        self._remember(name, self.runner.spawn(argv, folder=folder, log=self._log(name)))

    def _remember(self, name: str, pid: int) -> None:
        process = processes.find_process(pid)
        write_json(self._note(name), {"pid": pid, "started_ticks": process.started_ticks if process else 0})

    def _find(self, name: str) -> int | None:
        try:
            noted = read_json(self._note(name))
        except (OSError, ValueError):
            return None
        process = processes.find_process(int(noted["pid"]))
        return process.pid if process and process.started_ticks == noted["started_ticks"] else None

    def _stop(self, name: str) -> None:
        pid = self._find(name)
        if pid is not None and pid != os.getpid():
            processes.stop(pid, sleep=self.sleep)
        self._note(name).unlink(missing_ok=True)

    def _note(self, name: str) -> Path:
        return self.layout.state / f"{name}.pid.json"

    def _log(self, name: str) -> Path:
        return self.layout.state / f"{name}.log"

    def _edit_crontab(self, lines: list[str]) -> None:
        listed = self.runner.run(["crontab", "-l"])
        if not lines and listed.exit_code == NOT_INSTALLED:
            return
        is_empty = any(words in listed.stderr.lower() for words in NO_CRONTAB)
        if not listed.is_ok and not is_empty:
            raise ActivationError(f"The crontab could not be read: {listed.reason}", "Use the scope nohup.")
        others = [line for line in listed.stdout.splitlines() if CRON_MARK not in line] if listed.is_ok else []
        text = "".join(f"{line}\n" for line in [*others, *lines])
        argv = ["crontab", "-"] if text else ["crontab", "-r"]
        finished = self.runner.run(argv, stdin=text)
        if not finished.is_ok and (text or listed.is_ok):
            raise ActivationError(f"The crontab could not be changed: {finished.reason}", "Use the scope nohup.")


def cron_lines(layout: Layout) -> list[str]:
    """The crontab lines that revive the guard: at boot and every minute. `%` means a line break to cron."""
    command = " ".join(layout.command("guard", "--loop")).replace("%", r"\%")
    return [f"{when} {command} >/dev/null 2>&1 {CRON_MARK}" for when in ("@reboot", "* * * * *")]
