"""What counts as a machine's address: an IP address, or a name that the name service could know. Pure."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*\.?\Z")


def ip_of(text: str) -> IPv4Address | IPv6Address | None:
    """Given a text, return the IP address that it is, None when it is none."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def host_of(text: str) -> str | None:
    """Given an IP address or a name, without a port, return its usual form; None when it is neither."""
    address = ip_of(text)
    if address is not None:
        return str(getattr(address, "ipv4_mapped", None) or address)
    if not _NAME.match(text) or re.fullmatch(r"[0-9.]+", text):
        return None
    return text.rstrip(".").lower()
