"""What the parts of a build share: one frozen object instead of eight parameters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from d8.build.build_log import BuildLog
from d8.build.events import Notice, Observer
from d8.build.recorder import RemoteShell
from d8.build.wheels import WheelCache
from d8.commands.preflight import HostFacts
from d8.messages import Message
from d8.settings import Settings
from d8.source import Commit


@dataclass(frozen=True)
class BuildContext:
    """A build that has reached the slave: its shell, its facts, the commit to install and the archive of it there."""

    settings: Settings
    shell: RemoteShell
    facts: HostFacts
    commit: Commit
    version: str
    archive: str
    release: str
    wheels: WheelCache
    log: BuildLog
    observer: Observer

    @property
    def work(self) -> PurePosixPath:
        """The work folder on the slave, where uploads land."""
        return PurePosixPath(self.archive).parent

    def notice(self, message: Message, is_warning: bool = False) -> None:
        """Given something the operator should read, show it and keep it in the log."""
        tell(self.observer, self.log, message, is_warning)


def tell(observer: Observer, log: BuildLog, message: Message, is_warning: bool = False) -> None:
    """Given a message for the operator, show it and keep it in the log."""
    observer(Notice(message, is_warning))
    log.add("notices", {"text": str(message), "warning": is_warning})
