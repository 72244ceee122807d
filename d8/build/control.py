"""How a build is stopped from outside: an order that it notices between two requests, never in the middle of one."""

from __future__ import annotations

import threading
from enum import StrEnum

UPLOADS_AT_ONCE = 4


class Wish(StrEnum):
    """What the operator wants of a running build: end it on the slave too, or leave the slave working and go."""

    CANCEL = "cancel"
    DETACH = "detach"


class Stopped(BaseException):
    """An order, not an error: it passes by every handler of errors. Given the wish."""

    def __init__(self, wish: Wish) -> None:
        super().__init__(wish.value)
        self.wish = wish


class Orders:
    """What the builds of one command share: the operator's wish, and how many may upload at the same time."""

    def __init__(self, uploads_at_once: int = UPLOADS_AT_ONCE) -> None:
        self.uploads = threading.BoundedSemaphore(uploads_at_once)
        self._changed = threading.Condition()
        self._wish: Wish | None = None

    @property
    def wish(self) -> Wish | None:
        """The wish so far; None: go on."""
        return self._wish

    def give(self, wish: Wish) -> None:
        """Given a wish, let every build know. From any thread."""
        with self._changed:
            self._wish = wish
            self._changed.notify_all()

    def wait(self, seconds: float, accepted: Wish | None) -> Wish | None:
        """Wait up to that many seconds for a wish other than the accepted one; return it, or None."""
        with self._changed:
            self._changed.wait_for(lambda: self._wish not in (None, accepted), seconds)
            return self._wish if self._wish != accepted else None


class Control:
    """One build's ear for the orders. Given them."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self._accepted: Wish | None = None

    def check(self) -> None:
        """Raises Stopped when there is an order that this build has not accepted yet."""
        self.sleep(0)

    def sleep(self, seconds: float) -> None:
        """Given seconds, wait them. Raises Stopped as soon as there is an order."""
        wish = self.orders.wait(seconds, self._accepted)
        if wish is not None:
            raise Stopped(wish)

    def accept(self, wish: Wish) -> None:
        """Given the order that is being carried out, let the work that follows from it go on undisturbed by it."""
        self._accepted = wish
