"""Whether an app could listen on a port of this host now."""

from __future__ import annotations

import errno
import socket
from typing import Any, Optional

from slave_agent.systemd.document_rules import FieldProblem


def port_problem(host: Optional[str], port: int) -> Optional[FieldProblem]:
    """Given an address or name (None: every address) and a port, return why nobody could listen there, or None.

    Nothing is kept open. Whoever runs this is whom the answer is for.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        return _no_address(host)
    ends = [_bind(family, address) for family, _, _, _, address in found]
    if errno.EADDRINUSE in ends:
        return FieldProblem("port", f"port {port} is in use", f"See who has it: sudo ss -ltnp 'sport = :{port}'")
    if errno.EACCES in ends:
        hint = f"Choose one from 1024 on, and have a web server or the firewall pass {port} on to it."
        return FieldProblem("port", f"port {port} is one that only root may listen on", hint)
    return None if 0 in ends else _no_address(host)  # some hosts have no IPv6


def _no_address(host: Optional[str]) -> FieldProblem:
    return FieldProblem("host", f"{host} is no address of this host", "Look at: ip address")


def _bind(family: int, address: Any) -> int:
    """Return the number of the error that listening there ends in, 0 for none."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(address)
            listener.listen(1)
    except OSError as problem:
        return problem.errno or errno.EIO
    return 0
