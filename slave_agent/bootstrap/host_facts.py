"""What this machine is: the facts in an authenticated health answer. Reads only."""

from __future__ import annotations

import ipaddress
import platform
import re
import socket
from pathlib import Path
from typing import Any

from slave_agent.bootstrap.host_system import HAS_POSIX, user_name_of

LOCAL_ADDRESS = re.compile(r"\|-- (\S+)\n\s+/32 host LOCAL")
TEST_NET_ADDRESS = "203.0.113.1"
LINK_LOCAL_SCOPE = "20"


def ipv4_addresses(fib_trie: str) -> list[str]:
    """Given /proc/net/fib_trie, return this machine's IPv4 addresses without the loopback ones."""
    found = dict.fromkeys(LOCAL_ADDRESS.findall(fib_trie))
    return [address for address in found if not ipaddress.ip_address(address).is_loopback]


def ipv6_addresses(if_inet6: str) -> list[str]:
    """Given /proc/net/if_inet6, return this machine's global IPv6 addresses."""
    found = []
    for line in if_inet6.splitlines():
        digits, _, _, scope, _, interface = line.split()
        if scope != LINK_LOCAL_SCOPE and interface != "lo":
            found.append(str(ipaddress.IPv6Address(int(digits, 16))))
    return found


def outgoing_address() -> str | None:
    """Return the address that this machine uses towards the outside; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((TEST_NET_ADDRESS, 9))
        except OSError:
            return None
        return str(probe.getsockname()[0])


def read_or_empty(path: str) -> str:
    """Return the text of a file, or nothing where it can't be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def addresses_of_name(first: str | None) -> list[str]:
    """Return what this machine's name stands for, after its outgoing address: all there is to know without /proc."""
    try:
        entries = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
    except OSError:
        entries = []
    known = [*([first] if first else []), *(str(entry[4][0]) for entry in entries)]
    return [one for one in dict.fromkeys(known) if not ipaddress.ip_address(one).is_loopback]


def local_addresses() -> list[str]:
    """Return the addresses under which this machine can be reached, the likeliest first."""
    found = ipv4_addresses(read_or_empty("/proc/net/fib_trie")) + ipv6_addresses(read_or_empty("/proc/net/if_inet6"))
    first = outgoing_address()
    if not HAS_POSIX:
        found = addresses_of_name(first)
    return [first, *(address for address in found if address != first)] if first in found else found


def os_name(os_release: str) -> str:
    """Given /etc/os-release, return the name that it gives people."""
    for line in os_release.splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip().strip("\"'")
    return platform.system() if HAS_POSIX else f"{platform.system()} {platform.release()}".strip()


def user_name() -> str:
    """Return the name of the user we run as, or the number where it has no name."""
    return user_name_of()


def host_facts() -> dict[str, Any]:
    """Return the `host` object of the health answer."""
    machine_id = read_or_empty("/etc/machine-id") or read_or_empty("/var/lib/dbus/machine-id")
    return {
        "hostname": socket.gethostname(),
        "machine_id": machine_id.strip(),
        "addresses": local_addresses(),
        "os": os_name(read_or_empty("/etc/os-release")),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "user": user_name(),
        "uptime_seconds": float((read_or_empty("/proc/uptime") or "0").split()[0]),
    }
