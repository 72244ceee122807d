"""Who asks, as limits and the audit log see it."""

from __future__ import annotations

from typing import Any

import pytest

from slave_agent.api.exchange import Incoming


@pytest.mark.parametrize(
    ("client", "address"),
    [
        (("192.0.2.7", 1), "192.0.2.7"),
        (("::ffff:192.0.2.7", 1), "192.0.2.7"),  # what a socket for IPv6 and IPv4 says
        (("2001:db8::7", 1), "2001:db8::7"),
        (None, "unknown"),
    ],
)
def test_an_ipv4_client_has_one_address_whatever_the_socket(client: Any, address: str) -> None:
    scope: Any = {"path": "/", "client": client, "headers": [], "query_string": b"", "scheme": "https"}
    assert Incoming(scope, "GET").address == address
