"""The verb `guard`: one look at who answers, or a loop of them where no timer exists; the decision is guard.py's."""

from __future__ import annotations

from typing import Any

from slave_agent.activation import clock
from slave_agent.activation.confirm import finish_confirm
from slave_agent.activation.context import Activation
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.guard import WAY_BACK, Situation, decide
from slave_agent.activation.probe import Answer
from slave_agent.activation.record import Record
from slave_agent.activation.retreat import go_back
from slave_agent.activation.states import GuardAction, Mode, Phase
from slave_agent.activation.units import LONGEST_PERIOD_SECONDS, guard_period_seconds

LONGEST_LOOK_SECONDS = 3.0


def look_once(activation: Activation, *, acts: bool = True) -> dict[str, Any]:
    """See who answers, decide, act if that is wanted; return what was seen and decided."""
    record = activation.store.load()
    timeout_seconds = min(LONGEST_LOOK_SECONDS, guard_period_seconds(record.confirm_timeout_seconds))
    answer = activation.look(record, timeout_seconds)
    action = decide(_situation(activation, record, answer))
    if acts:
        _act(activation, record, action, answer)
    return {"answering": answer.mode.value, "phase": record.phase.value, "action": action.value}


def look_forever(activation: Activation) -> dict[str, Any]:
    """Look again and again until the installation is gone; a second loop ends at once."""
    with activation.store.guarding() as is_ours:
        if is_ours:
            activation.keeper.remember_guard()
        while is_ours:
            try:
                look_once(activation)
                activation.keeper.bound_logs()
                record = activation.store.load()
            except (ActivationError, OSError):
                if not activation.store.path.exists():
                    break
                activation.sleep(LONGEST_PERIOD_SECONDS)
                continue
            activation.sleep(guard_period_seconds(record.confirm_timeout_seconds))
    return {"ended": True}


def _situation(activation: Activation, record: Record, answer: Answer) -> Situation:
    return Situation(
        phase=record.phase,
        answering=answer.mode,
        answers_wanted_commit=answer.commit == record.commit,
        falls_back_to=record.falls_back_to,
        answers_former_commit=answer.commit is not None and answer.commit == record.confirmed_commit,
        now=clock.boottime_seconds(),
        deadline=record.deadline_boottime_seconds,
        is_same_boot=record.boot_id == clock.boot_id(),
        swap_is_alive=activation.store.is_swapping(),
        misses=record.misses,
        failed_starts=record.failed_starts,
        keeps_agent_alive=activation.keeper.keeps_agent_alive,
    )


def _act(activation: Activation, record: Record, action: GuardAction, answer: Answer) -> None:
    store, keeper = activation.store, activation.keeper
    if action is GuardAction.COUNT_MISS:
        store.advance([record.phase], misses=record.misses + 1)
    elif action is GuardAction.NOTE_HANDED_OVER:
        store.advance([Phase.HANDING_OVER], phase=Phase.HANDED_OVER, misses=0)
    elif action is GuardAction.NOTE_ROLLED_BACK:
        reason = "the bootstrap answers again"
        store.advance([record.phase], phase=Phase.ROLLED_BACK, reason=reason, deadline_boottime_seconds=None)
    elif action in WAY_BACK.values():
        keeper.stop_swap()
        go_back(activation, [record.phase], record.reason or _why(record, answer))
    elif action is GuardAction.REMOVE:
        keeper.detach("uninstall", "--wait")
    elif action is GuardAction.START_BOOTSTRAP:
        keeper.start_bootstrap()
    elif action is GuardAction.START_AGENT:
        started = keeper.start_agent()
        store.advance(
            [record.phase], failed_starts=record.failed_starts + 1, misses=0 if started.is_ok else record.misses
        )
    elif action is GuardAction.FINISH_CONFIRM:
        finish_confirm(activation, record)
    elif action is GuardAction.DISARM:
        keeper.disarm_guard()
    elif record.misses or (record.failed_starts and answer.mode is Mode.AGENT):
        store.advance([record.phase], misses=0, failed_starts=0)


def _why(record: Record, answer: Answer) -> str:
    if record.phase in (Phase.INSTALLED, Phase.STAGED):
        return "nobody went on with the release that was laid out"
    if record.boot_id != clock.boot_id():
        return "the machine rebooted before the agent was confirmed"
    if answer.mode is Mode.NOBODY or answer.mode is Mode.STRANGER:
        return f"nobody of ours answered: {answer.problem}"
    return f"not confirmed within {record.confirm_timeout_seconds:g} s"
