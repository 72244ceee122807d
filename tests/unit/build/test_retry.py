"""Three attempts with a delay, and none where repetition can't help."""

from datetime import UTC, datetime

import pytest

from d8.build.command_failed import CommandFailed
from d8.build.retry import RetryPolicy
from d8.errors import BuildFailed, Cancelled, PermanentFailure, Refused
from d8.messages import message
from d8.models import CommandResult


@pytest.mark.parametrize(
    ("attempt", "failure", "delay"),
    [
        (1, BuildFailed("x"), 10),
        (2, BuildFailed("x"), 10),
        (3, BuildFailed("x"), None),
        (1, PermanentFailure("no disk"), None),
        (1, Refused("bad token"), None),
        (1, Cancelled("stop"), None),
    ],
)
def test_delay_after(attempt, failure, delay):
    assert RetryPolicy(3, 10).delay_after(attempt, failure) == delay


@pytest.mark.parametrize(
    ("said", "delay"),
    [
        ("tar: d8: Cannot write: No space left on device", None),
        ("OSError: [Errno 28] No space left on device: '/opt/d8-agent'\nsorry", None),
        ("mkdir: cannot create directory '/opt/d8-agent': Read-only file system", None),
        ("E: Package 'docker.io' has no installation candidate", None),
        ("manifest for python:3.99 not found: manifest unknown: manifest unknown", None),
        ("exec /usr/local/bin/python3: exec format error", None),
        ("  import zlib\nModuleNotFoundError: No module named 'zlib'", None),
        ("curl: (28) Connection timed out", 10),
        ("toomanyrequests: You have reached your pull rate limit.", 10),
        ("E: Unable to locate package docker.io", 10),
        ("E: Package 'docker-cli' has no installation candidate\nE: Could not get lock /var/lib/dpkg/lock", 10),
    ],
)
@pytest.mark.parametrize("is_cause", [False, True])
def test_what_the_output_says_another_attempt_would_meet_again_is_not_tried_again(
    said: str, delay: float | None, is_cause: bool
):
    now = datetime.now(UTC)
    failed = CommandFailed(CommandResult("tar", False, "", said, 2, now, 0.1, "1"), message("unpacking the source"))
    failure = BuildFailed("no release") if is_cause else failed
    failure.__cause__ = failed if is_cause else None
    assert RetryPolicy(3, 10).delay_after(1, failure) == delay
