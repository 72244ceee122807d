"""Steps 5 to 7: the strategies in their order, each with its attempts, until one leads to a proved agent."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from d8.build.activation import Activation, AgentFacts
from d8.build.command_failed import last_output
from d8.build.context import BuildContext
from d8.build.events import StepName
from d8.build.retry import RetryPolicy
from d8.build.strategies import Strategy
from d8.errors import BuildFailed, Cancelled, D8Error, SlaveUnreachable
from d8.messages import NOTHING, message, read_message
from d8.models import Scope, StrategyFailure, StrategyName

KEEPERS = {
    Scope.SYSTEM: message("systemd"),
    Scope.USER: message("the user's systemd"),
    Scope.CRON: message("cron"),
    Scope.NOHUP: message("nobody after a reboot"),
}


class NoStrategyWorked(BuildFailed):
    """No way of installing led to an agent. Given why each of them did not, in their order."""

    def __init__(self, failures: tuple[StrategyFailure, ...]) -> None:
        self.failures = failures
        last = failures[-1]
        super().__init__(
            "no way of installing worked: {reasons}",
            last.hint.template and "{advice}",
            reasons=[message("{strategy}: {reason}", strategy=one.strategy, reason=one.reason) for one in failures],
            advice=last.hint,
        )


@dataclass(frozen=True)
class Built:
    """The strategy that worked, and what the proved agent says of itself and its host."""

    strategy: StrategyName
    agent: AgentFacts


def run_strategies(
    strategies: tuple[Strategy, ...], context: BuildContext, policy: RetryPolicy, sleep: Callable[[float], None]
) -> Built:
    """Given the strategies in their order, return the first that works. Raises BuildFailed with all their reasons;
    SlaveUnreachable when the link stays away: nothing failed then, the slave goes on with what runs there.
    """
    failures: list[StrategyFailure] = []
    for strategy in strategies:
        reason = strategy.impossible_because(context.facts)
        if reason is not None:
            context.progress.log.add("skipped", {"strategy": strategy.name, "reason": str(reason)})
            context.progress.tell(message("{strategy} is left out: {reason}", strategy=strategy.name, reason=reason))
            failures.append(StrategyFailure(strategy.name, reason, NOTHING, was_tried=False))
            continue
        try:
            return Built(strategy.name, _attempts(strategy, context, policy, sleep))
        except (Cancelled, SlaveUnreachable):
            raise
        except D8Error as error:
            failures.append(
                StrategyFailure(strategy.name, error.message, error.hint, was_tried=True, output=last_output(error))
            )
    raise NoStrategyWorked(tuple(failures))


def _attempts(
    strategy: Strategy, context: BuildContext, policy: RetryPolicy, sleep: Callable[[float], None]
) -> AgentFacts:
    """Give a strategy its attempts, each from a clean state, until one works or another is pointless."""
    number = 1 + _failed_before(strategy, context)
    while True:
        started = time.monotonic()
        context.progress.log.note("trying", {"strategy": strategy.name, "number": number})
        try:
            agent = _attempt(strategy, context, sleep)
        except SlaveUnreachable:  # the attempt is not over, and another one must not run beside it
            raise
        except D8Error as failure:
            delay = policy.delay_after(number, failure)
            _record(context, strategy, number, started, failure, is_last=delay is None)
            if delay is None:
                raise
            text = "attempt {number} of {attempts} failed: {reason}; the next one in {delay} s"
            values = {"number": number, "attempts": policy.attempts, "reason": failure.message, "delay": f"{delay:g}"}
            context.progress.warn(message(text, **values))
            sleep(delay)
            number += 1
        else:
            _record(context, strategy, number, started, None, is_last=True)
            return agent


def _failed_before(strategy: Strategy, context: BuildContext) -> int:
    """How many attempts of a strategy failed before its build was resumed. Raises BuildFailed when none is left."""
    failed = [
        entry
        for entry in context.progress.log.document["attempts"]
        if entry["strategy"] == strategy.name and not entry["success"]
    ]
    if failed and failed[-1]["last"]:
        reason, advice = (read_message(failed[-1]["messages"][name]) for name in ("error", "hint"))
        raise BuildFailed("{reason}", "{advice}", reason=reason, advice=advice)
    return len(failed)


def _attempt(strategy: Strategy, context: BuildContext, sleep: Callable[[float], None]) -> AgentFacts:
    """Install, activate, hand over; what a failed attempt leaves is removed before the next begins."""
    try:
        _install(strategy, context)
        return _activate(context, sleep)
    except BuildFailed:
        _discard(strategy, context)
        raise


def _discard(strategy: Strategy, context: BuildContext) -> None:
    try:
        strategy.discard(context)
    except SlaveUnreachable:
        raise
    except D8Error as error:  # why the attempt failed is what counts
        context.progress.warn(message("what the attempt left could not be removed: {reason}", reason=error.message))


def _install(strategy: Strategy, context: BuildContext) -> None:
    with context.progress.step(StepName.STRATEGY) as step:
        strategy.install(context)
        step.outcome = message("{strategy}, in {release}", strategy=strategy.name, release=context.release)


def _activate(context: BuildContext, sleep: Callable[[float], None]) -> AgentFacts:
    activation = Activation(context, sleep)
    with context.progress.step(StepName.ACTIVATION) as step:
        scope = activation.install_and_stage()
        step.outcome = message(
            "the new agent answered on its staging port; kept alive by {keeper}", keeper=KEEPERS[scope]
        )
    with context.progress.step(StepName.HANDOVER) as step:
        try:
            client, agent = activation.enroll_and_prove(activation.hand_over())
            activation.confirm(client)
        except D8Error as error:
            if not activation.wait_until_undone():
                text = "{reason}; and nobody answers since"
                raise SlaveUnreachable(text, "{advice}", reason=error.message, advice=error.hint) from error
            raise activation.explained(error) from error
        client.close()
        step.outcome = message("the agent answers on port {port}, confirmed", port=context.address.port)
    return agent


def _record(
    context: BuildContext, strategy: Strategy, number: int, started: float, failure: D8Error | None, *, is_last: bool
) -> None:
    entry = {
        "strategy": strategy.name,
        "number": number,
        "success": failure is None,
        "error": str(failure) if failure else None,
        "hint": str(failure.hint) if failure else "",
        "messages": {"error": failure.message.as_json(), "hint": failure.hint.as_json()} if failure else None,
        "last": is_last,
        "duration_seconds": round(time.monotonic() - started, 3),
    }
    context.progress.log.add("attempts", entry)
