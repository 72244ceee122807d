"""What a cancelled or failed build takes back on the slave, so that the next one finds it as it was before."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from d8.build.activation import Activation
from d8.build.context import BuildContext
from d8.build.events import StepName
from d8.build.recorder import RemoteShell
from d8.build.strategies import Strategy
from d8.commands import activation, release, uploads
from d8.commands.preflight import HostFacts
from d8.errors import BuildFailed, D8Error
from d8.fleet.agent_client import ProblemAnswer
from d8.messages import message

AFTER_INSTALL = (StepName.ACTIVATION, StepName.HANDOVER)
REMOVAL_SECONDS = 60.0
POLL_SECONDS = 1.0


def discard_attempt(
    context: BuildContext, reached: StepName, strategy: Strategy | None, sleep: Callable[[float], None]
) -> None:
    """Given a build that ends, the last step it reached and the strategy that was tried, wait until the bootstrap has
    the port again and remove what the attempt made. Raises D8Error when the slave does not let it."""
    if reached is StepName.HANDOVER:
        Activation(context, sleep).wait_until_undone()
    if strategy is not None:
        strategy.discard(context)


def leave_as_before(
    context: BuildContext, steps: Collection[StepName], has_former_agent: bool, sleep: Callable[[float], None]
) -> None:
    """Given a build that ends and the steps of all its attempts, let who was there before it answer again: the former
    agent, or else the installer's server, with nothing of an agent beside it. Raises D8Error."""
    if has_former_agent:
        put_back_the_agent(context)
    elif any(step in AFTER_INSTALL for step in steps):
        remove_what_was_installed(context, sleep)


def remove_what_was_installed(context: BuildContext, sleep: Callable[[float], None]) -> None:
    """Remove units and settings, the bootstrap's copy and all, and wait until they are gone. Raises D8Error."""
    launcher = release.launcher(context.facts)
    if not _is_there(context, launcher):
        return
    purpose = message("removing units and settings")
    context.shell.require(
        activation.remove_all_but_bootstrap(context.facts, launcher),
        purpose,
        timeout_seconds=context.settings.command_timeout_seconds,
        shows_output=False,
        replayable=False,
    )
    for _ in range(int(REMOVAL_SECONDS / POLL_SECONDS)):
        sleep(POLL_SECONDS)
        try:
            if not _is_there(context, launcher):
                return
        except ProblemAnswer:  # a job that was asked of the server that has ended since
            continue
    raise BuildFailed("units and settings were not removed within {seconds} s", seconds=f"{REMOVAL_SECONDS:g}")


def _is_there(context: BuildContext, launcher: str) -> bool:
    seconds = context.settings.command_timeout_seconds
    command = activation.is_there(context.facts, launcher)
    purpose = message("looking for what is left")
    return context.shell.run(
        command, timeout_seconds=seconds, purpose=purpose, shows_output=False, replayable=False
    ).success


def remove_uploads(
    shell: RemoteShell, document: dict[str, Any], facts: HostFacts | None, timeout_seconds: float
) -> None:
    """Given the shell and log of a build that ends, and the host's facts if it got so far, remove what it has sent and
    what the owner of the release made of it. Raises SlaveUnreachable."""
    paths = [upload["path"] for upload in document["uploads"]]
    if paths:
        remove = uploads.remove(paths)
        command = facts.as_owner(remove) if facts else remove
        shell.run(command, timeout_seconds=timeout_seconds, purpose=message("removing what was sent"))


def put_back_the_agent(context: BuildContext) -> None:
    """Let the agent that answered before this build run again; say so when that fails."""
    command = activation.put_back(context.facts, release.launcher(context.facts))
    seconds = context.settings.command_timeout_seconds
    try:
        context.shell.run(command, timeout_seconds=seconds, purpose=message("putting the former agent back"))
    except D8Error as error:
        text = "the former agent could not be put back: {reason}"
        context.progress.warn(message(text, reason=error.message))
