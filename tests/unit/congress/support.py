"""What the tests of this folder share: a failed build's report, and a clock that is told the time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from d8.congress.diagnosis import diagnose
from d8.errors import ExitCode
from d8.messages import Message, message
from d8.models import BuildReport, BuildStatus, StrategyFailure, StrategyName


def failed_build(
    cause: str = "No space left on device", slave_id: str = "slave-192-168-4-25", host: str = "192.168.4.25"
) -> BuildReport:
    """The report of a build in which Docker was left out and venv failed twice."""
    left_out = message("{strategy} is left out: {reason}", strategy="docker", reason="no rights")
    return BuildReport(
        slave_id=slave_id,
        slave_host=host,
        status=BuildStatus.FAILED,
        exit_code=ExitCode.FAILED,
        log_file=Path("/data/build_logs/build_x.json"),
        document={"attempts": [{"strategy": "venv", "error": cause}, {"strategy": "venv", "error": cause}]},
        error=message("no way of installing worked: {reasons}", reasons=cause),
        failures=(
            StrategyFailure(StrategyName.DOCKER, left_out, Message(""), was_tried=False),
            StrategyFailure(
                StrategyName.VENV,
                message("{purpose} failed: {reason}", purpose=message("unpacking the source"), reason=cause),
                Message(""),
                was_tried=True,
            ),
        ),
        diagnosis=diagnose([cause]),
    )


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **duration: float) -> None:
        """Given timedelta's words, let that time pass."""
        self.now += timedelta(**duration)
