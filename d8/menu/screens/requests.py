"""Option 8: the requests to people, one of them with its log, and what to do with it."""

from __future__ import annotations

from d8.actions.requests import close_request, list_requests, send_requests, show_request
from d8.menu.conversation import Conversation
from d8.menu.prompts import Choice
from d8.menu.views.requests import draw_closed, draw_request, draw_requests, draw_sent
from d8.messages import message
from d8.models import RequestStatus


def run(conversation: Conversation) -> None:
    """Show the list, offer the details of one; it may be sent if it waits, and closed."""
    screen, prompts, workplace = conversation.screen, conversation.prompts, conversation.workplace
    requests = list_requests(workplace)
    draw_requests(screen, requests)
    if not requests:
        return
    lines = [Choice(one.id, f"{one.slave_id}  {one.updated.astimezone():%Y-%m-%d %H:%M}") for one in requests]
    number = conversation.choose(message("Details of which request?"), lines)
    detail = show_request(workplace, number)
    draw_request(screen, detail)
    if detail.request.status is RequestStatus.CLOSED:
        return
    is_pending = detail.request.status is RequestStatus.PENDING
    if is_pending and prompts.confirm(message("Send everything that waits now?")):
        draw_sent(screen, send_requests(workplace))
    if prompts.confirm(message("Is it settled, so that request {number} can be closed?", number=number)):
        draw_closed(screen, close_request(workplace, number))
