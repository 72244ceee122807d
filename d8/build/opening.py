"""How a build begins: with a log of its own, or with the log of one that was not finished."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from d8.build.build_log import BuildLog
from d8.build.events import StepName
from d8.build.recording import Recording, read_recording
from d8.build.unfinished import UnfinishedBuild
from d8.fleet.names import Address, slave_id_for
from d8.masking import Masker
from d8.messages import Message, message
from d8.source import Commit


@dataclass(frozen=True)
class Opening:
    """The log of a build; what it need not repeat; and an unfinished build of the slave that it does not go on with."""

    log: BuildLog
    recording: Recording = field(default_factory=Recording)
    given_up: UnfinishedBuild | None = None

    @property
    def is_resumed(self) -> bool:
        """Whether this build began under another master process."""
        return bool(self.log.document["resumed"])

    @property
    def is_at_handover(self) -> bool:
        """Whether the last that the earlier master did was to let the port change hands."""
        commands = self.log.document["commands"]
        return self.is_resumed and bool(commands) and commands[-1].get("step") == StepName.HANDOVER


def open_build(
    folder: Path, address: Address, former: UnfinishedBuild | None, commit: str | None, masker: Masker
) -> Opening:
    """Given the folder of the logs, the slave's unfinished build and the commit that may go on with it (None: it shall
    not), go on with that log, or begin another."""
    now = datetime.now().astimezone()
    if former is None or commit is None or former.commit != commit:
        return Opening(BuildLog(folder, slave_id_for(address), address.host, now, masker), given_up=former)
    log = BuildLog.reopen(former.path, former.document, masker)
    log.resume(now)
    return Opening(log, read_recording(former.document))


def words_about(opening: Opening, is_wanted: bool, address: Address, commit: Commit) -> Message | None:
    """Given how a build began and whether it was to be resumed, return what the operator should know of it. Pure."""
    former = opening.given_up
    if opening.is_resumed:
        text = "going on with the build of {moment}: {count} commands are done"
        done = sum(not one.is_running for one in opening.recording.commands)
        return message(text, moment=UnfinishedBuild(opening.log.path, opening.log.document).moment, count=done)
    if former and not is_wanted:
        text = "the build of {moment} was not finished (--resume would go on with it): it is begun anew"
        return message(text, moment=former.moment)
    if former:
        text = "the unfinished build of {moment} was of commit {found}, not {wanted}: it is begun anew"
        return message(text, moment=former.moment, found=str(former.commit)[:10], wanted=commit.short)
    return message("there is no unfinished build of {address}: it is begun", address=address) if is_wanted else None
