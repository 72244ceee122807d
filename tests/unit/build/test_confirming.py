"""A confirmation is repeated while agent or helper are just being started again, and no longer than it may take."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any, cast

import pytest

from d8.build.activation import confirm_patiently
from d8.errors import D8Error, SlaveUnreachable
from d8.fleet.agent_client import ProblemAnswer, SlaveClient

COMMIT = "a" * 40
HELPER_KILLED = ProblemAnswer(502, "the helper gave no answer", "Ask again.")
AGENT_KILLED = SlaveUnreachable("nobody answers")
TAKEN_BACK = ProblemAnswer(409, "it was rolled back", "Build again.")


class Slave:
    """Answers in turn."""

    def __init__(self, answers: Iterable[D8Error | str]) -> None:
        self._answers = iter(answers)

    def confirm(self) -> dict[str, Any]:
        answer = next(self._answers)
        if isinstance(answer, D8Error):
            raise answer
        return {"commit": answer}


def confirmed(answers: Iterable[D8Error | str], clock: Callable[[], float] = lambda: 0.0) -> Any:
    return confirm_patiently(cast(SlaveClient, Slave(answers)), 20.0, clock, lambda _seconds: None)


def test_an_agent_or_a_helper_that_was_killed_is_asked_again() -> None:
    assert confirmed([HELPER_KILLED, AGENT_KILLED, HELPER_KILLED, COMMIT]) == COMMIT


def test_a_refusal_is_final() -> None:
    with pytest.raises(ProblemAnswer, match="rolled back"):
        confirmed([TAKEN_BACK, COMMIT])


@pytest.mark.parametrize("problem", [HELPER_KILLED, AGENT_KILLED])
def test_it_is_not_asked_for_ever(problem: D8Error) -> None:
    ticks = itertools.count(0.0, 5.0)
    with pytest.raises(type(problem)):
        confirmed(itertools.repeat(problem), lambda: next(ticks))
