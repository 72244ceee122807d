"""How requests to people look, and how a failed build points to its cause."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.text import Text

from d8.actions.requests import RequestDetail
from d8.menu.views.printable import printable, printable_lines
from d8.menu.views.screen import Screen
from d8.messages import Message, message
from d8.models import Diagnosis, HumanRequest, RequestStatus

LONGEST_OUTPUT_LINES = 12
WORDS = {
    RequestStatus.PENDING: (message("waits to be sent"), "warn"),
    RequestStatus.SENT: (message("told by Telegram"), "ok"),
    RequestStatus.CLOSED: (message("closed"), "note"),
    RequestStatus.UNKNOWN: (message("unknown"), "bad"),
}
CLOSED_BY = {"build": message("by a build that worked"), "operator": message("by the operator")}


def draw_diagnosis(screen: Screen, diagnosis: Diagnosis) -> None:
    """Given a likely cause, show it with what to do and where to read on."""
    screen.facts(
        [
            (message("Likely cause"), screen.text(diagnosis.cause)),
            (message("What to do"), screen.text(diagnosis.advice)),
            (message("Read on"), diagnosis.doc),
        ]
    )


def draw_escalation(screen: Screen, request: HumanRequest) -> None:
    """Given the request that a failed build led to, say who knows of it."""
    values = {"number": request.id, "count": request.failures}
    if request.failures > 1:
        screen.note(message("Request {number} was brought up to date: failure {count} of this slave.", **values))
    else:
        screen.note(message("Request {number} to a person was stored (option 8).", **values))
    if request.status is RequestStatus.SENT:
        screen.good(message("Telegram was told on {moment}.", moment=_moment(request.notified)))
    elif request.reason:
        screen.warn(message("Telegram was not told yet: {reason}", reason=request.reason))


def draw_requests(screen: Screen, requests: Sequence[HumanRequest]) -> None:
    """Given the requests, show one line each."""
    if not requests:
        screen.say(message("No requests: nothing waits for a person."))
        return
    headings = [message("Request"), message("Slave"), message("State"), message("Failures"), message("Last")]
    rows: list[list[Text | str]] = [
        [str(one.id), one.slave_id, _word(screen, one), str(one.failures), _moment(one.updated)] for one in requests
    ]
    screen.table(headings, rows, 1)


def draw_request(screen: Screen, detail: RequestDetail) -> None:
    """Given a request and the excerpt of its log, show all of it."""
    request = detail.request
    screen.title(Message("{title}", {"title": request.title}))
    rows: list[tuple[Message, Text | str]] = [
        (message("Request"), str(request.id)),
        (message("State"), _word(screen, request)),
        (message("Failures"), f"{request.failures}"),
        (message("First"), _moment(request.created)),
        (message("Last"), _moment(request.updated)),
        (message("Told on"), _moment(request.notified)),
        (message("Log"), str(request.log_file)),
    ]
    if request.reason:
        rows.insert(2, (message("Not told because"), request.reason))
    if request.closed:
        by = CLOSED_BY.get(request.closed_by or "", message("unknown"))
        rows.insert(2, (message("Closed"), Text.assemble(f"{_moment(request.closed)} ", screen.text(by))))
    screen.facts(rows)
    screen.gap()
    for line in printable_lines(request.description):
        screen.draw(Text(line), indent=2)
    screen.gap()
    draw_excerpt(screen, detail.log, request.log_file)


def draw_excerpt(screen: Screen, log: dict[str, Any] | None, log_file: Path) -> None:
    """Given the last failed commands of a build, show the end of what they printed."""
    if log is None:
        screen.warn(message("the log {path} can't be read any more", path=log_file))
        return
    for command in log["failed_commands"]:
        first = (str(command.get("command", "")).strip().splitlines() or [""])[0]
        line = Text.assemble((f"{screen.marks.bad} ", "bad"), printable(first))
        line.truncate(max(20, screen.console.width - 6), overflow="ellipsis")
        screen.draw(line)
        output = f"{command['stdout']}\n{command['stderr']}".strip().splitlines()
        for text in output[-LONGEST_OUTPUT_LINES:]:
            screen.draw(Text(f"  {screen.marks.bar} {printable(text)}", style="note"))


def draw_sent(screen: Screen, requests: Sequence[HumanRequest]) -> None:
    """Given requests after they were sent, say what became of each."""
    if not requests:
        screen.say(message("No request waits to be sent."))
    for one in requests:
        if one.status is RequestStatus.SENT:
            screen.good(message("Request {number}: Telegram was told", number=one.id))
        else:
            text = message("Request {number} still waits: {reason}", number=one.id, reason=one.reason or "-")
            screen.error(text)


def draw_closed(screen: Screen, request: HumanRequest) -> None:
    """Given a request that was closed, say so."""
    screen.good(message("Request {number} is closed", number=request.id))


def _word(screen: Screen, request: HumanRequest) -> Text:
    return screen.text(*WORDS[request.status])


def _moment(moment: datetime | None) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}" if moment else "-"
