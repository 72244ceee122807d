"""Three attempts with a delay, and none where repetition can't help."""

import pytest

from d8.build.retry import RetryPolicy
from d8.errors import BuildFailed, Cancelled, PermanentFailure, Refused, SlaveUnreachable


@pytest.mark.parametrize(
    ("attempt", "failure", "delay"),
    [
        (1, BuildFailed("x"), 10),
        (2, SlaveUnreachable("x"), 10),
        (3, BuildFailed("x"), None),
        (1, PermanentFailure("no disk"), None),
        (1, Refused("bad token"), None),
        (1, Cancelled("stop"), None),
    ],
)
def test_delay_after(attempt, failure, delay):
    assert RetryPolicy(3, 10).delay_after(attempt, failure) == delay
