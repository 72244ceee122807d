"""What removing a slave takes away besides its agent: its apps."""

from __future__ import annotations

from collections.abc import Sequence

from d8.actions.apps import list_apps
from d8.actions.workplace import Workplace
from d8.errors import D8Error
from d8.messages import Message, message

MOST_NAMES = 8  # a question is read, not scrolled


def apps_to_lose(workplace: Workplace, slave_name: str) -> tuple[str, ...]:
    """Given a slave's name, return the apps that go with its agent; none where it can't be asked."""
    try:
        return tuple(app.name for app in list_apps(workplace, slave_name).apps)
    except D8Error:
        return ()


def removal_question(slave_id: str, apps: Sequence[str]) -> Message:
    """Given a slave and the names of its apps, return what the operator has to agree to. Pure."""
    if not apps:
        return message("Uninstall the agent on {slave} and forget the slave?", slave=slave_id)
    return message(
        "Uninstall the agent on {slave} with its apps ({count}: {apps}), and forget the slave?",
        slave=slave_id,
        count=len(apps),
        apps=", ".join([*apps[:MOST_NAMES], *(["..."] if len(apps) > MOST_NAMES else [])]),
    )
