"""Time that no clock change can move: seconds since this boot, and which boot it is."""

from __future__ import annotations

import time
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boottime_seconds() -> float:
    """Seconds since the machine started, sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """The kernel's name for this boot; containers on one kernel share it, so the start of PID 1 is added."""
    first_process = Path("/proc/1/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return f"{BOOT_ID.read_text(encoding='ascii').strip()}/{first_process[19]}"
