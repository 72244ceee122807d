"""What the parts of a build share: one frozen object instead of eight parameters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from d8.build.progress import Progress
from d8.build.recorder import RemoteShell
from d8.build.wheels import WheelCache
from d8.commands.preflight import HostFacts
from d8.fleet.names import Address
from d8.fleet.registry import Registry
from d8.masking import Masker
from d8.messages import Message
from d8.models import CommandResult
from d8.settings import Settings
from d8.shell import ShellCommand
from d8.source import Commit


@dataclass(frozen=True)
class BuildContext:
    """A build that has reached the slave: who it is, its shell, its facts, the commit and where it goes."""

    address: Address
    slave_id: str
    settings: Settings
    registry: Registry
    progress: Progress
    shell: RemoteShell
    facts: HostFacts
    commit: Commit
    version: str
    archive: str
    release: str
    wheels: WheelCache
    masker: Masker

    @property
    def work(self) -> PurePosixPath:
        """The work folder on the slave, where uploads land."""
        return PurePosixPath(self.archive).parent

    def require(self, command: ShellCommand, purpose: Message) -> CommandResult:
        """Given a command and what it is for, run it as the owner of the release. Raises CommandFailed."""
        seconds = self.settings.install_timeout_seconds
        return self.shell.require(self.facts.as_owner(command), purpose, timeout_seconds=seconds)

    def require_as_root(self, command: ShellCommand, purpose: Message) -> CommandResult:
        """Given a command that changes the host itself, run it as root. Raises CommandFailed."""
        seconds = self.settings.install_timeout_seconds
        owned = command.as_root(self.facts.privilege.prefix)
        return self.shell.require(owned, purpose, timeout_seconds=seconds)
