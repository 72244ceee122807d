"""Facts about this machine and this process, through psutil; nothing is decided here."""

from __future__ import annotations

import getpass
import os
import platform
import socket
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import psutil

from slave_agent.models import AgentSettings, JsonObject

_MACHINE_ID_FILES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
_PROCESSOR_SENSORS = ("cpu_thermal", "coretemp", "k10temp", "soc_thermal", "cpu-thermal", "acpitz")


@cache
def machine_id() -> str:
    """The machine-id (machine-id(5)), which stays when the address changes; empty where there is none."""
    for path in _MACHINE_ID_FILES:
        try:
            return path.read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            continue
    return ""


@cache
def operating_system() -> str:
    """The distribution's own name for itself (os-release(5))."""
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def hostname() -> str:
    """This machine's name."""
    return socket.gethostname()


def user_name() -> str:
    """The name of the user that the agent runs as, or its number where it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.geteuid())


def addresses() -> list[str]:
    """Every IP address of this machine that another one could reach: no loopback, no link-local ones."""
    found = []
    for per_interface in psutil.net_if_addrs().values():
        for entry in per_interface:
            if entry.family in (socket.AF_INET, socket.AF_INET6):
                found.append(str(entry.address).partition("%")[0])
    return sorted({one for one in found if not one.startswith(("127.", "169.254.", "fe80:")) and one != "::1"})


def uptime_seconds() -> float:
    """How long this machine has been up."""
    return round(time.clock_gettime(time.CLOCK_BOOTTIME), 1)


def host_summary() -> JsonObject:
    """What health adds for whoever has a token."""
    return {
        "hostname": hostname(),
        "machine_id": machine_id(),
        "addresses": addresses(),
        "os": operating_system(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "user": user_name(),
        "uptime_seconds": uptime_seconds(),
    }


def system_facts(settings: AgentSettings) -> JsonObject:
    """Everything that GET /api/system tells about the machine. Given the settings, for the disk that the state lies
    on.
    """
    memory = psutil.virtual_memory()
    disk = psutil.disk_usage(str(settings.state_dir))
    return {
        **host_summary(),
        "kernel": platform.release(),
        "boot_time": timestamp(psutil.boot_time()),
        "cpu": {
            "count": psutil.cpu_count() or 1,
            "percent": psutil.cpu_percent(interval=None),
            "load": [round(load, 2) for load in psutil.getloadavg()],
        },
        "memory": {
            "total_bytes": memory.total,
            "available_bytes": memory.available,
            "percent": memory.percent,
        },
        "disk": {
            "path": str(settings.state_dir),
            "total_bytes": disk.total,
            "free_bytes": disk.free,
            "percent": disk.percent,
        },
        "temperature_celsius": temperature_celsius(),
    }


def temperature_celsius() -> float | None:
    """The processor's temperature, or any sensor's, or None where there is no sensor (most virtual machines)."""
    try:
        sensors = psutil.sensors_temperatures()
    except (AttributeError, OSError, ValueError):
        return None
    ordered = [*(name for name in _PROCESSOR_SENSORS if name in sensors), *sensors]
    return next((round(entry.current, 1) for name in ordered for entry in sensors[name]), None)


def process_facts() -> JsonObject:
    """What the agent itself costs, and since when it runs."""
    process = psutil.Process()
    return {
        "pid": process.pid,
        "memory_bytes": process.memory_info().rss,
        "user": user_name(),
        "started": timestamp(process.create_time()),
    }


def timestamp(seconds: float) -> str:
    """Given seconds since 1970, return the moment in UTC as ISO 8601 with Z."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
