"""What every way of keeping servers alive can do. The rest of the activation speaks only to this."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from slave_agent.activation.commands import Finished
from slave_agent.activation.states import Mode, Speaker


class Keeper(Protocol):
    """systemd (system or user), or plain processes with or without cron. Every call can be repeated."""

    @property
    def keeps_agent_alive(self) -> bool:
        """Whether the guard has to restart a dead agent, because nothing else does."""

    def place(self, files: dict[str, str]) -> None:
        """Put the unit files where they belong and make them known."""

    def arm_guard(self) -> None:
        """From now on somebody looks regularly at who answers, also after a reboot where the scope allows."""

    def remember_guard(self) -> None:
        """This process is the guard that loops from now on."""

    def disarm_guard(self) -> None:
        """The activation is settled; where the guard is the only keeper it goes on."""

    def boot_into(self, server: Mode) -> None:
        """Choose who answers after a reboot: the agent or the bootstrap."""

    def stop_bootstrap(self) -> None:
        """End a bootstrap that this keeper started (a plain one of the installer is ended by its pid)."""

    def open_port(self) -> None:
        """Make connections wait instead of being refused, where something can hold the port. Raises ActivationError."""

    def close_port(self) -> None:
        """Hold the port no longer; the agent is stopped with it."""

    def start_agent(self) -> Finished:
        """Start the agent of the current release on the port."""

    def has_agent(self) -> bool:
        """Whether the agent that was started is still there, or is being started again."""

    def agent_pid(self) -> int | None:
        """The process of the agent that was started, None where there is none."""

    def stop_agent(self) -> None:
        """Stop the agent; its jobs go on, so that whoever comes next can tell how they ended."""

    def start_bootstrap(self) -> Finished:
        """Let the bootstrap answer on the port, the agent stopped."""

    def start_installers_server(self, user: str, argv: list[str], log: Path) -> Finished:
        """Start the server that the installer left, as its user, so that it outlives whoever starts it and us."""

    def start_staging(self, release: Path, port: int) -> Finished:
        """Start the release's agent on a loopback port, sandboxed as it will be."""

    def stop_staging(self) -> None:
        """End the staging instance and leave nothing of it."""

    def last_lines(self, speaker: Speaker = Speaker.AGENT) -> list[str]:
        """The last lines of its log, for the message that says why it failed."""

    def bound_logs(self) -> None:
        """Keep the logs of the servers from filling the disk, where nobody else does."""

    def stop_swap(self) -> None:
        """End a swap that hangs."""

    def detach(self, verb: str, *words: str) -> None:
        """Run a verb of the activation apart from the caller, so that it outlives him."""

    def remove(self) -> None:
        """Stop everything and forget it: services, timers, crontab lines, unit files."""
