"""A lab host whose clock is off, though all hosts share this machine's: a library says another time to its programs."""

from __future__ import annotations

import struct
import time
from pathlib import Path

from tests.lab.host import Host
from tests.lab.lab import Lab

SOURCE = Path(__file__).with_suffix(".c")
LIBRARY, OFFSET = "/usr/local/lib/lab-clock.so", "/etc/lab-clock"
DAY = 86400


def host_with_a_clock_of_its_own(lab: Lab) -> Host:
    """Return a bare host, to be removed by the caller; process 1 and what runs by now keep the machine's time."""
    host = lab.host("bare", packages=("gcc", "libc6-dev"))
    host.push(SOURCE, "/root/lab-clock.c")
    host.run(f"gcc -shared -fPIC -O2 -o {LIBRARY} /root/lab-clock.c")
    set_clock(host, 0)
    host.push(f"{LIBRARY}\n".encode(), "/etc/ld.so.preload")
    return host


def set_clock(host: Host, days: int) -> None:
    """Let its programs, those that run already too, see the time of that many days later, or earlier below zero."""
    host.run(f"dd of={OFFSET} conv=notrunc status=none", input=struct.pack("=q", days * DAY))
    said = float(host.run("date +%s").stdout)
    assert not host.exists("/etc/ld.so.preload") or abs(said - time.time() - days * DAY) < 600
