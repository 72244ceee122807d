"""The verb `confirm`: the master has proved the agent; it starts at boot now and the installer's secrets are dead."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from slave_agent.activation import bootstrap_copy
from slave_agent.activation.charge import keep_in_charge, put_in_charge
from slave_agent.activation.context import Activation
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.pruning import prune_releases
from slave_agent.activation.record import Record
from slave_agent.activation.retreat import go_back
from slave_agent.activation.states import CredentialKind, Fallback, Mode, Phase


def confirm(activation: Activation) -> dict[str, Any]:
    """Confirm the running release. Idempotent. Raises ActivationError when the bootstrap was put back already."""
    record = activation.store.load()
    if record.phase in (Phase.INSTALLED, Phase.STAGED) and record.falls_back_to is Fallback.RELEASE:
        return {"confirmed": True, "commit": record.confirmed_commit}  # the one that runs is; another waits beside it
    if record.phase.awaits_confirmation:
        _take_charge_or_go_back(activation, record)
    if record.phase is not Phase.CONFIRMED:
        previous = record.confirmed_commit if record.confirmed_commit != record.commit else record.previous_commit
        advanced = activation.store.advance(
            [Phase.HANDING_OVER, Phase.HANDED_OVER],
            phase=Phase.CONFIRMED,
            confirmed_commit=record.commit,
            previous_commit=previous,
            deadline_boottime_seconds=None,
            misses=0,
            failed_starts=0,
            reason=None,
        )
        if advanced is None:
            raise ActivationError("This release was rolled back before it was confirmed.", "Build the slave again.")
        record = advanced
    finish_confirm(activation, record)
    return {"confirmed": True, "commit": record.commit}


def _take_charge_or_go_back(activation: Activation, record: Record) -> None:
    """What the agent needs beside itself, guard and root's helper, is as unproved as it was. Raises ActivationError."""
    try:
        put_in_charge(activation, record.commit)
    except ActivationError as error:
        if record.falls_back_to is Fallback.RELEASE and record.confirmed_commit:
            with suppress(ActivationError):  # first, so that the release before can tell why it answers again
                put_in_charge(activation, record.confirmed_commit)
        go_back(activation, [Phase.HANDING_OVER, Phase.HANDED_OVER], error.message)
        raise


def finish_confirm(activation: Activation, record: Record) -> None:
    """Do what follows from a recorded confirmation; the guard repeats it if it was interrupted, and goes last."""
    with activation.store.finishing():
        activation.keeper.boot_into(Mode.AGENT)
        keep_in_charge(activation, record)
        bootstrap_copy.adopt_rescue(activation.layout, record)
        bootstrap_copy.remove_installer_secrets(record)
        activation.store.update(bootstrap_credential=CredentialKind.RESCUE, installer_secrets=())
        (activation.layout.release(record.commit) / "unproved").unlink(missing_ok=True)  # the master made it
        prune_releases(activation, record)
        bootstrap_copy.clear_work(activation.layout, record)
        activation.keeper.disarm_guard()
