"""The command `requests`: what waits for a person, and what the operator does about it."""

from __future__ import annotations

from d8.actions.requests import close_request, list_requests, send_requests, sending_exit_code, show_request
from d8.cli.run import Run
from d8.errors import ExitCode, UsageError
from d8.menu.views.requests import draw_closed, draw_request, draw_requests, draw_sent


def answer_requests(run: Run, number: int | None, is_sending: bool, closed: int | None) -> ExitCode:
    """Given a request to show, or that all are to be sent, or one to close, do that; without any, list them."""
    if sum((number is not None, is_sending, closed is not None)) > 1:
        raise UsageError("requests takes one of ID, --send and --close ID", "start_d8.py requests lists them.")
    if is_sending:
        sent = send_requests(run.workplace)
        run.answer({"requests": [one.as_json() for one in sent]}, lambda screen: draw_sent(screen, sent))
        return sending_exit_code(sent)
    if closed is not None:
        request = close_request(run.workplace, closed)
        run.answer({"request": request.as_json()}, lambda screen: draw_closed(screen, request))
    elif number is not None:
        detail = show_request(run.workplace, number)
        run.answer(detail.as_json(), lambda screen: draw_request(screen, detail))
    else:
        known = list_requests(run.workplace)
        run.answer({"requests": [one.as_json() for one in known]}, lambda screen: draw_requests(screen, known))
    return ExitCode.DONE
