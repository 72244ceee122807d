from __future__ import annotations

import pytest

from slave_agent.host_rules import is_host_allowed, is_origin_own, names_allowed

NAMES = names_allowed("pi4.home.lan", ["slave.example.org"])


@pytest.mark.parametrize(
    "host",
    [
        "192.168.4.25",
        "192.168.4.25:7600",
        "[::1]",
        "[fd00::2]:7600",
        "localhost:7600",
        "PI4",
        "pi4.local:7600",
        "pi4.home.lan",
        "slave.example.org.",
        "127.0.0.1:1",
    ],
)
def test_own_names_and_addresses_are_let_in(host: str) -> None:
    assert is_host_allowed(host, NAMES)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:7600",
        "192.168.4.25.evil.example",
        "localhost.evil.example",
        "evil-pi4",
        "pi4:port",
        "[::1",
        "[::1]x",
        "[evil]",
        "::1",
        "192.168.4.25@evil.example",
        "192.168.4.256",
        "0x7f.1",
        "127.1",
        "[fe80::1%eth0]",
        "pi4 ",
        "192.168.4.25:123456",
    ],
)
def test_every_other_host_is_refused(host: str) -> None:
    assert not is_host_allowed(host, NAMES)


@pytest.mark.parametrize(
    ("origin", "is_own"),
    [
        ("https://192.168.4.25:7600", True),
        ("HTTPS://192.168.4.25:7600", True),
        ("http://192.168.4.25:7600", False),
        ("https://192.168.4.25", False),
        ("https://192.168.4.25:7600.evil.example", False),
        ("null", False),
        ("", False),
        ("https://evil.example", False),
    ],
)
def test_only_the_very_same_origin_is_own(origin: str, is_own: bool) -> None:
    assert is_origin_own(origin, "https", "192.168.4.25:7600") is is_own
