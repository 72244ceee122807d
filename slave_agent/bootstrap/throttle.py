"""How often one address may guess a token. Counts only; who is asked, and what is answered, is decided elsewhere."""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict

WINDOW_SECONDS = 60.0
GUESSES_PER_WINDOW = 10
REMEMBERED_ADDRESSES = 4096


def network_of(address: str) -> str:
    """Return what counts as one guesser: an IPv4 address, or the /64 of an IPv6 address (one machine owns all
    of it).
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


class GuessThrottle:
    """Wrong guesses by address within the last minute. Old addresses are forgotten first when there are too many."""

    def __init__(self) -> None:
        self._guesses: OrderedDict[str, list[float]] = OrderedDict()
        self._lock = threading.Lock()

    def count_wrong(self, address: str, now: float) -> float | None:
        """Count a wrong token at `now` (seconds). Return None while that is fine, else the seconds to wait."""
        network = network_of(address)
        with self._lock:
            recent = [moment for moment in self._guesses.pop(network, []) if moment > now - WINDOW_SECONDS]
            self._guesses[network] = recent
            if len(self._guesses) > REMEMBERED_ADDRESSES:
                self._guesses.popitem(last=False)
            if len(recent) >= GUESSES_PER_WINDOW:
                return recent[0] + WINDOW_SECONDS - now
            recent.append(now)
            return None
