"""How wrong tokens are slowed, by address. Pure: it never sleeps, and it never hears of right tokens, so none is
locked out.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict, deque
from collections.abc import Callable

GUESSES_ALLOWED = 10
WINDOW_SECONDS = 60.0
ADDRESSES_REMEMBERED = 1000


def guesser(address: str) -> str:
    """Given a client's address, return who counts as one guesser: the IPv4 address, or the IPv6 /64 (one subscriber
    has that many).
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


class GuessThrottle:
    """Remembers the latest wrong guesses of a bounded number of addresses. Given a clock in seconds that never goes
    back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._guesses: OrderedDict[str, deque[float]] = OrderedDict()

    def record_wrong(self, address: str) -> int | None:
        """Given the address of a wrong guess, return None while it is within the limit, else after how many whole
        seconds to come back.
        """
        now = self._clock()
        name = guesser(address)
        times = self._guesses.setdefault(name, deque(maxlen=GUESSES_ALLOWED))
        self._guesses.move_to_end(name)
        if len(self._guesses) > ADDRESSES_REMEMBERED:
            self._guesses.popitem(last=False)
        if len(times) == GUESSES_ALLOWED and now - times[0] < WINDOW_SECONDS:
            return max(1, math.ceil(WINDOW_SECONDS - (now - times[0])))
        times.append(now)
        return None

    def __len__(self) -> int:
        return len(self._guesses)
