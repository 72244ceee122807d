"""Tells how a build goes: to whoever watches, and into its log. Decides nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from d8.build.build_log import BuildLog
from d8.build.events import Notice, Observer, StepEnded, StepName, StepStarted
from d8.errors import D8Error
from d8.messages import Message, message

TITLES: dict[StepName, Message] = {
    StepName.CONNECTIVITY: message("Connectivity"),
    StepName.PREFLIGHT: message("What the host offers"),
    StepName.PREREQUISITES: message("Prerequisites"),
    StepName.SOURCE: message("Source"),
    StepName.STRATEGY: message("Installing the agent"),
    StepName.ACTIVATION: message("Activation and trial run"),
    StepName.HANDOVER: message("Handover of the port"),
    StepName.REGISTER: message("Registration"),
}


@dataclass
class Step:
    """A step in progress; whoever runs it leaves its one-line outcome here."""

    outcome: Message = field(default_factory=lambda: message(""))


class Progress:
    """The steps and notices of one build. Given who watches and the log."""

    def __init__(self, observer: Observer, log: BuildLog, clock: Callable[[], float] = time.monotonic) -> None:
        self.observer = observer
        self.log = log
        self._clock = clock

    def tell(self, text: Message) -> None:
        """Given something worth knowing, show it and keep it."""
        self._notice(text, is_warning=False)

    def warn(self, text: Message) -> None:
        """Given something that the operator should act on, show it and keep it."""
        self._notice(text, is_warning=True)

    @contextmanager
    def step(self, name: StepName) -> Iterator[Step]:
        """Announce a step, and at its end say how it went."""
        self.log.step = name
        self.observer(StepStarted(name, TITLES[name]))
        step, started = Step(), self._clock()
        try:
            yield step
        except BaseException as error:
            reason = error.message if isinstance(error, D8Error) else message("interrupted")
            self._end(name, False, reason, self._clock() - started)
            raise
        self._end(name, True, step.outcome, self._clock() - started)

    def _end(self, name: StepName, ok: bool, outcome: Message, seconds: float) -> None:
        self.log.step = None
        self.observer(StepEnded(name, ok, outcome, seconds))
        entry = {"step": name, "success": ok, "outcome": str(outcome), "duration_seconds": round(seconds, 3)}
        self.log.add("steps", entry)

    def _notice(self, text: Message, is_warning: bool) -> None:
        self.observer(Notice(text, is_warning))
        self.log.add("notices", {"text": str(text), "warning": is_warning})
