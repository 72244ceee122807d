"""How a slave is addressed and named. Pure.

The rule: `slave-` + the IPv4 address with dashes; for IPv6 `slave-v6-` + the compressed address with dashes; for a name
`slave-` + the name in lower case with everything outside a-z 0-9 as a dash. Another port than the default is appended.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address

from d8.errors import UsageError
from d8.host_names import host_of, ip_of

DEFAULT_PORT = 7600


@dataclass(frozen=True)
class Address:
    """Where a slave listens: an IP address or a host name, and a port."""

    host: str
    port: int = DEFAULT_PORT

    @property
    def url(self) -> str:
        """The host and port as they stand in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return self.url if self.port != DEFAULT_PORT else self.host


def parse_address(text: str, default_port: int = DEFAULT_PORT) -> Address:
    """Given HOST, HOST:PORT, IPv6 or [IPv6]:PORT, return the address. Raises UsageError with a good example."""
    host, port = _split_port(text.strip(), default_port)
    known = host_of(host)
    if known is None:
        raise UsageError(
            "'{text}' is not an address",
            "Give an IP address or a name: 192.168.4.25, pi.local, [fd00::5]:7600.",
            text=text,
        )
    return Address(known, port)


def slave_id_for(address: Address) -> str:
    """Given an address, return the slave's name by the rule above: slave-192-168-4-25."""
    ip = ip_of(address.host)
    if isinstance(ip, IPv6Address):
        name = "slave-v6-" + ip.compressed.replace(":", "-").replace("%", "-")
    else:
        name = "slave-" + re.sub(r"[^a-z0-9]", "-", address.host.lower())
    return name if address.port == DEFAULT_PORT else f"{name}-{address.port}"


def _split_port(text: str, default_port: int) -> tuple[str, int]:
    bracketed = re.fullmatch(r"\[([^\]]+)\](?::(\d{1,5}))?", text)
    plain = re.fullmatch(r"([^:]+):(\d{1,5})", text)
    found = bracketed or plain
    if not found:
        return text, default_port
    port = int(found[2]) if found[2] else default_port
    if not 1 <= port <= 65535:
        raise UsageError("'{text}' names port {port}", "Ports go from 1 to 65535.", text=text, port=port)
    return found[1], port
