"""This master's own address as slaves see it. Nothing is sent to find it out."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from d8.errors import D8Error

# Documentation addresses (RFC 5737, RFC 3849): a UDP socket "connected" to one shows the address of the default route.
DOCUMENTATION = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
DISCARD_PORT = 9


def detect(targets: Iterable[tuple[socket.AddressFamily, str]] = DOCUMENTATION) -> str | None:
    """Return the address from which this machine would talk to the world, None where it has no network."""
    for family, target in targets:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((target, DISCARD_PORT))
                return str(probe.getsockname()[0])
        except OSError:
            continue
    return None


def master_address(setting: str | None) -> str:
    """Given D8_MASTER_ADDRESS, return it, else the detected address. Raises D8Error where there is neither."""
    address = setting or detect()
    if address is None:
        raise D8Error(
            "this machine has no network address that slaves could reach",
            "Connect it to the network, or set D8_MASTER_ADDRESS.",
        )
    return address


def is_own(address: str) -> bool:
    """Given an address or a name, say whether it belongs to this machine: only then can a socket be bound to it."""
    try:
        found = socket.getaddrinfo(address, 0, type=socket.SOCK_DGRAM)
    except OSError:
        return False
    for family, kind, protocol, _, target in found:
        try:
            with socket.socket(family, kind, protocol) as probe:
                probe.bind(target)
                return True
        except OSError:
            continue
    return False


def free_port() -> int:
    """Return a TCP port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
