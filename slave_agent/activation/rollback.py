"""The verb `rollback`: back to the release confirmed before; or, while something new is on its way, to who is there."""

from __future__ import annotations

from typing import Any

from slave_agent.activation import clock
from slave_agent.activation.confirm import confirm
from slave_agent.activation.context import Activation
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.record import Record
from slave_agent.activation.retreat import (
    bootstrap_answers_again,
    go_back,
    has_release,
    release_answers_again,
    wait_for,
)
from slave_agent.activation.states import Fallback, Mode, Phase, SwapStep
from slave_agent.activation.swap import swap


def roll_back(activation: Activation) -> dict[str, Any]:
    """Go back to the release confirmed before, if it is there and answers; else to who has the port now.

    Raises ActivationError when there is nothing to go back from.
    """
    record = activation.store.load()
    if record.phase is Phase.CONFIRMED:
        return _to_previous(activation, record)
    activation.keeper.arm_guard()
    if has_release(activation, record.confirmed_commit):
        release_answers_again(activation, list(Phase), "rolled back")
    elif record.has_bootstrap:
        bootstrap_answers_again(activation, list(Phase), "rolled back")
    else:
        go_back(activation, list(Phase), "rolled back")
    return _outcome(activation, record)


def _to_previous(activation: Activation, record: Record) -> dict[str, Any]:
    """A handover to the earlier release: whatever is killed meanwhile, the guard lets the present one answer again.

    It was confirmed once, so that its answer on the port is proof enough.
    """
    if not has_release(activation, record.previous_commit):
        raise ActivationError("There is no earlier release to go back to.", "Build the slave again instead.")
    activation.keeper.arm_guard()
    begun = activation.store.advance(
        [Phase.CONFIRMED],
        phase=Phase.HANDING_OVER,
        commit=record.previous_commit,
        falls_back_to=Fallback.RELEASE,
        step=SwapStep.REPLYING,
        deadline_boottime_seconds=clock.boottime_seconds() + record.confirm_timeout_seconds,
        boot_id=clock.boot_id(),
        misses=0,
        failed_starts=0,
        reason=None,
    )
    if begun is None:
        raise ActivationError("Something else is being activated.", "Ask with status, then repeat.")
    swapped = swap(activation)
    if not swapped["swapped"]:
        raise ActivationError(
            f"The earlier release does not work: {swapped['reason']}", "The present one answers again; see status."
        )
    confirm(activation)
    return _outcome(activation, record)


def _outcome(activation: Activation, record: Record) -> dict[str, Any]:
    """Who has the port in the end, and whether he answers."""
    settled = activation.store.load()
    if settled.phase is Phase.CONFIRMED:
        is_there = wait_for(activation, record, Mode.AGENT, settled.commit)
        return {"rolled_back": is_there, "mode": Mode.AGENT.value, "commit": settled.commit}
    is_there = record.has_bootstrap and wait_for(activation, record, Mode.BOOTSTRAP)
    return {"rolled_back": is_there, "mode": (Mode.BOOTSTRAP if is_there else Mode.NOBODY).value, "commit": None}
