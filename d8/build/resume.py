"""Before a resumed build takes anything from its log: is it the same host, what became of its jobs and its files."""

from __future__ import annotations

from dataclasses import replace

from d8.build.build_log import BuildLog
from d8.build.examination import ask_facts
from d8.build.progress import Progress, Step
from d8.build.recorder import RemoteShell
from d8.build.recording import Recording, unsettled
from d8.build.unfinished import UnfinishedBuild
from d8.commands import uploads
from d8.commands.preflight import HostFacts
from d8.errors import BuildFailed, Cancelled, D8Error
from d8.fleet.agent_client import SlaveClient
from d8.masking import Masker
from d8.messages import message
from d8.models import BuildStatus

# What the recorded commands were chosen by. The rest (time, free memory, the bootstrap's process) may well differ.
DECIDING = ("machine_id", "user", "home", "privilege", "has_systemd", "architecture", "pythons", "package_manager")


def facts_for_resumed(
    shell: RemoteShell, recording: Recording, timeout_seconds: float, progress: Progress, step: Step
) -> HostFacts:
    """Given a resumed build, return the host's facts: the recorded ones, where they decide which commands follow, so
    that these are the recorded ones too; and the ones of now. Another host is built from the start."""
    if not recording.commands:
        return ask_facts(shell, timeout_seconds, step)
    sent = [path for _, path in recording.uploads.values()]
    try:
        then = ask_facts(shell, timeout_seconds, step)
    except BuildFailed:  # the log holds an answer that this master can't read
        shell.start_anew()
        return ask_facts(shell, timeout_seconds, step)
    now = ask_facts(shell, timeout_seconds, step, replayable=False)
    if not is_same_host(then, now):
        progress.warn(message("the host is not as it was: it is built from the start"))
        shell.start_anew()
        return now
    if sent:
        asked = shell.run(
            uploads.digests(sent),
            timeout_seconds=timeout_seconds,
            purpose=message("looking whether what was sent is there"),
            shows_output=False,
            replayable=False,
        )
        recording.keep_uploads(uploads.read_digests(asked.stdout))
    return replace(
        then,
        clock=now.clock,
        boot_id=now.boot_id,
        addresses=now.addresses,
        hostname=now.hostname,
        bootstrap_config=now.bootstrap_config,
        bootstrap_server=now.bootstrap_server,
        bootstrap_pid=now.bootstrap_pid,
    )


def is_same_host(then: HostFacts, now: HostFacts) -> bool:
    """Given a host's facts before and now, return whether a build would go the same way. Pure."""
    return all(getattr(then, name) == getattr(now, name) for name in DECIDING)


def give_up(former: UnfinishedBuild, client: SlaveClient, masker: Masker, progress: Progress) -> None:
    """Given the unfinished build of a slave that is now built from the start, end what it left running there and close
    its log."""
    log = BuildLog.reopen(former.path, former.document, masker)
    for one in unsettled(former.document, Recording()):
        try:
            RemoteShell(client, log, masker, progress.observer).cancel(one)
        except D8Error as error:
            progress.warn(message("a command of the earlier build may still run: {reason}", reason=error.message))
    log.close(BuildStatus.CANCELLED, Cancelled("another build was started from the beginning"))
