"""Texts for people that are translated where they are shown, not where they are made. Logs and JSON stay English."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Translate = Callable[[str], str]


@dataclass(frozen=True)
class Message:
    """An English template, which is also the key of its translation, and the values that go into its {names}.

    A value may be a message itself, or a list of them; they are translated with the whole.
    """

    template: str
    values: Mapping[str, object] = field(default_factory=dict)

    def text(self, translate: Translate = str) -> str:
        """Given a translation (none: English), return the finished text."""
        template = translate(self.template) if self.template else ""
        values = {name: _shown(value, translate) for name, value in self.values.items()}
        return template.format(**values) if values else template

    def as_json(self) -> dict[str, Any]:
        """Return what `read_message` makes this message of again, so that it can still be translated later."""
        return {"template": self.template, "values": {name: _stored(value) for name, value in self.values.items()}}

    def __str__(self) -> str:
        return self.text()

    def __bool__(self) -> bool:
        return bool(self.template)


def _shown(value: object, translate: Translate) -> object:
    if isinstance(value, Message):
        return value.text(translate)
    if isinstance(value, list):
        return "; ".join(str(_shown(item, translate)) for item in value)
    return value


def _stored(value: object) -> object:
    if isinstance(value, Message):
        return value.as_json()
    if isinstance(value, list):
        return [_stored(item) for item in value]
    return value if isinstance(value, int | float) else str(value)


def read_message(document: dict[str, Any]) -> Message:
    """Given what `as_json` made, return the message."""
    return Message(document["template"], {name: _revived(value) for name, value in document["values"].items()})


def _revived(value: object) -> object:
    if isinstance(value, dict):
        return read_message(value)
    return [_revived(item) for item in value] if isinstance(value, list) else value


NOTHING = Message("")  # where there is nothing to say


def message(template: str, **values: object) -> Message:
    """Given an English template and its values, return the message."""
    return Message(template, values)
