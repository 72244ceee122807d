"""What all strategies share: their form, and the release's folder from the uploaded source."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Protocol

from d8.build.context import BuildContext
from d8.commands import release
from d8.commands.preflight import HostFacts
from d8.errors import PermanentFailure
from d8.messages import Message, message
from d8.models import StrategyName

NEEDED_BYTES = 250 * 1024 * 1024


class Strategy(Protocol):
    """One way to install the agent."""

    @property
    def name(self) -> StrategyName:
        """Its name in logs and settings."""

    def impossible_because(self, facts: HostFacts) -> Message | None:
        """Given the host's facts, return why this can't work there, or None when it may."""

    def install(self, context: BuildContext) -> None:
        """Given the build, leave a whole release on the slave. Raises BuildFailed; starts from a clean state."""

    def discard(self, context: BuildContext) -> None:
        """Given a build whose attempt failed or was cancelled, remove what it left. Raises BuildFailed."""


def unpack_release(context: BuildContext, runtime: StrategyName, python: str) -> None:
    """Given the build, what its agent will run in and the host's interpreter for it, make the release's folder from
    the uploaded source. Raises PermanentFailure on a full disk."""
    folder, free = _room_for(context)
    if free is not None and free < NEEDED_BYTES:
        raise PermanentFailure(
            "{folder} has {free} MB left, and the agent needs {needed} MB",
            "Free some space there and build again.",
            folder=folder,
            free=free // 2**20,
            needed=NEEDED_BYTES // 2**20,
        )
    commit = context.commit
    about = release.ReleaseFacts(commit.hash, commit.branch, context.version, runtime, python)
    unpack = release.unpack(context.archive, context.release, about)
    context.require(unpack, message("unpacking the source"))


def discard_release(context: BuildContext) -> None:
    """Given a build whose attempt failed, remove its release."""
    context.require(release.remove(context.release), message("removing the failed attempt"))


def _room_for(context: BuildContext) -> tuple[str, int | None]:
    """The folder that holds the releases among those that preflight measured, and its free bytes."""
    place = PurePosixPath(context.release)
    fitting = [folder for folder in context.facts.disk_free_bytes if place.is_relative_to(folder)]
    folder = max(fitting, key=len, default=context.facts.home)
    return folder, context.facts.disk_free_bytes.get(folder)
