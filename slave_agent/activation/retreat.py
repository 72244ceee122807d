"""The ways back: the bootstrap answers again, or the release that was confirmed before, or nobody as at first."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from slave_agent.activation import clock
from slave_agent.activation.charge import keep_in_charge
from slave_agent.activation.context import Activation
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.files import point_link
from slave_agent.activation.patience import wait_for_answer
from slave_agent.activation.probe import Answer
from slave_agent.activation.pruning import prune_releases
from slave_agent.activation.record import Record
from slave_agent.activation.runtime import launcher_of
from slave_agent.activation.states import Fallback, Mode, Phase

PATIENCE_SECONDS = 15.0
PAUSE_SECONDS = 0.25
TRIES_WITH_RELEASE = 2


def go_back(activation: Activation, allowed: Collection[Phase], reason: str) -> bool:
    """Record why, then give the port back to who had it. Returns False when somebody was faster."""
    falls_back_to = activation.store.load().falls_back_to
    if falls_back_to is Fallback.RELEASE:
        return release_answers_again(activation, allowed, reason)
    if falls_back_to is Fallback.BOOTSTRAP:
        return bootstrap_answers_again(activation, allowed, reason)
    record = activation.store.advance(allowed, phase=Phase.ROLLED_BACK, reason=reason, deadline_boottime_seconds=None)
    if record is not None:
        activation.keeper.close_port()  # the guard removes the rest, so that the reason can be read until then
    return record is not None


def bootstrap_answers_again(
    activation: Activation, allowed: Collection[Phase], reason: str, phase: Phase = Phase.ROLLED_BACK
) -> bool:
    """Record why, then give the port to the bootstrap. Returns False when the record says that somebody was faster."""
    record = activation.store.advance(
        allowed,
        phase=phase,
        reason=reason,
        falls_back_to=Fallback.BOOTSTRAP,
        deadline_boottime_seconds=None,
        misses=0,
    )
    if record is None:
        return False
    activation.keeper.boot_into(Mode.BOOTSTRAP)
    activation.keeper.start_bootstrap()
    if record.confirmed_commit:
        point_link(activation.layout.current, activation.layout.release(record.confirmed_commit))
    return True


def release_answers_again(activation: Activation, allowed: Collection[Phase], reason: str) -> bool:
    """Record why, then let the confirmed release answer; if it can't, the bootstrap, where there is one.

    Returns False when the record says that somebody was faster. Killed anywhere, the guard does it again.
    """
    tries = activation.store.load().failed_starts
    record = activation.store.advance(
        allowed,
        phase=Phase.ROLLED_BACK,
        reason=reason,
        falls_back_to=Fallback.RELEASE,
        failed_starts=tries + 1,
        deadline_boottime_seconds=None,
        misses=0,
    )
    if record is None or record.confirmed_commit is None:
        return False
    is_back = (tries < TRIES_WITH_RELEASE or not record.has_bootstrap) and _runs_again(activation, record)
    if is_back:
        _settle(activation)
    elif record.has_bootstrap:
        words = f"{reason}; and the release before does not answer either"
        bootstrap_answers_again(activation, [Phase.ROLLED_BACK], words, Phase.RETURNED)
    return True


def return_to_bootstrap(activation: Activation) -> dict[str, Any]:
    """Give the port back for a rebuild; the confirmed release stays on disk. Idempotent.

    Raises ActivationError on a slave that has no bootstrap.
    """
    record = activation.store.load()
    if not record.has_bootstrap:
        raise ActivationError(
            "There is no bootstrap on this slave: it was installed without a master.",
            "Uninstall it, then run an installer of the master.",
        )
    activation.keeper.arm_guard()
    bootstrap_answers_again(activation, list(Phase), "asked for by the master", Phase.RETURNED)
    answered = wait_for(activation, record, Mode.BOOTSTRAP)
    return {"returned": answered, "mode": "bootstrap"}


def wait_for(activation: Activation, record: Record, mode: Mode, commit: str | None = None) -> bool:
    """Wait up to 15 s until the wanted server answers; return whether it did."""

    def is_wanted(answer: Answer) -> bool:
        return answer.mode is mode and commit in (None, answer.commit)

    def look(seconds: float) -> Answer:
        return activation.look(record, seconds)

    return is_wanted(wait_for_answer(look, is_wanted, PATIENCE_SECONDS, PAUSE_SECONDS, activation.sleep))


def has_release(activation: Activation, commit: str | None) -> bool:
    """Whether that release can be started."""
    return commit is not None and launcher_of(activation.layout.release(commit)).exists()


def _runs_again(activation: Activation, record: Record) -> bool:
    """Let the confirmed release have the port; return whether it answers. One that does is not disturbed."""
    commit = record.confirmed_commit
    answer = activation.look(record)
    release = activation.layout.release(str(commit))
    is_current = activation.layout.current.resolve() == release.resolve()
    if is_current and answer.mode is Mode.AGENT and answer.commit == commit:
        return True
    if not has_release(activation, commit):
        return False
    if record.has_bootstrap:
        activation.keeper.stop_bootstrap()
    activation.keeper.stop_agent()
    point_link(activation.layout.current, release)
    try:
        activation.keeper.open_port()
    except ActivationError:
        return False
    return activation.keeper.start_agent().is_ok and wait_for(activation, record, Mode.AGENT, commit)


def _settle(activation: Activation) -> None:
    """The confirmed release answers: it starts at boot, the guard may rest, what failed is removed."""
    record = activation.store.load()
    settled = activation.store.advance(
        [Phase.ROLLED_BACK],
        phase=Phase.CONFIRMED,
        commit=record.confirmed_commit,
        step=None,
        misses=0,
        failed_starts=0,
        boot_id=clock.boot_id(),
    )
    if settled is not None:
        activation.keeper.boot_into(Mode.AGENT)
        keep_in_charge(activation, settled)
        prune_releases(activation, settled)
        activation.keeper.disarm_guard()
