"""Option 15: every slave on the master's release. A canary first, then the others, stopped at the wanted failures."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from platformdirs import user_cache_path

from d8.actions.fan_out import fan_out
from d8.actions.unexpected import unexpected
from d8.actions.workplace import Workplace
from d8.build.release_bundle import ReleaseBundles
from d8.build.update import SlaveUpdate, Tell, Tools
from d8.build.wheels import WheelCache
from d8.errors import D8Error, ExitCode
from d8.messages import NOTHING, Message, message
from d8.models import Slave
from d8.source import master_commit

AT_ONCE = 4
MAX_FAILURES = 1


class UpdateState(StrEnum):
    """How the update of one slave ended."""

    UPDATED = "updated"
    ALREADY = "already"
    FAILED = "failed"
    NOT_BEGUN = "not_begun"


@dataclass(frozen=True)
class UpdateOutcome:
    """One slave after an update or a rollback; `error` and `hint` say why it failed."""

    slave: Slave
    state: UpdateState
    commit: str | None = None
    error: Message = NOTHING
    hint: Message = NOTHING
    exit_code: ExitCode = ExitCode.DONE
    was_begun: bool = True

    def as_json(self) -> dict[str, Any]:
        """Return this slave's object in `update --json`."""
        return {
            "slave_id": self.slave.slave_id,
            "state": self.state.value,
            "before": self.slave.commit,
            "commit": self.commit,
            "error": str(self.error) or None,
            "hint": str(self.hint) or None,
        }


def update_slaves(
    workplace: Workplace,
    slaves: Sequence[Slave],
    tell: Tell,
    max_failures: int = MAX_FAILURES,
    at_once: int = AT_ONCE,
) -> list[UpdateOutcome]:
    """Given slaves, bring each to the master's commit and return how it went, in their order.

    The first one that needs it and answers goes alone; if it fails, no other is begun. Of the rest, none is begun once
    `max_failures` have failed; those that have begun go on to their end. A slave that was never reached counts as no
    failure of the release. Raises BuildFailed outside a git checkout.
    """
    bundles = ReleaseBundles(master_commit(), workplace.settings, WheelCache(user_cache_path("d8") / "wheels"))
    tools = Tools(workplace.settings, workplace.registry, tell)
    failed = _Failures()

    def update(slave: Slave, limit: int) -> UpdateOutcome:
        if failed.count >= limit:
            return UpdateOutcome(slave, UpdateState.NOT_BEGUN)
        with workplace.registry.recording("update", slave.slave_id) as deed:
            outcome = _update(slave, tools, bundles)
            deed.result = f"{outcome.state}: {outcome.error}".rstrip(": ")
        if outcome.state is UpdateState.FAILED and outcome.was_begun:
            failed.add()
        return outcome

    outcomes: list[UpdateOutcome] = []
    for slave in slaves:
        outcomes.append(update(slave, 1))
        if outcomes[-1].was_begun:
            break
    limit = 1 if failed.count else max(1, max_failures)
    return outcomes + fan_out(lambda slave: update(slave, limit), slaves[len(outcomes) :], at_once)


def roll_back_slave(workplace: Workplace, slave: Slave, tell: Tell) -> UpdateOutcome:
    """Given a slave, let the release before its present one run again. Raises D8Error."""
    tools = Tools(workplace.settings, workplace.registry, tell)
    with workplace.registry.recording("rollback", slave.slave_id) as deed:
        _before, commit = SlaveUpdate(slave, tools).roll_back()
        deed.result = commit
    return UpdateOutcome(slave, UpdateState.UPDATED, commit)


def update_exit_code(outcomes: Sequence[UpdateOutcome]) -> ExitCode:
    """Given how all went, return the exit code: 5 when some were updated and others not. Pure."""
    wrong = [one for one in outcomes if one.state in (UpdateState.FAILED, UpdateState.NOT_BEGUN)]
    if not wrong:
        return ExitCode.DONE
    if len(wrong) < len(outcomes):
        return ExitCode.PARTLY_DONE
    return wrong[0].exit_code if len(outcomes) == 1 else ExitCode.FAILED


class _Failures:
    """How many have failed so far, counted by several threads."""

    def __init__(self) -> None:
        self.count = 0
        self._lock = threading.Lock()

    def add(self) -> None:
        with self._lock:
            self.count += 1


def _update(slave: Slave, tools: Tools, bundles: ReleaseBundles) -> UpdateOutcome:
    one, commit = SlaveUpdate(slave, tools), bundles.commit.hash
    try:
        state = UpdateState.UPDATED if one.update(bundles) else UpdateState.ALREADY
        return UpdateOutcome(slave, state, commit, was_begun=one.has_begun)
    except D8Error as error:
        ended = (UpdateState.FAILED, None, error.message, error.hint, error.exit_code)
    except KeyboardInterrupt:
        if one.has_begun:
            tools.tell(slave, message("interrupted: it stays on its release, or goes back to it by itself; see status"))
        raise
    except Exception as error:  # a bug with one slave must not take the others' results with it
        ended = (UpdateState.FAILED, None, unexpected(error), NOTHING, ExitCode.FAILED)
    return UpdateOutcome(slave, *ended, one.has_begun)
