"""Option 8: the requests to people: list, look at one with its log, send what waits, close. Also sends on the way."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from d8.actions.builds import read_log
from d8.actions.workplace import Workplace
from d8.errors import D8Error, ExitCode
from d8.models import HumanRequest, RequestStatus
from d8.settings import Settings

SHOWN_COMMANDS = 3
SHOWN_CHARACTERS = 2000  # of each stream of a failed command


@dataclass(frozen=True)
class RequestDetail:
    """One request, and of its log the error and the last commands that failed; `log` is None when it is gone."""

    request: HumanRequest
    log: dict[str, Any] | None

    def as_json(self) -> dict[str, Any]:
        """Return the object of `requests ID --json`."""
        return {"request": self.request.as_json(), "log": self.log}


def list_requests(workplace: Workplace) -> list[HumanRequest]:
    """Return every request, open ones first, newest first."""
    return workplace.registry.requests.all()


def show_request(workplace: Workplace, number: int) -> RequestDetail:
    """Given a request's number, return it with an excerpt of its log. Raises UsageError for an unknown one."""
    request = workplace.registry.requests.get(number)
    try:
        return RequestDetail(request, excerpt(read_log(request.log_file)))
    except D8Error:
        return RequestDetail(request, None)


def excerpt(document: dict[str, Any]) -> dict[str, Any]:
    """Given a build log's object, return what tells most: the error, the last failed commands, the cause. Pure."""
    failed = [command for command in document.get("commands", []) if not command.get("success")]
    shortened = [
        {
            **command,
            "stdout": str(command.get("stdout", ""))[-SHOWN_CHARACTERS:],
            "stderr": str(command.get("stderr", ""))[-SHOWN_CHARACTERS:],
        }
        for command in failed[-SHOWN_COMMANDS:]
    ]
    return {"error": document.get("error"), "diagnosis": document.get("diagnosis"), "failed_commands": shortened}


def send_requests(workplace: Workplace) -> list[HumanRequest]:
    """Send every request that waits; return them as they stand afterwards."""
    from d8.congress.congress import congress_of

    return congress_of(workplace.settings, workplace.registry).deliver_all()


def close_request(workplace: Workplace, number: int) -> HumanRequest:
    """Given a request's number, close it. Raises UsageError for an unknown one."""
    from d8.congress.congress import BY_THE_OPERATOR

    return workplace.registry.requests.close(number, BY_THE_OPERATOR, datetime.now(UTC))


def sending_exit_code(sent: list[HumanRequest]) -> ExitCode:
    """Given requests after they were sent, return the exit code: failed when one still waits. Pure."""
    return ExitCode.FAILED if any(one.status is RequestStatus.PENDING for one in sent) else ExitCode.DONE


def send_on_the_way(workplace: Workplace) -> None:
    """After a command's own work: send what is due, in a hurry. Nothing that fails here concerns that command; the
    request waits for the next one."""
    if not workplace.settings.telegram_bot_token:
        return
    from d8.congress.congress import congress_of

    with suppress(Exception, KeyboardInterrupt):
        congress_of(workplace.settings, workplace.registry, is_hurried=True).deliver_due()


def send_in_background(settings: Settings) -> threading.Thread:
    """The same beside the menu, with a registry of its own; return the thread that does it."""

    def send() -> None:
        workplace = Workplace(settings)
        try:
            send_on_the_way(workplace)
        finally:
            workplace.close()

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    return thread
