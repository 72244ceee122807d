"""One look at everything that is watched: the processes that are there, systemd's word about each unit, and both read
together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from slave_agent.monitor.detection import DetectedProcess
from slave_agent.monitor.incidents import Observation, SubjectKind
from slave_agent.monitor.monitored import Monitored, find_process
from slave_agent.monitor.presence import AppProcesses
from slave_agent.monitor.reconcile import reconcile
from slave_agent.systemd.parser import ServiceStatus
from slave_agent.systemd.service_config import ServiceConfig, unit_name
from slave_agent.systemd.states import UnitState

Show = Callable[[Sequence[str]], Mapping[str, ServiceStatus]]


class Observer:
    """Given the apps there are, the processes that somebody chose, who asks systemd, who finds processes, and
    which apps may have a unit without a record.
    """

    def __init__(
        self,
        configs: Callable[[], Sequence[ServiceConfig]],
        chosen: Callable[[], Sequence[Monitored]],
        show: Show,
        processes: AppProcesses,
        lost: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self._configs = configs
        self._chosen = chosen
        self._show = show
        self._processes = processes
        self._lost = lost

    def __call__(self) -> list[Observation]:
        """Look once, with one systemctl for all. Raises AgentError or SystemdError if systemd could not be asked."""
        configs, chosen, lost = self._configs(), self._chosen(), self._lost()
        if not configs and not chosen and not lost:
            return []
        statuses = self._show(
            [config.unit for config in configs] + [one.unit for one in chosen] + [unit_name(name) for name in lost]
        )
        return [
            *self._of_apps(configs, statuses),
            *of_lost(lost, statuses),
            *of_chosen(chosen, statuses, self._all() if chosen else ()),
        ]

    def of_chosen(self) -> list[Observation]:
        """The chosen processes alone, now."""
        chosen = self._chosen()
        return of_chosen(chosen, self._show([one.unit for one in chosen]), self._all()) if chosen else []

    def _all(self) -> tuple[DetectedProcess, ...]:
        return self._processes.all()

    def _of_apps(
        self, configs: Sequence[ServiceConfig], statuses: Mapping[str, ServiceStatus]
    ) -> Iterable[Observation]:
        pids = self._processes.find((config, statuses.get(config.unit)) for config in configs)
        for config in configs:
            yield observation(SubjectKind.APP, config.name, pids[config.name], statuses.get(config.unit))


def of_chosen(
    chosen: Sequence[Monitored], statuses: Mapping[str, ServiceStatus], processes: Sequence[DetectedProcess]
) -> list[Observation]:
    """Given the choices, systemd's words and the processes there are, return how each fares. Pure."""
    seen = []
    for one in chosen:
        status = statuses.get(one.unit)
        process = next((each for each in processes if status is not None and each.pid == status.pid), None)
        process = process or find_process(one, processes)
        seen.append(observation(SubjectKind.PROCESS, one.name, process.pid if process else None, status))
    return seen


def of_lost(names: Sequence[str], statuses: Mapping[str, ServiceStatus]) -> list[Observation]:
    """Given apps that are not written down, and systemd's words, return how those fare that have a unit. Pure."""
    seen = []
    for name in names:
        status = statuses.get(unit_name(name))
        if status is not None and not status.is_without_file:
            now = observation(SubjectKind.APP, name, status.pid, status)
            seen.append(replace(now, is_record_lost=True, detail=f"{now.detail}; its record is lost"))
    return seen


def observation(subject: SubjectKind, name: str, pid: int | None, status: ServiceStatus | None) -> Observation:
    """Given a subject, the pid of its process (None: none was found) and systemd's word, return both read together.
    Pure.
    """
    state = UnitState.UNKNOWN if status is None else status.state
    return Observation(
        subject=subject,
        name=name,
        status=reconcile(pid is not None, state),
        unit_state=state,
        is_found=pid is not None,
        pid=pid,
        restarts=0 if status is None else status.restarts,
        detail="" if status is None else detail_of(status, pid),
        is_unit_lost=status is not None and status.is_without_file,
    )


def detail_of(status: ServiceStatus, pid: int | None) -> str:
    """Given systemd's word and the process that was found, return in a sentence what they say. Pure."""
    how = ""
    if status.signal:
        how = f", ended by signal {status.signal}"
    elif status.exit_code:
        how = f", ended with exit code {status.exit_code}"
    if status.is_without_file and status.state is not UnitState.NOT_FOUND:
        how += ", without its unit file"
    process = "no process was found" if pid is None else f"process {pid} was found"
    return f"{status.unit} is {status.state.value}{how}; {process}"
