"""How systemd restarts an app, with a start limit that trips whatever the pause between two starts. Pure."""

from __future__ import annotations

from slave_agent.systemd.states import RestartPolicy

RESTART_SECONDS = 2.0
BURST = 5
CRASH_SECONDS = 20.0  # an app that lives shorter than this, time after time, is given up


def start_limit_seconds(restart_seconds: float) -> int:
    """Given the pause between two starts, return the span within which BURST starts are the limit.

    systemd counts starts, and its own span (10 s) ends before five of them happen once the pause takes 2 s or more.
    """
    return int(-(-BURST * (restart_seconds + CRASH_SECONDS) // 1))


def restart_settings(
    policy: RestartPolicy, restart_seconds: float = RESTART_SECONDS
) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    """Given when to restart, return the settings for [Unit] and for [Service]."""
    if policy is RestartPolicy.NO:
        return (("StartLimitIntervalSec", "0"),), (("Restart", policy.value),)
    limit = (("StartLimitIntervalSec", str(start_limit_seconds(restart_seconds))), ("StartLimitBurst", str(BURST)))
    return limit, (("Restart", policy.value), ("RestartSec", f"{restart_seconds:g}"))
