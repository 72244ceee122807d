"""From a build that failed in all its strategies to a person who knows of it. First stored, then told.

The Congress will one day try remedies before it calls a person; until then it says that it tried none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from d8.congress.human_request import compose, telegram_text
from d8.congress.telegram import Telegram, TelegramFailed, telegram_of
from d8.fleet.registry import Registry
from d8.locale import translation
from d8.masking import Masker
from d8.messages import message
from d8.models import BuildReport, HumanRequest, RequestStatus
from d8.settings import Settings

LEASE = timedelta(seconds=60)  # longer than one delivery takes at most; a killed one is repeated after it
LONGEST_WAIT = timedelta(hours=1)  # between two tries on the way of other commands: the older, the rarer
FIRST_PATIENCE_SECONDS = 5.0
MOST_AT_ONCE = 5  # deliveries made on the way of another command
NOT_SET_UP = message("TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID are not set")
BY_A_BUILD = "build"
BY_THE_OPERATOR = "operator"
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the present moment, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Congress:
    """Where requests are kept, and how people are told. Given settings, registry, bot (None: not set up), clock."""

    settings: Settings
    registry: Registry
    telegram: Telegram | None
    clock: Clock = utc_now

    def escalate(self, report: BuildReport) -> HumanRequest:
        """Given the report of a build whose strategies failed, store the request and tell a person; return it."""
        masker = Masker(self.settings.secrets)
        request = compose(report, self.clock(), translation(self.settings.language), masker)
        stored = self.registry.requests.report(request)
        return self.deliver(stored, FIRST_PATIENCE_SECONDS) if stored.status is RequestStatus.PENDING else stored

    def settle(self, slave_id: str) -> bool:
        """Given a slave that was built, close its open request; return whether there was one."""
        return self.registry.requests.close_for(slave_id, BY_A_BUILD, self.clock())

    def deliver_due(self) -> list[HumanRequest]:
        """Send a few pending requests whose time has come; return them as they stand afterwards. Stops at the first
        one that Telegram does not take: the next would fare no better."""
        if self.telegram is None:
            return []
        now = self.clock()
        due = [one for one in self.pending() if one.next_try is None or one.next_try <= now]
        return self._deliver_all(due[:MOST_AT_ONCE])

    def deliver_all(self) -> list[HumanRequest]:
        """Send every pending request now, but for those that are being sent; return them as they stand afterwards."""
        now = self.clock()
        return self._deliver_all([one for one in self.pending() if not one.is_being_sent(now)])

    def pending(self) -> list[HumanRequest]:
        """Return the requests that no person was told of, oldest first."""
        return [one for one in reversed(self.registry.requests.all()) if one.status is RequestStatus.PENDING]

    def deliver(self, request: HumanRequest, patience_seconds: float = 0.0) -> HumanRequest:
        """Given a pending request, tell a person and mark it; without success it stays pending, with the reason.

        Killed between the two, it is sent a second time later: better twice than never.
        """
        store, now, translate = self.registry.requests, self.clock(), translation(self.settings.language)
        if self.telegram is None:
            store.mark_unsent(request, NOT_SET_UP.text(translate), now)
        elif store.claim(request, now, LEASE):
            try:
                text = telegram_text(request, translate)
                self.telegram.send(Masker(self.settings.secrets).mask(text), patience_seconds)
            except TelegramFailed as failure:
                wait = max(timedelta(seconds=failure.retry_after_seconds), min(LONGEST_WAIT, now - request.updated))
                reason = (
                    message("{problem} ({advice})", problem=failure.message, advice=failure.hint)
                    if failure.hint
                    else failure.message
                )
                store.mark_unsent(request, reason.text(translate), self.clock() + wait)
            else:
                store.mark_sent(request, self.clock())
        return store.get(request.id)

    def _deliver_all(self, requests: list[HumanRequest]) -> list[HumanRequest]:
        delivered = []
        for request in requests:
            delivered.append(self.deliver(request))
            if delivered[-1].status is RequestStatus.PENDING:
                break
        return delivered


def congress_of(settings: Settings, registry: Registry, is_hurried: bool = False) -> Congress:
    """Given the settings and the registry, return the Congress that they make up; a hurried one waits less."""
    return Congress(settings, registry, telegram_of(settings, is_hurried))
