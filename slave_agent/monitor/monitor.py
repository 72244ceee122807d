"""All that the monitor is made of, put together from what it needs of the rest. No behaviour."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from slave_agent.json_lines import JsonLines
from slave_agent.monitor.events import event_log
from slave_agent.monitor.monitored import MonitoredStore
from slave_agent.monitor.observer import Observer, Show
from slave_agent.monitor.presence import AppProcesses
from slave_agent.monitor.processes import UsageMeter
from slave_agent.monitor.restart_counts import RestartCounts
from slave_agent.monitor.watcher import Watcher
from slave_agent.systemd.service_config import ServiceConfig


@dataclass(frozen=True)
class Monitor:
    """The parts. `meter` is for the list of all processes; apps have their own in `processes`."""

    processes: AppProcesses
    chosen: MonitoredStore
    observer: Observer
    events: JsonLines
    watcher: Watcher
    meter: UsageMeter


def build_monitor(
    state_dir: Path,
    configs: Callable[[], Sequence[ServiceConfig]],
    show: Show,
    processes: AppProcesses,
    look_seconds: float,
    settle: Callable[[], object],
    lost: Callable[[], Sequence[str]],
) -> Monitor:
    """Given where state is kept, what apps there are, who asks systemd, who finds processes, how often to look, who
    settles what was left half-done, and which apps may have lost their record, return the monitor. It does not look
    before `watcher.start()`.
    """
    chosen = MonitoredStore(state_dir)
    observer = Observer(configs, lambda: chosen.chosen, show, processes, lost)
    events = event_log(state_dir)
    watcher = Watcher(observer, events, RestartCounts(state_dir), look_seconds, settle)
    return Monitor(processes, chosen, observer, events, watcher, UsageMeter())
