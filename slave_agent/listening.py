"""Getting the agent's listening socket: systemd's if it was passed, else our own, patiently. What comes in is
door.py's business.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from dataclasses import dataclass

from slave_agent.errors import ListenError

BUSY_PATIENCE_SECONDS = 20.0
_PAUSE_SECONDS = 0.25
_BACKLOG = 512


@dataclass(frozen=True)
class ListenAddress:
    """An address and a port to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_listen_address(text: str) -> ListenAddress:
    """Given HOST:PORT or [IPV6]:PORT, return the address. Raises ListenError if it is neither."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdigit() or not 0 <= int(port) <= 65535:
        raise ListenError(
            f"{text!r} is not an address to listen on", "Write HOST:PORT, such as 127.0.0.1:7600 or [::1]:7600."
        )
    return ListenAddress(host, int(port))


def bind(
    address: ListenAddress,
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
    owner_of: Callable[[int], str],
) -> socket.socket:
    """Given an address, return a socket that listens there, waiting up to 20 s for a port that is taken.

    `owner_of` names who has a port, for the message. Raises ListenError: still taken, or not an address of this
    machine.
    """
    give_up = monotonic() + BUSY_PATIENCE_SECONDS
    while True:
        try:
            return _listen(address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise ListenError(
                    f"can't listen on {address}: {error.strerror}", "Look at bind and port in the settings."
                ) from error
            if monotonic() >= give_up:
                hint = f"Stop that process (sudo ss -ltnp 'sport = :{address.port}' names it), or choose another port."
                raise ListenError(f"port {address.port} is taken by {owner_of(address.port)}", hint) from error
        sleep(_PAUSE_SECONDS)


def _listen(address: ListenAddress) -> socket.socket:
    is_ipv6 = ":" in address.host
    family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
    is_every_address = address.host == "::" and socket.has_dualstack_ipv6()
    return socket.create_server(
        (address.host, address.port), family=family, backlog=_BACKLOG, dualstack_ipv6=is_every_address
    )
