"""The verbs `status` and `probe`: what is installed, who answers, what this host would allow. They change nothing."""

from __future__ import annotations

from typing import Any

from slave_agent.activation import clock, facts
from slave_agent.activation.commands import Runner
from slave_agent.activation.context import Activation
from slave_agent.activation.incoming import reported_update
from slave_agent.activation.persistence import choose_scope


def status(activation: Activation) -> dict[str, Any]:
    """Return the record, who answers on the port, and the seconds left for a confirmation."""
    record = activation.store.find()
    if record is None:
        return {"installed": False}
    answer = activation.look(record)
    deadline = record.deadline_boottime_seconds
    return {
        "installed": True,
        "step": record.step.value if record.step else None,
        "scope": record.scope.value,
        "survives_reboot": record.scope.survives_reboot,
        "persistence_command": record.persistence_command,
        "falls_back_to": record.falls_back_to.value,
        "has_bootstrap": record.has_bootstrap,
        **releases(activation),
        "port": record.port,
        "seconds_left": None if deadline is None else max(0.0, round(deadline - clock.boottime_seconds(), 1)),
        "swap_is_running": activation.store.is_swapping(),
        "answering": {"mode": answer.mode.value, "commit": answer.commit, "problem": answer.problem},
    }


def releases(activation: Activation) -> dict[str, Any]:
    """Return which releases there are and how far an update is. Asks nobody and writes nothing, so that it is cheap."""
    record = activation.store.load()
    return {
        "phase": record.phase.value,
        "commit": record.commit,
        "confirmed_commit": record.confirmed_commit,
        "previous_commit": record.previous_commit,
        "reason": record.reason,
        "update": reported_update(activation),
        "can_be_updated": activation.layout.release_key.exists(),
    }


def probe(runner: Runner) -> dict[str, Any]:
    """Return what this host allows and the scope that follows. Lingering is tried, and undone if it was new."""
    found = facts.gather_facts(runner, may_ask=False)
    lingered = facts.lingers(found.user)
    found = facts.gather_facts(runner, may_ask=True)
    if found.can_linger and not lingered:
        facts.stop_lingering(runner)
    scope = choose_scope(found)
    return {"scope": scope.value, "survives_reboot": scope.survives_reboot, "facts": found.to_json()}
