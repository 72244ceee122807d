"""The start limit trips for every pause between two starts, by systemd's own way of counting."""

from __future__ import annotations

import pytest

from slave_agent.systemd.restarts import BURST, CRASH_SECONDS, restart_settings, start_limit_seconds
from slave_agent.systemd.states import RestartPolicy

PAUSES = (0.0, 0.1, 0.5, 1.0, 2.0, 2.5, 3.0, 5.0, 10.0, 30.0, 60.0, 600.0, 3600.0)


def starts_until_given_up(restart_seconds: float, lifetime: float, interval: float, burst: int) -> int | None:
    """systemd's ratelimit_below(): a window begins with a start; more than `burst` starts in it are refused.

    Returns how many starts there were before one was refused, None when none was in a thousand.
    """
    now, begin, number = 0.0, None, 0
    for count in range(1000):
        if begin is None or now - begin > interval:
            begin, number = now, 1
        elif number < burst:
            number += 1
        else:
            return count
        now += lifetime + restart_seconds
    return None


@pytest.mark.parametrize("pause", PAUSES)
@pytest.mark.parametrize("lifetime", [0.0, 0.05, 1.0, 3.0, CRASH_SECONDS - 0.5])
def test_an_app_that_always_crashes_is_given_up(pause: float, lifetime: float) -> None:
    assert starts_until_given_up(pause, lifetime, start_limit_seconds(pause), BURST) == BURST


@pytest.mark.parametrize("pause", PAUSES)
def test_an_app_that_lives_for_a_while_is_never_given_up(pause: float) -> None:
    assert starts_until_given_up(pause, CRASH_SECONDS + 1, start_limit_seconds(pause), BURST) is None


def test_systemds_own_limit_would_not_trip() -> None:
    assert starts_until_given_up(3.0, 0.05, 10, 5) is None


def test_the_settings_follow_the_policy() -> None:
    assert restart_settings(RestartPolicy.NO) == ((("StartLimitIntervalSec", "0"),), (("Restart", "no"),))
    limit, service = restart_settings(RestartPolicy.ALWAYS, 5.0)
    assert dict(limit) == {"StartLimitIntervalSec": "125", "StartLimitBurst": "5"}
    assert dict(service) == {"Restart": "always", "RestartSec": "5"}
