"""Waiting for an answer by the clock: however long each look takes, the limit that the caller promised holds."""

from __future__ import annotations

from typing import Callable

from slave_agent.activation import clock
from slave_agent.activation.probe import Answer

LONGEST_LOOK_SECONDS = 3.0


def wait_for_answer(
    look: Callable[[float], Answer],
    is_enough: Callable[[Answer], bool],
    limit_seconds: float,
    pause_seconds: float,
    sleep: Callable[[float], None],
    now: Callable[[], float] = clock.boottime_seconds,
) -> Answer:
    """Look until it is enough or the limit has passed; return the last answer. There is always one look.

    `look` is given the seconds that it may take at most.
    """
    deadline = now() + limit_seconds
    while True:
        answer = look(min(LONGEST_LOOK_SECONDS, deadline - now()))
        if is_enough(answer) or now() + pause_seconds >= deadline:
            return answer
        sleep(pause_seconds)
