"""Puts the apps together for the composition root. Nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from slave_agent.orchestrator.app_manager import AppManager
from slave_agent.orchestrator.app_status import Judge, ProcessLook
from slave_agent.orchestrator.app_store import AppStore
from slave_agent.orchestrator.lifecycle import Lifecycle
from slave_agent.orchestrator.log_tail import LogTail
from slave_agent.orchestrator.lost_apps import LostApps
from slave_agent.orchestrator.recovery import Recovery
from slave_agent.orchestrator.turns import Turns
from slave_agent.privilege import Privilege
from slave_agent.process_runner import Runner
from slave_agent.systemd.systemctl import Systemctl


def build_apps(
    folder: Path,
    privilege: Privilege,
    systemctl: Systemctl,
    run: Runner,
    is_stopping: Callable[[], bool],
    look_at_processes: ProcessLook,
    judge: Judge,
) -> AppManager:
    """Given the folder of the records and what the apps need of the rest, return them. Nothing is settled before
    `recovery.start()`.
    """
    store, turns = AppStore(folder), Turns()
    log_tail = LogTail(run, systemctl.is_user)
    lifecycle = Lifecycle(privilege, systemctl, log_tail, is_stopping)
    recovery = Recovery(store, privilege, lifecycle, turns, time.sleep)
    lost = LostApps(store, privilege)
    return AppManager(store, privilege, systemctl, lifecycle, log_tail, turns, recovery, lost, look_at_processes, judge)
