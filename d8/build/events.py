"""What a build tells whoever watches it. Texts are masked already; drawing them is the menu's business."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from d8.messages import Message


class StepName(StrEnum):
    """The steps of a build, in their order; the last one is register or escalate."""

    CONNECTIVITY = "connectivity"
    PREFLIGHT = "preflight"
    PREREQUISITES = "prerequisites"
    SOURCE = "source"
    STRATEGY = "strategy"
    ACTIVATION = "activation"
    HANDOVER = "handover"
    REGISTER = "register"


@dataclass(frozen=True)
class StepStarted:
    """A step begins; `title` says in the operator's words what it does."""

    step: StepName
    title: Message


@dataclass(frozen=True)
class StepEnded:
    """A step is over; `outcome` is one line, such as what was found or why it failed."""

    step: StepName
    ok: bool
    outcome: Message
    duration_seconds: float


@dataclass(frozen=True)
class CommandStarted:
    """A command was sent to the slave (masked); `purpose` says in a few words what it is for, where that is known."""

    command: str
    purpose: Message | None = None


@dataclass(frozen=True)
class OutputLine:
    """One line that the running command printed (masked, control characters included)."""

    text: str


@dataclass(frozen=True)
class Notice:
    """Something the operator should read: a skipped strategy, a retry, a warning."""

    message: Message
    is_warning: bool = False


BuildEvent = StepStarted | StepEnded | CommandStarted | OutputLine | Notice
Observer = Callable[[BuildEvent], None]
