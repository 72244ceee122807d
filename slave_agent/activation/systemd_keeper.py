"""Keeps the servers alive with systemd, as system units or as user units of a user who lingers."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from slave_agent.activation import units
from slave_agent.activation.commands import Finished, Runner
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.files import point_link, write_file
from slave_agent.activation.layout import Layout
from slave_agent.activation.runtime import runtime_of
from slave_agent.activation.states import Mode, Scope, Speaker

PORT_PATIENCE_SECONDS = 10.0
START_TIMEOUT_SECONDS = 60.0
LOG_LINES = "15"


class SystemdKeeper:
    """Given the layout (system or user scope) and a runner; `runtime_folder` is the user's XDG_RUNTIME_DIR."""

    keeps_agent_alive = False

    def __init__(
        self, layout: Layout, runner: Runner, runtime_folder: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.layout, self.runner, self.sleep = layout, runner, sleep
        is_user = layout.scope is Scope.USER
        self._manager = ["--user"] if is_user else []
        self._env = {"XDG_RUNTIME_DIR": runtime_folder} if is_user else {}

    def place(self, files: dict[str, str]) -> None:
        """The agent's socket, by which the installer sees that there is an agent, comes last, and the first time the
        bootstrap begins at boot before it is there: no host is out of reach that is switched off meanwhile.
        """
        self.layout.units.mkdir(parents=True, exist_ok=True)
        is_first = not (self.layout.units / units.SOCKET).exists()
        for name in sorted(files, key=lambda name: (name == units.SOCKET, name != units.BOOTSTRAP)):
            write_file(self.layout.units / name, files[name])
            if name == units.BOOTSTRAP and is_first:
                wants = self.layout.units / f"{units.boot_target(self.layout)}.wants"
                wants.mkdir(parents=True, exist_ok=True)
                point_link(wants / name, self.layout.units / name)
        self._check_units(list(files))
        self._must("daemon-reload")
        if units.HELPER_SOCKET in files:
            self._must("enable", "--now", units.HELPER_SOCKET)

    def arm_guard(self) -> None:
        self._must("enable", units.GUARD_TIMER)
        self._must("restart", units.GUARD_TIMER)

    def remember_guard(self) -> None:
        """systemd knows its own services."""

    def disarm_guard(self) -> None:
        self._must("disable", "--now", units.GUARD_TIMER)

    def boot_into(self, server: Mode) -> None:
        agent = (units.SOCKET, units.AGENT)
        if server is Mode.AGENT:  # enable first: at no moment is nothing enabled
            self._must("enable", *agent)
            if self._has_bootstrap():
                self._must("disable", units.BOOTSTRAP)
        else:
            self._must("enable", units.BOOTSTRAP)
            self._must("disable", *agent)

    def stop_bootstrap(self) -> None:
        self._systemctl("stop", units.BOOTSTRAP)

    def open_port(self) -> None:
        finished = self._systemctl("start", units.SOCKET)
        for _ in range(int(PORT_PATIENCE_SECONDS * 10)):
            if finished.is_ok:
                return
            self.sleep(0.1)
            self._systemctl("reset-failed", units.SOCKET)
            finished = self._systemctl("start", units.SOCKET)
        raise ActivationError("systemd could not take the port", "Ask who holds it: ss -ltnp")

    def close_port(self) -> None:
        self._systemctl("disable", "--now", units.SOCKET, units.AGENT)

    def start_agent(self) -> Finished:
        self._fit_agent_unit()
        self._systemctl("reset-failed", units.AGENT)
        return self._systemctl("start", units.AGENT, timeout_seconds=START_TIMEOUT_SECONDS)

    def has_agent(self) -> bool:
        state = self._systemctl("show", "--property=ActiveState", "--value", units.AGENT).stdout.strip()
        return state not in ("failed", "inactive")

    def agent_pid(self) -> int | None:
        shown = self._systemctl("show", "--property=MainPID", "--value", units.AGENT).stdout.strip()
        return int(shown) if shown.isdigit() and shown != "0" else None

    def stop_agent(self) -> None:
        self._systemctl("stop", units.AGENT)  # the socket stays: connections wait for whoever comes next

    def start_bootstrap(self) -> Finished:
        self._systemctl("reset-failed", units.SOCKET, units.BOOTSTRAP)
        finished = self._systemctl("start", units.BOOTSTRAP, timeout_seconds=START_TIMEOUT_SECONDS)
        self._systemctl("reset-failed", units.AGENT)
        return finished

    def start_installers_server(self, user: str, argv: list[str], log: Path) -> Finished:  # noqa: ARG002  the journal's
        """In a transient unit, which is gone with it: a child of ours would end with the unit that we run in."""
        identity = [] if self._manager else [f"--uid={user}"]
        run = ["systemd-run", *self._manager, "--quiet", "--collect", *identity, "--description=D8 slave bootstrap"]
        run += [
            f"--property={assignment}"
            for assignment in ("Type=exec", "KillMode=process", "OOMPolicy=continue", "UMask=0077")
        ]
        return self.runner.run([*run, "--", *argv], env=self._env)

    def start_staging(self, release: Path, port: int) -> Finished:
        self.stop_staging()
        self.layout.runtime_units.mkdir(parents=True, exist_ok=True)
        unit = self.layout.runtime_units / units.STAGING
        write_file(unit, units.render_staging_unit(self.layout, release, port, runtime_of(release)))
        self._must("daemon-reload")
        return self._systemctl("start", units.STAGING, timeout_seconds=START_TIMEOUT_SECONDS)

    def stop_staging(self) -> None:
        unit = self.layout.runtime_units / units.STAGING
        if not unit.exists():
            return
        self._systemctl("stop", units.STAGING)
        self._systemctl("kill", "--signal=KILL", units.STAGING)
        unit.unlink()
        self._must("daemon-reload")
        self._systemctl("reset-failed", units.STAGING)

    def last_lines(self, speaker: Speaker = Speaker.AGENT) -> list[str]:
        option = "--user-unit" if self._manager else "--unit"
        unit = {Speaker.AGENT: units.AGENT, Speaker.STAGING: units.STAGING, Speaker.UPDATE: units.UPDATE}[speaker]
        argv = ["journalctl", option, unit, "-n", LOG_LINES, "--no-pager", "--output=cat"]
        return self.runner.run(argv, env=self._env).stdout.splitlines()

    def bound_logs(self) -> None:
        """The journal bounds itself."""

    def stop_swap(self) -> None:
        self._systemctl("kill", "--signal=KILL", units.HANDOVER)
        self._systemctl("stop", units.HANDOVER)

    def detach(self, verb: str, *words: str) -> None:
        name = units.HANDOVER if verb == "swap" else f"d8-{verb}.service"
        self._systemctl("reset-failed", name)
        run = ["systemd-run", *self._manager, "--quiet", "--collect", f"--unit={name}", "--property=Type=exec"]
        finished = self.runner.run([*run, *self.layout.command(verb, *words)], env=self._env)
        if not finished.is_ok:
            raise ActivationError(f"{verb} could not be started: {finished.reason}", "Ask: systemctl status " + name)

    def remove(self) -> None:
        self._systemctl("disable", "--now", units.GUARD_TIMER)
        self.stop_swap()
        self.stop_staging()
        gone = [name for name in units.unit_names(self.layout.scope) if "@" not in name]
        gone = [name for name in gone if (self.layout.units / name).exists()]  # an install may not have got far
        self._systemctl("disable", "--now", *gone)
        self._systemctl("kill", "--signal=KILL", units.AGENT)
        self._systemctl("kill", "--signal=KILL", units.BOOTSTRAP)
        self._systemctl("stop", units.HELPER_INSTANCES)
        for name in [*gone, units.HELPER]:
            (self.layout.units / name).unlink(missing_ok=True)
        self._systemctl("daemon-reload")
        self._systemctl("reset-failed", *gone)
        self._systemctl("reset-failed", units.HELPER_INSTANCES)  # systemd remembers one that its end interrupted

    def _has_bootstrap(self) -> bool:
        return (self.layout.units / units.BOOTSTRAP).exists()

    def _fit_agent_unit(self) -> None:
        """The release that comes next, or back, brings its unit; one that does not fit any more is rendered anew."""
        release = self.layout.current.resolve()
        brought = release / units.AGENT
        text = brought.read_text(encoding="utf-8") if brought.exists() else ""
        if not text or (units.BOOTSTRAP in text) is not self._has_bootstrap():
            text = units.render_agent_unit(self.layout, runtime_of(release), self._has_bootstrap())
        unit = self.layout.units / units.AGENT
        if not unit.exists() or unit.read_text(encoding="utf-8") != text:
            write_file(unit, text)
            self._must("daemon-reload")

    def _check_units(self, names: list[str]) -> None:
        paths = [str(self.layout.units / name) for name in names]
        finished = self.runner.run(["systemd-analyze", *self._manager, "verify", "--man=no", *paths], env=self._env)
        if finished.exit_code not in (0, 127):
            raise ActivationError(f"systemd refuses a unit: {finished.reason}", "Report this with the log.")

    def _systemctl(self, *words: str, timeout_seconds: float = 30.0) -> Finished:
        argv = ["systemctl", *self._manager, "--quiet", *words]
        return self.runner.run(argv, timeout_seconds=timeout_seconds, env=self._env)

    def _must(self, *words: str) -> None:
        finished = self._systemctl(*words)
        if not finished.is_ok:
            raise ActivationError(f"systemctl {' '.join(words)}: {finished.reason}", "Ask: systemctl status d8-*")
