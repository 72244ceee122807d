"""What systemd hands to a service and hears from it: the listening socket, READY, WATCHDOG. Standard library, no
behaviour of its own.
"""

from __future__ import annotations

import socket
from collections.abc import MutableMapping
from dataclasses import dataclass

_FIRST_PASSED_DESCRIPTOR = 3
_RECEIVE_SECONDS = 10.0
_MOST_SOCKETS = 8
_KEEPER = "D8_LISTEN_SOCKET"
_OURS = (_KEEPER, "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


@dataclass(frozen=True)
class SystemdLink:
    """How this process hangs on systemd; all of it empty where it was started by hand."""

    passed_sockets: int = 0
    keeper_socket: str | None = None  # where a container's keeper hands systemd's sockets on
    notify_address: str | None = None
    watchdog_seconds: float | None = None

    def notify(self, message: str) -> None:
        """Given a message of sd_notify(3), such as READY=1, send it; without systemd, do nothing."""
        if self.notify_address is None:
            return
        address = "\0" + self.notify_address[1:] if self.notify_address.startswith("@") else self.notify_address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as datagram:
            datagram.sendto(message.encode(), address)

    def sockets(self) -> list[socket.socket]:
        """The listening sockets that systemd passed, not to be inherited by any child. Raises OSError when the keeper
        of our container does not answer.
        """
        descriptors = list(range(_FIRST_PASSED_DESCRIPTOR, _FIRST_PASSED_DESCRIPTOR + self.passed_sockets))
        if self.keeper_socket is not None:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as keeper:
                keeper.settimeout(_RECEIVE_SECONDS)
                keeper.connect(self.keeper_socket)
                descriptors = socket.recv_fds(keeper, 16, _MOST_SOCKETS)[1]
        passed = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        for one in passed:
            one.set_inheritable(False)
        return passed


def take_systemd_link(environment: MutableMapping[str, str], process_id: int) -> SystemdLink:
    """Given the environment and this process's id, return the link and remove it from the environment, so that no
    child uses it.
    """
    values = {name: environment.pop(name, "") for name in _OURS}
    is_for_us = values["LISTEN_PID"] == str(process_id)
    is_watched = values["WATCHDOG_USEC"].isdigit() and values["WATCHDOG_PID"] in ("", str(process_id))
    return SystemdLink(
        passed_sockets=int(values["LISTEN_FDS"]) if is_for_us and values["LISTEN_FDS"].isdigit() else 0,
        keeper_socket=values[_KEEPER] or None,
        notify_address=values["NOTIFY_SOCKET"] or None,
        watchdog_seconds=int(values["WATCHDOG_USEC"]) / 1_000_000 if is_watched else None,
    )
