"""What a cancelled build takes back on the slave, so that the next one finds it as it was before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from d8.build.activation import Activation
from d8.build.context import BuildContext
from d8.build.events import StepName
from d8.build.recorder import RemoteShell
from d8.build.strategies import Strategy
from d8.commands import activation, release, uploads
from d8.commands.preflight import HostFacts
from d8.errors import D8Error
from d8.messages import message

AFTER_INSTALL = (StepName.ACTIVATION, StepName.HANDOVER)


def take_back(
    context: BuildContext,
    reached: StepName,
    strategy: Strategy | None,
    has_former_agent: bool,
    sleep: Callable[[float], None],
) -> None:
    """Given a cancelled build, the step it had reached and the strategy that was tried, remove what it left; the
    former agent runs again.

    Raises D8Error when the slave does not let it.
    """
    if reached is StepName.HANDOVER:
        Activation(context, sleep).wait_until_undone()
    if strategy is not None:
        strategy.discard(context)
    if has_former_agent:
        put_back_the_agent(context)
    elif reached in AFTER_INSTALL:
        command = activation.remove_all_but_bootstrap(context.facts, release.launcher(context.facts))
        context.shell.run(
            command,
            timeout_seconds=context.settings.command_timeout_seconds,
            purpose=message("removing units and settings"),
        )


def remove_uploads(
    shell: RemoteShell, document: dict[str, Any], facts: HostFacts | None, timeout_seconds: float
) -> None:
    """Given a cancelled build's shell and log, and the host's facts if it got so far, remove what it has sent and what
    the owner of the release made of it. Raises SlaveUnreachable."""
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
