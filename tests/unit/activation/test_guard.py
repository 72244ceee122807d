"""The guard's table: phase × who answers × time → action."""

from __future__ import annotations

import itertools

import pytest

from slave_agent.activation.guard import Situation, decide
from slave_agent.activation.states import Fallback, GuardAction, Mode, Phase


def situation(phase: Phase, answering: Mode, **changes: object) -> Situation:
    values: dict[str, object] = {
        "phase": phase,
        "answering": answering,
        "answers_wanted_commit": answering is Mode.AGENT,
        "now": 100.0,
        "deadline": 160.0,
        "is_same_boot": True,
        "swap_is_alive": False,
        "misses": 0,
        "failed_starts": 0,
        "keeps_agent_alive": False,
    }
    return Situation(**{**values, **changes})  # type: ignore[arg-type]


P, M, A = Phase, Mode, GuardAction
LATE, REBOOTED, TWICE = {"now": 160.0}, {"is_same_boot": False}, {"misses": 1}
SWAPPING, OTHER_COMMIT, PLAIN = {"swap_is_alive": True}, {"answers_wanted_commit": False}, {"keeps_agent_alive": True}

TABLE: list[tuple[Phase, Mode, dict[str, object], GuardAction]] = [
    # nothing was handed over yet: whoever answers stays
    (P.INSTALLED, M.BOOTSTRAP, {}, A.WAIT),
    (P.STAGED, M.AGENT, {}, A.WAIT),
    (P.INSTALLED, M.NOBODY, {}, A.COUNT_MISS),
    (P.INSTALLED, M.NOBODY, TWICE, A.START_BOOTSTRAP),
    (P.STAGED, M.STRANGER, TWICE, A.START_BOOTSTRAP),
    (P.STAGED, M.BOOTSTRAP, REBOOTED, A.WAIT),
    # handing over
    (P.HANDING_OVER, M.BOOTSTRAP, {}, A.WAIT),
    (P.HANDING_OVER, M.BOOTSTRAP, SWAPPING, A.WAIT),
    (P.HANDING_OVER, M.BOOTSTRAP, LATE, A.RETURN_TO_BOOTSTRAP),
    (P.HANDING_OVER, M.AGENT, {}, A.NOTE_HANDED_OVER),
    (P.HANDING_OVER, M.AGENT, SWAPPING, A.WAIT),
    (P.HANDING_OVER, M.AGENT, OTHER_COMMIT, A.COUNT_MISS),
    (P.HANDING_OVER, M.NOBODY, SWAPPING, A.WAIT),
    (P.HANDING_OVER, M.NOBODY, {**SWAPPING, **LATE}, A.RETURN_TO_BOOTSTRAP),
    (P.HANDING_OVER, M.NOBODY, {}, A.COUNT_MISS),
    (P.HANDING_OVER, M.NOBODY, TWICE, A.RETURN_TO_BOOTSTRAP),
    # handed over, not confirmed
    (P.HANDED_OVER, M.AGENT, {}, A.WAIT),
    (P.HANDED_OVER, M.AGENT, LATE, A.RETURN_TO_BOOTSTRAP),
    (P.HANDED_OVER, M.AGENT, REBOOTED, A.RETURN_TO_BOOTSTRAP),
    (P.HANDED_OVER, M.AGENT, {"deadline": None}, A.RETURN_TO_BOOTSTRAP),
    (P.HANDED_OVER, M.BOOTSTRAP, {}, A.NOTE_ROLLED_BACK),
    (P.HANDED_OVER, M.NOBODY, {}, A.COUNT_MISS),
    (P.HANDED_OVER, M.STRANGER, TWICE, A.RETURN_TO_BOOTSTRAP),
    # the bootstrap has the port
    (P.ROLLED_BACK, M.BOOTSTRAP, {}, A.DISARM),
    (P.RETURNED, M.BOOTSTRAP, PLAIN, A.WAIT),
    (P.RETURNED, M.NOBODY, {}, A.COUNT_MISS),
    (P.RETURNED, M.NOBODY, TWICE, A.START_BOOTSTRAP),
    (P.ROLLED_BACK, M.AGENT, {}, A.RETURN_TO_BOOTSTRAP),
    (P.RETURNED, M.AGENT, SWAPPING, A.WAIT),
    # confirmed
    (P.CONFIRMED, M.AGENT, {}, A.FINISH_CONFIRM),
    (P.CONFIRMED, M.NOBODY, TWICE, A.FINISH_CONFIRM),
    (P.CONFIRMED, M.AGENT, PLAIN, A.WAIT),
    (P.CONFIRMED, M.BOOTSTRAP, PLAIN, A.WAIT),
    (P.CONFIRMED, M.NOBODY, PLAIN, A.COUNT_MISS),
    (P.CONFIRMED, M.NOBODY, {**PLAIN, **TWICE}, A.START_AGENT),
    (P.CONFIRMED, M.NOBODY, {**PLAIN, **TWICE, "failed_starts": 3}, A.START_BOOTSTRAP),
]

