"""The ways back: the bootstrap answers again, or the release that was confirmed before."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from slave_agent.activation.context import Activation
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.files import point_link
from slave_agent.activation.patience import wait_for_answer
from slave_agent.activation.probe import Answer
from slave_agent.activation.record import Record
from slave_agent.activation.runtime import launcher_of
from slave_agent.activation.states import Mode, Phase

PATIENCE_SECONDS = 15.0
PAUSE_SECONDS = 0.25


def bootstrap_answers_again(
    activation: Activation, allowed: Collection[Phase], reason: str, phase: Phase = Phase.ROLLED_BACK
) -> bool:
    """Record why, then give the port to the bootstrap. Returns False when the record says that somebody was faster."""
    record = activation.store.advance(allowed, phase=phase, reason=reason, deadline_boottime_seconds=None, misses=0)
    if record is None:
        return False
    activation.keeper.boot_into(Mode.BOOTSTRAP)
    activation.keeper.start_bootstrap()
    if record.confirmed_commit:
        point_link(activation.layout.current, activation.layout.release(record.confirmed_commit))
    return True


def return_to_bootstrap(activation: Activation) -> dict[str, Any]:
    """Give the port back for a rebuild; the confirmed release stays on disk. Idempotent."""
    record = activation.store.load()
    activation.keeper.arm_guard()
    bootstrap_answers_again(activation, list(Phase), "asked for by the master", Phase.RETURNED)
    answered = wait_for(activation, record, Mode.BOOTSTRAP)
    return {"returned": answered, "mode": "bootstrap"}


def roll_back(activation: Activation) -> dict[str, Any]:
    """Go back to the release confirmed before, if it is there and answers; else to the bootstrap.

    Raises ActivationError when there is nothing to go back from.
    """
    record = activation.store.load()
    target = record.previous_commit if record.phase is Phase.CONFIRMED else record.confirmed_commit
    has_target = target is not None and launcher_of(activation.layout.release(target)).exists()
    if record.phase is Phase.CONFIRMED and not has_target:
        raise ActivationError("There is no earlier release to go back to.", "Build the slave again instead.")
    if target is not None and has_target and _runs_again(activation, record, target):
        return {"rolled_back": True, "mode": "agent", "commit": target}
    bootstrap_answers_again(activation, list(Phase), "rolled back")
    return {"rolled_back": wait_for(activation, record, Mode.BOOTSTRAP), "mode": "bootstrap", "commit": None}


def wait_for(activation: Activation, record: Record, mode: Mode, commit: str | None = None) -> bool:
    """Wait up to 15 s until the wanted server answers; return whether it did."""

    def is_wanted(answer: Answer) -> bool:
        return answer.mode is mode and commit in (None, answer.commit)

    def look(seconds: float) -> Answer:
        return activation.look(record, seconds)

    return is_wanted(wait_for_answer(look, is_wanted, PATIENCE_SECONDS, PAUSE_SECONDS, activation.sleep))


def _runs_again(activation: Activation, record: Record, commit: str) -> bool:
    """Start the earlier release on the port; return whether it answers. It was confirmed once, so it needs no guard."""
    activation.keeper.arm_guard()
    activation.store.update(phase=Phase.RETURNED, reason=f"rolling back to {commit}")
    activation.keeper.stop_bootstrap()
    activation.keeper.stop_agent()
    point_link(activation.layout.current, activation.layout.release(commit))
    activation.keeper.open_port()
    if not activation.keeper.start_agent().is_ok or not wait_for(activation, record, Mode.AGENT, commit):
        return False
    activation.store.update(
        phase=Phase.CONFIRMED,
        commit=commit,
        confirmed_commit=commit,
        previous_commit=None if record.previous_commit == commit else record.previous_commit,
        deadline_boottime_seconds=None,
    )
    activation.keeper.boot_into(Mode.AGENT)
    activation.keeper.disarm_guard()
    return True
