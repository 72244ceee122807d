"""Step 2: the host's facts, who the machine is, and warnings of what will hurt later."""

from __future__ import annotations

from collections.abc import Callable

from d8.build.identity import Identity, identify
from d8.build.progress import Step
from d8.build.recorder import RemoteShell
from d8.commands import preflight
from d8.commands.preflight import HostFacts, Privilege
from d8.errors import BuildFailed
from d8.fleet.names import Address
from d8.fleet.registry import Registry
from d8.messages import Message, message

CLOCK_TOLERANCE_SECONDS = 300
LITTLE_MEMORY_BYTES = 150 * 1024 * 1024
AHEAD, BEHIND = message("ahead"), message("behind")
CLOCK_UNITS = ((86400, message("days")), (3600, message("hours")), (60, message("minutes")))
RIGHTS = {
    Privilege.IS_ROOT: message("who is root"),
    Privilege.PASSWORDLESS: message("with sudo"),
    Privilege.PASSWORD: message("whose sudo asks for a password"),
    Privilege.NONE: message("without sudo"),
}


def ask_facts(shell: RemoteShell, timeout_seconds: float, step: Step, replayable: bool = True) -> HostFacts:
    """Given a slave's shell, return the host's facts: one round trip. Raises BuildFailed when they can't be read."""
    question, probe = preflight.ask()
    result = shell.require(
        question,
        message("asking the host"),
        timeout_seconds=timeout_seconds,
        stdin=probe,
        shows_output=False,
        replayable=replayable,
    )
    try:
        facts = preflight.read(result.stdout)
    except ValueError as error:
        raise BuildFailed(
            "the host's answer can't be read: {reason}",
            "The answer is in the build log; is the Python on the slave in order?",
            reason=error,
        ) from error
    step.outcome = message(
        "{os}, {architecture}; user {user}, {privilege}",
        os=facts.os_name,
        architecture=facts.architecture,
        user=facts.user,
        privilege=RIGHTS[facts.privilege],
    )
    return facts


def settle_identity(
    address: Address, facts: HostFacts, registry: Registry, answers: Callable[[Address, str], bool]
) -> Identity:
    """Given the host's facts and the fleet, return which slave it is; `answers`: does a machine-id live there.

    A slave that left the fleet, but is still owed its removal, counts: its name stays with it and its token.
    """
    slaves = registry.slaves()
    names = {slave.slave_id for slave in slaves}
    owed = [one.slave for one in registry.pending.all() if one.slave.slave_id not in names]
    twins = registry.find_machine(facts.machine_id) if facts.machine_id else []
    former = {Address(twin.address, twin.port) for twin in twins} - {address}
    is_copied = any(answers(place, facts.machine_id) for place in former)
    return identify(address, facts.machine_id, [*slaves, *owed], is_copied)


def warnings_for(facts: HostFacts, now: float) -> list[Message]:
    """Given a host's facts and the master's clock (seconds since 1970), return what will hurt later. Pure."""
    found: list[Message] = []
    if abs(facts.clock - now) > CLOCK_TOLERANCE_SECONDS:
        found.append(_clock_words(facts.clock - now, now))
    if facts.privilege is Privilege.PASSWORD:
        text = "sudo asks {user} for a password, which a build can't give: it counts as no sudo"
        found.append(message(text, user=facts.user))
    if facts.memory_available_bytes is not None and facts.memory_available_bytes < LITTLE_MEMORY_BYTES:
        text = "only {megabytes} MB of memory are free: installing may be slow or fail"
        found.append(message(text, megabytes=facts.memory_available_bytes // 2**20))
    if facts.privilege is Privilege.IS_ROOT and not facts.is_for_root:
        found.append(message("there is no systemd: the agent runs as root, and nothing confines it"))
    if not facts.has_default_route and not facts.is_isolated:
        found.append(message("the slave has no way to the internet: libraries can't be downloaded there"))
    return found


def _clock_words(seconds_ahead: float, now: float) -> Message:
    """Say how far off a clock is, in the unit that fits, and how it is set right."""
    size, unit = next((size, unit) for size, unit in CLOCK_UNITS if abs(seconds_ahead) >= 2 * size)
    text = "the clock of the slave is {count} {unit} {direction}: downloads may fail. There: {command}, or {by_hand}"
    return message(
        text,
        count=round(abs(seconds_ahead) / size),
        unit=unit,
        direction=AHEAD if seconds_ahead > 0 else BEHIND,
        command="sudo timedatectl set-ntp true",
        by_hand=f"sudo date -s @{int(now)}",
    )