BESIDE: dict[str, object] = {"falls_back_to": Fallback.RELEASE, "answers_wanted_commit": False}
FORMER: dict[str, object] = {**BESIDE, "answers_former_commit": True}
ALONE: dict[str, object] = {"falls_back_to": Fallback.NOTHING}
TABLE += [
    # a release that came beside a confirmed one: that one has the port, and gets it back
    (P.INSTALLED, M.AGENT, FORMER, A.WAIT),
    (P.STAGED, M.NOBODY, BESIDE, A.COUNT_MISS),
    (P.STAGED, M.NOBODY, {**BESIDE, **TWICE}, A.START_AGENT),
    (P.STAGED, M.AGENT, {**FORMER, **LATE}, A.RETURN_TO_RELEASE),
    (P.INSTALLED, M.AGENT, {**FORMER, **REBOOTED}, A.RETURN_TO_RELEASE),
    (P.HANDING_OVER, M.AGENT, FORMER, A.WAIT),
    (P.HANDING_OVER, M.AGENT, {**FORMER, **LATE}, A.RETURN_TO_RELEASE),
    (P.HANDING_OVER, M.AGENT, {**BESIDE, "answers_wanted_commit": True}, A.NOTE_HANDED_OVER),
    (P.HANDING_OVER, M.BOOTSTRAP, {**BESIDE, **TWICE}, A.RETURN_TO_RELEASE),
    (P.HANDED_OVER, M.AGENT, FORMER, A.RETURN_TO_RELEASE),
    (P.HANDED_OVER, M.AGENT, {**BESIDE, **REBOOTED}, A.RETURN_TO_RELEASE),
    (P.HANDED_OVER, M.NOBODY, {**BESIDE, **TWICE}, A.RETURN_TO_RELEASE),
    (P.ROLLED_BACK, M.NOBODY, BESIDE, A.RETURN_TO_RELEASE),
    (P.ROLLED_BACK, M.AGENT, FORMER, A.RETURN_TO_RELEASE),
    (P.ROLLED_BACK, M.NOBODY, {**BESIDE, **SWAPPING}, A.WAIT),
    (P.RETURNED, M.BOOTSTRAP, {}, A.DISARM),
    # the first release of a slave without a bootstrap: nothing was there, and nothing is to be left
    (P.INSTALLED, M.NOBODY, {**ALONE, **TWICE}, A.WAIT),
    (P.STAGED, M.NOBODY, {**ALONE, **LATE}, A.REMOVE),
    (P.INSTALLED, M.NOBODY, {**ALONE, **REBOOTED}, A.REMOVE),
    (P.HANDING_OVER, M.NOBODY, {**ALONE, **TWICE}, A.STAND_DOWN),
    (P.HANDED_OVER, M.AGENT, {**ALONE, **LATE}, A.STAND_DOWN),
    (P.ROLLED_BACK, M.NOBODY, ALONE, A.REMOVE),
    (P.CONFIRMED, M.AGENT, ALONE, A.FINISH_CONFIRM),
]


@pytest.mark.parametrize(("phase", "answering", "changes", "action"), TABLE)
def test_the_table(phase: Phase, answering: Mode, changes: dict[str, object], action: GuardAction) -> None:
    assert decide(situation(phase, answering, **changes)) is action


@pytest.mark.parametrize(("phase", "answering"), list(itertools.product(Phase, Mode)))
def test_nobody_is_ever_left_waiting_twice_without_somebody_who_answers(phase: Phase, answering: Mode) -> None:
    action = decide(situation(phase, answering, misses=5, now=1000.0, keeps_agent_alive=True))
    if answering in (Mode.NOBODY, Mode.STRANGER):
        assert action in (A.START_BOOTSTRAP, A.RETURN_TO_BOOTSTRAP, A.START_AGENT)


@pytest.mark.parametrize(("phase", "answering"), list(itertools.product((P.HANDING_OVER, P.HANDED_OVER), Mode)))
def test_no_unconfirmed_agent_outlives_a_reboot(phase: Phase, answering: Mode) -> None:
    assert decide(situation(phase, answering, is_same_boot=False)) is A.RETURN_TO_BOOTSTRAP
