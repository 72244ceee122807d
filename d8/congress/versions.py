"""Slaves on another release than the master's, as one request to a person: told once, closed when all are the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from d8.congress.congress import Congress
from d8.congress.human_request import VERSION_MISMATCH
from d8.locale import translation
from d8.messages import Message, message
from d8.models import HumanRequest, Priority

FLEET = "fleet"  # the request is about all of them: a hundred slaves behind are one incident, not a hundred
BY_AN_UPDATE = "update"


@dataclass(frozen=True)
class Behind:
    """A slave that runs another commit than the master's; `answers` is False where that is only what was known last."""

    slave_id: str
    commit: str
    answers: bool


def watch_versions(congress: Congress, behind: Sequence[Behind], commit: str) -> HumanRequest | None:
    """Given who is behind and the master's commit, open the fleet's request, or close it; return a new one.

    A slave that does not answer opens none, but while it is known to be behind the incident is not over.
    """
    requests = congress.registry.requests
    is_open = any(one.slave_id == FLEET and one.closed is None for one in requests.all())
    if not behind and is_open:
        requests.close_for(FLEET, BY_AN_UPDATE, congress.clock())
    if is_open or not any(one.answers for one in behind):
        return None
    return requests.report(_compose(congress, behind, commit))


def _compose(congress: Congress, behind: Sequence[Behind], commit: str) -> HumanRequest:
    translate, now = translation(congress.settings.language), congress.clock()
    lines: list[Message] = [message("The master runs commit {commit}; other commits run on:", commit=commit[:10])]
    lines += [message("{slave}: {commit}", slave=one.slave_id, commit=one.commit[:10]) for one in behind]
    lines.append(message("What to do: start_d8.py update --all (option 15)"))
    return HumanRequest(
        slave_id=FLEET,
        title=message("Slaves run different releases").text(translate),
        description="\n".join(line.text(translate) for line in lines),
        cause=VERSION_MISMATCH,
        log_file=congress.settings.data_dir / "build_logs",
        created=now,
        updated=now,
        priority=Priority.NORMAL,
    )
