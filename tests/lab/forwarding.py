"""The machine's ip_forward switch: on while there is a lab, then as it was before the first one."""

from __future__ import annotations

from pathlib import Path

from tests.lab import network
from tests.lab.places import Places

SWITCH = Path("/proc/sys/net/ipv4/ip_forward")
FILE = "ip_forward_before"


def turn_on(places: Places) -> None:
    """Remember the switch, unless an earlier lab did, and turn it on. The caller holds the state folder's lock."""
    memory = places.state / FILE
    if not memory.exists():
        memory.write_text(SWITCH.read_text())
    SWITCH.write_text("1")


def restore(places: Places) -> None:
    """Put the switch back; for the last lab. Left on where Docker came to need it in the meantime."""
    memory = places.state / FILE
    if not memory.exists():
        return
    if not network.link_exists("docker0"):
        SWITCH.write_text(memory.read_text() or "0")
    memory.unlink()
