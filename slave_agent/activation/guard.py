"""The guard's decision, as a table: from what is recorded and who answers to what has to happen. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from slave_agent.activation.states import Fallback, GuardAction, Mode, Phase

MISSES_BEFORE_ACTING = 2
STARTS_BEFORE_BOOTSTRAP = 3
WAY_BACK = {
    Fallback.BOOTSTRAP: GuardAction.RETURN_TO_BOOTSTRAP,
    Fallback.RELEASE: GuardAction.RETURN_TO_RELEASE,
    Fallback.NOTHING: GuardAction.STAND_DOWN,
}


@dataclass(frozen=True)
class Situation:
    """What the guard sees. Times in seconds of CLOCK_BOOTTIME; `keeps_agent_alive` where no systemd restarts it."""

    phase: Phase
    answering: Mode
    answers_wanted_commit: bool
    now: float
    deadline: float | None
    is_same_boot: bool
    swap_is_alive: bool
    misses: int
    failed_starts: int
    keeps_agent_alive: bool
    falls_back_to: Fallback = Fallback.BOOTSTRAP
    answers_former_commit: bool = False

    @property
    def way_back(self) -> GuardAction:
        return WAY_BACK[self.falls_back_to]

    @property
    def is_overdue(self) -> bool:
        return not self.is_same_boot or self.deadline is None or self.now >= self.deadline

    @property
    def is_missing(self) -> bool:
        """Nobody of ours has answered, this time and the times before."""
        return self.misses + 1 >= MISSES_BEFORE_ACTING


def decide(seen: Situation) -> GuardAction:
    """Given what is seen, return what to do. An unconfirmed activation never outlives its deadline or a reboot."""
    if seen.phase is Phase.CONFIRMED:
        return _after_confirm(seen)
    if seen.phase.awaits_confirmation:
        return _before_confirm(seen)
    if seen.phase is Phase.ROLLED_BACK and seen.falls_back_to is not Fallback.BOOTSTRAP:
        return _on_the_way_back(seen)
    if seen.phase in (Phase.ROLLED_BACK, Phase.RETURNED):
        return _with_bootstrap(seen)
    return _before_handover(seen)


def _before_handover(seen: Situation) -> GuardAction:
    """Installed or staged: whoever answered before stays. What nobody goes on with does not stay beside him."""
    if seen.falls_back_to is Fallback.NOTHING:
        return GuardAction.REMOVE if seen.is_overdue else GuardAction.WAIT
    if seen.falls_back_to is Fallback.RELEASE and seen.is_overdue:
        return GuardAction.RETURN_TO_RELEASE
    if seen.answering in (Mode.BOOTSTRAP, Mode.AGENT):
        return GuardAction.WAIT
    if not seen.is_missing:
        return GuardAction.COUNT_MISS
    return GuardAction.START_BOOTSTRAP if seen.falls_back_to is Fallback.BOOTSTRAP else GuardAction.START_AGENT


def _before_confirm(seen: Situation) -> GuardAction:
    if seen.is_overdue:
        return seen.way_back
    if seen.swap_is_alive:
        return GuardAction.WAIT
    if seen.answering is Mode.AGENT and seen.answers_wanted_commit:
        return GuardAction.WAIT if seen.phase is Phase.HANDED_OVER else GuardAction.NOTE_HANDED_OVER
    if _is_former_server(seen):  # while handing over the swap may be about to begin: the deadline settles that
        return GuardAction.WAIT if seen.phase is Phase.HANDING_OVER else _note_former(seen)
    return seen.way_back if seen.is_missing else GuardAction.COUNT_MISS


def _is_former_server(seen: Situation) -> bool:
    """Whether the one answers who had the port before the handover."""
    if seen.falls_back_to is Fallback.RELEASE:
        return seen.answering is Mode.AGENT and seen.answers_former_commit
    return seen.falls_back_to is Fallback.BOOTSTRAP and seen.answering is Mode.BOOTSTRAP


def _note_former(seen: Situation) -> GuardAction:
    is_bootstrap = seen.falls_back_to is Fallback.BOOTSTRAP
    return GuardAction.NOTE_ROLLED_BACK if is_bootstrap else GuardAction.RETURN_TO_RELEASE


def _on_the_way_back(seen: Situation) -> GuardAction:
    """A way back that was begun to the former release, or to nothing, is gone to its end."""
    if seen.swap_is_alive:
        return GuardAction.WAIT
    return GuardAction.REMOVE if seen.falls_back_to is Fallback.NOTHING else GuardAction.RETURN_TO_RELEASE


def _with_bootstrap(seen: Situation) -> GuardAction:
    if seen.swap_is_alive:  # a rollback brings the earlier release back
        return GuardAction.WAIT
    if seen.answering is Mode.BOOTSTRAP:
        return GuardAction.WAIT if seen.keeps_agent_alive else GuardAction.DISARM
    if seen.answering is Mode.AGENT:
        return GuardAction.RETURN_TO_BOOTSTRAP
    return GuardAction.START_BOOTSTRAP if seen.is_missing else GuardAction.COUNT_MISS


def _after_confirm(seen: Situation) -> GuardAction:
    if not seen.keeps_agent_alive:
        return GuardAction.FINISH_CONFIRM
    if seen.answering in (Mode.BOOTSTRAP, Mode.AGENT):
        return GuardAction.WAIT
    if not seen.is_missing:
        return GuardAction.COUNT_MISS
    return GuardAction.START_BOOTSTRAP if seen.failed_starts >= STARTS_BEFORE_BOOTSTRAP else GuardAction.START_AGENT
