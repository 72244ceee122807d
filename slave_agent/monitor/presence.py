"""Which of several apps have a process, and which one. Looks no further than it must: most apps are answered by the pid
that systemd names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from slave_agent.errors import AgentError
from slave_agent.monitor.detection import DetectedProcess, is_unclear, process_of_app
from slave_agent.monitor.processes import Usage, UsageMeter, completed, is_alive, look
from slave_agent.systemd.parser import ServiceStatus
from slave_agent.systemd.service_config import ServiceConfig

if TYPE_CHECKING:
    from slave_agent.privilege import ProcessSeen

Scan = Callable[[], Sequence["ProcessSeen"]]


class AppProcesses:
    """Given who can see other users' processes in full."""

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._meter = UsageMeter()

    def use(self, apps: Sequence[tuple[ServiceConfig, ServiceStatus]]) -> dict[str, Usage]:
        """Given apps with what systemd says of each, return by name what the process of each uses; without those that
        have none.
        """
        pids = {name: pid for name, pid in self.find(apps).items() if pid is not None}
        usage = self._meter.measure(pids.values())
        return {name: usage[pid] for name, pid in pids.items() if pid in usage}

    def find(self, apps: Iterable[tuple[ServiceConfig, ServiceStatus | None]]) -> dict[str, int | None]:
        """Given apps with what systemd says of each (None: nothing), return by name the pid of each app's process, None
        where it has none.
        """
        found: dict[str, int | None] = {}
        missing = []
        for config, status in apps:
            pid = status.pid if status is not None and is_alive(status.pid) else None
            found[config.name] = pid
            if pid is None:
                missing.append(config)
        if missing:
            processes = self._look_for(missing)
            for config in missing:
                process = process_of_app(config, config.unit, None, processes)
                found[config.name] = process.pid if process else None
        return found

    def _look_for(self, missing: Sequence[ServiceConfig]) -> tuple[DetectedProcess, ...]:
        """The processes there are. Somebody with more rights is asked only if that could tell an app's process."""
        processes = look()
        if any(is_unclear(config, process) for config in missing for process in processes):
            return self.complete(processes)
        return processes

    def all(self) -> tuple[DetectedProcess, ...]:
        """Every Node.js and Python process, with all that anybody here may know of it."""
        processes = look()
        has_gaps = any(one.working_dir is None or one.executable is None for one in processes)
        return self.complete(processes) if has_gaps else processes

    def complete(self, processes: tuple[DetectedProcess, ...]) -> tuple[DetectedProcess, ...]:
        """Given processes, fill their gaps. Who may not ask, or gets no answer, keeps the gaps: that is told by
        GET /api/permissions.
        """
        try:
            return completed(processes, self._scan())
        except AgentError:
            return processes
