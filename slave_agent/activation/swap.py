"""The verbs `handover` and `swap`: the port changes hands. Whatever fails or is killed, who had it comes back."""

from __future__ import annotations

from typing import Any

from slave_agent.activation import clock, processes
from slave_agent.activation.context import Activation
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.files import point_link
from slave_agent.activation.patience import wait_for_answer
from slave_agent.activation.probe import Answer
from slave_agent.activation.record import Record
from slave_agent.activation.retreat import go_back
from slave_agent.activation.states import Fallback, Mode, Phase, SwapStep

REPLY_SECONDS = 0.5
AGENT_PATIENCE_SECONDS = 30.0
PAUSE_SECONDS = 0.2


def hand_over(activation: Activation) -> dict[str, Any]:
    """Start the swap apart from the caller and return at once. A repeated call joins the handover that runs already.

    Raises ActivationError when the release was not staged.
    """
    record = activation.store.load()
    if record.phase.awaits_confirmation:
        left = (record.deadline_boottime_seconds or 0.0) - clock.boottime_seconds()
        return {"started": True, "deadline_seconds": max(0.0, round(left, 1)), "commit": record.commit}
    if record.falls_back_to is Fallback.BOOTSTRAP:
        activation.keeper.boot_into(Mode.BOOTSTRAP)
    activation.keeper.arm_guard()
    advanced = activation.store.advance(
        [Phase.STAGED],
        phase=Phase.HANDING_OVER,
        step=SwapStep.REPLYING,
        deadline_boottime_seconds=clock.boottime_seconds() + record.confirm_timeout_seconds,
        boot_id=clock.boot_id(),
        misses=0,
        failed_starts=0,
        reason=None,
    )
    if advanced is None:
        raise ActivationError("The release was not tried out yet.", "Run stage first.")
    activation.keeper.detach("swap")
    return {"started": True, "deadline_seconds": record.confirm_timeout_seconds, "commit": record.commit}


def swap(activation: Activation) -> dict[str, Any]:
    """Stop who has the port, open it, start the agent; if it does not answer, go back."""
    with activation.store.swapping():
        record = activation.store.load()
        try:
            _take_port(activation, record)
            problem = _start_agent(activation, record)
        except ActivationError as error:
            problem = error.message
        if problem:
            lines = " | ".join(activation.keeper.last_lines()[-8:])
            go_back(activation, [Phase.HANDING_OVER], f"{problem} ({lines})")
            return {"swapped": False, "reason": problem}
        activation.store.advance([Phase.HANDING_OVER], phase=Phase.HANDED_OVER, step=SwapStep.DONE, misses=0)
        return {"swapped": True, "commit": record.commit}


def _take_port(activation: Activation, record: Record) -> None:
    _begin(activation, record, SwapStep.REPLYING)
    activation.sleep(REPLY_SECONDS)
    _begin(activation, record, SwapStep.STOPPING_BOOTSTRAP)
    activation.keeper.stop_bootstrap()
    stop_plain_bootstrap(activation, record)
    _begin(activation, record, SwapStep.SWITCHING_RELEASE)
    point_link(activation.layout.current, activation.layout.release(record.commit))
    _begin(activation, record, SwapStep.OPENING_PORT)
    activation.keeper.stop_agent()
    try:
        activation.keeper.open_port()
    except ActivationError as error:
        raise ActivationError(f"systemd could not take the port: {_held_by(record.port)}", error.hint) from error


def _held_by(port: int) -> str:
    """Say who listens on the port at this moment."""
    holders = [f"{_shown(processes.command_line(pid))} (process {pid})" for pid in processes.holders(port)]
    return f"somebody else holds it: {', '.join(holders)}" if holders else "nobody holds it by now"


def _shown(words: list[str]) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in " ".join(words))[:120] or "?"


def _start_agent(activation: Activation, record: Record) -> str:
    """Return what went wrong, or an empty text when the new agent answers on the port."""
    _begin(activation, record, SwapStep.STARTING_AGENT)
    started = activation.keeper.start_agent()
    if not started.is_ok:
        return f"the agent did not start: {started.reason}"
    _begin(activation, record, SwapStep.CHECKING_AGENT)

    def is_wanted(answer: Answer) -> bool:
        return answer.mode is Mode.AGENT and answer.commit == record.commit

    answer = wait_for_answer(
        lambda seconds: activation.look(record, seconds),
        lambda answer: is_wanted(answer) or not activation.keeper.has_agent(),
        AGENT_PATIENCE_SECONDS,
        PAUSE_SECONDS,
        activation.sleep,
    )
    if is_wanted(answer):
        return ""
    if not activation.keeper.has_agent():
        return "the agent was started, but it ended"
    problem = answer.problem or f"a {answer.mode.value} of commit {answer.commit} answered"
    return f"the agent was started, but {problem}"


def stop_plain_bootstrap(activation: Activation, record: Record) -> None:
    """End bootstraps that hold the port as plain processes: the installer's, or one that somebody started by hand."""
    candidates = {*processes.holders(record.port), *([record.bootstrap_pid] if record.bootstrap_pid else [])}
    for pid in candidates:
        if processes.is_bootstrap(pid) and not processes.stop(pid, sleep=activation.sleep):
            raise ActivationError(f"The bootstrap (process {pid}) can't be stopped.", "Stop it by hand.")


def _begin(activation: Activation, record: Record, step: SwapStep) -> None:
    """Record the step. Raises ActivationError when the guard has taken the handover back meanwhile."""
    if activation.store.advance([Phase.HANDING_OVER], step=step) is None:
        raise ActivationError("The guard took the handover back.", "Look at status.")
    activation.sleep(record.step_delay_seconds)
