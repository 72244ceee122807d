"""Which Host and Origin headers are let in (against DNS rebinding and cross-site requests). Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection

_PORT = re.compile(r":[0-9]{1,5}\Z")


def names_allowed(hostname: str, configured: Collection[str]) -> frozenset[str]:
    """Given this machine's name and the configured ones, return every name that may stand in Host, in lower case."""
    short = hostname.partition(".")[0]
    return frozenset(name.lower() for name in (hostname, short, f"{short}.local", "localhost", *configured) if name)


def is_host_allowed(host: str, names: Collection[str]) -> bool:
    """Given a Host header, return whether it is an IP literal or one of the names. A page that was rebound by DNS
    brings its own name.
    """
    if host.startswith("["):
        literal, bracket, rest = host[1:].partition("]")
        return bool(bracket) and (not rest or bool(_PORT.match(rest))) and _is_address(literal, 6)
    name = _PORT.sub("", host)
    return _is_address(name, 4) or name.lower().removesuffix(".") in names


def is_origin_own(origin: str, scheme: str, host: str) -> bool:
    """Given an Origin header, the scheme served and the (allowed) Host header, return whether the page came from this
    very server.
    """
    return origin.lower() == f"{scheme}://{host}".lower()


def _is_address(text: str, version: int) -> bool:
    try:
        return "%" not in text and ipaddress.ip_address(text).version == version
    except ValueError:
        return False
