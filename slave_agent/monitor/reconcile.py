"""PURE: what a process that was or was not found, and systemd's word about its unit, say together. One table."""

from __future__ import annotations

from slave_agent.states import AppState
from slave_agent.systemd.states import UnitState

_FOUND, _MISSING = True, False

# (process found, systemd's word) → state. The first four rows are the mission's, as they stand there.
TABLE: dict[tuple[bool, UnitState], AppState] = {
    (_FOUND, UnitState.ACTIVE): AppState.RUNNING,
    (_MISSING, UnitState.ACTIVE): AppState.CRASHED,
    (_MISSING, UnitState.FAILED): AppState.FAILED,
    (_FOUND, UnitState.INACTIVE): AppState.ZOMBIE,
    (_MISSING, UnitState.INACTIVE): AppState.STOPPED,
    # A process that systemd does not hold is a process without its service, whatever became of the unit.
    (_FOUND, UnitState.FAILED): AppState.ZOMBIE,
    (_FOUND, UnitState.NOT_FOUND): AppState.ZOMBIE,
    # While a unit changes, a process may be there already, still, or not: systemd's word counts.
    (_FOUND, UnitState.ACTIVATING): AppState.STARTING,
    (_MISSING, UnitState.ACTIVATING): AppState.STARTING,
    (_FOUND, UnitState.AUTO_RESTART): AppState.RESTARTING,
    (_MISSING, UnitState.AUTO_RESTART): AppState.RESTARTING,
    (_FOUND, UnitState.DEACTIVATING): AppState.STOPPING,
    (_MISSING, UnitState.DEACTIVATING): AppState.STOPPING,
    # Reloading is a running service that reads its configuration again.
    (_FOUND, UnitState.RELOADING): AppState.RUNNING,
    (_MISSING, UnitState.RELOADING): AppState.CRASHED,
}


def reconcile(process_found: bool, state: UnitState) -> AppState:
    """Given whether the app's process was found and systemd's word about its unit, return how the app fares.

    What no row names (no unit and no process, systemd silent) is UNKNOWN, never healthy.
    """
    return TABLE.get((process_found, state), AppState.UNKNOWN)
