"""At the agent's start: what a killed agent left half-done is undone or finished, so that each app is whole or gone."""

from __future__ import annotations

import logging

from slave_agent.errors import AgentError
from slave_agent.orchestrator.app_store import AppRecord, AppStore
from slave_agent.orchestrator.lifecycle import Lifecycle
from slave_agent.privilege import Privilege
from slave_agent.states import AppPhase

_log = logging.getLogger(__name__)


def recover(store: AppStore, privilege: Privilege, lifecycle: Lifecycle) -> list[str]:
    """Given where records are and who gives orders, settle every app that is not in its last phase. Return what was
    done, a sentence an app. What fails stays as it is for the next start: no app keeps the agent from starting.
    """
    done = []
    for record in store.all():
        if record.phase is AppPhase.REGISTERED:
            continue
        try:
            done.append(_settle(record, store, privilege, lifecycle))
        except AgentError as error:
            _log.error("the app %s could not be settled: %s", record.name, error)
    for sentence in done:
        _log.warning("%s", sentence)
    return done


def _settle(record: AppRecord, store: AppStore, privilege: Privilege, lifecycle: Lifecycle) -> str:
    name = record.name
    if record.phase is AppPhase.EDITING:
        former = record.as_before_edit()
        was_running = lifecycle.look(name).pid is not None
        was_replaced = privilege.restore(name)
        store.write(former)
        if was_replaced and was_running:
            lifecycle.restart(former.config)
        return f"a change of {name} had not ended: the former version is back"
    privilege.remove(name)
    store.delete(name)
    began = "its registration" if record.phase is AppPhase.REGISTERING else "its removal"
    return f"{name} is gone: {began} had not ended"
