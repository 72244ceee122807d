"""The verb `confirm`: the master has proved the agent; it starts at boot now and the installer's secrets are dead."""

from __future__ import annotations

from typing import Any

from slave_agent.activation import bootstrap_copy
from slave_agent.activation.containers import prune_images
from slave_agent.activation.context import Activation
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.files import remove_tree
from slave_agent.activation.incoming import commit_in_preparation
from slave_agent.activation.record import Record
from slave_agent.activation.states import CredentialKind, Fallback, Mode, Phase, Scope


def confirm(activation: Activation) -> dict[str, Any]:
    """Confirm the running release. Idempotent. Raises ActivationError when the bootstrap was put back already."""
    record = activation.store.load()
    if record.phase in (Phase.INSTALLED, Phase.STAGED) and record.falls_back_to is Fallback.RELEASE:
        return {"confirmed": True, "commit": record.confirmed_commit}  # the one that runs is; another waits beside it
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


def finish_confirm(activation: Activation, record: Record) -> None:
    """Do what follows from a recorded confirmation; the guard repeats it if it was interrupted, and goes last."""
    with activation.store.finishing():
        activation.keeper.boot_into(Mode.AGENT)
        bootstrap_copy.adopt_rescue(activation.layout, record)
        bootstrap_copy.remove_installer_secrets(record)
        activation.store.update(bootstrap_credential=CredentialKind.RESCUE, installer_secrets=())
        (activation.layout.release(record.commit) / "unproved").unlink(missing_ok=True)  # the master made it
        prune_releases(activation, record)
        bootstrap_copy.clear_work(activation.layout, record)
        activation.keeper.disarm_guard()


def prune_releases(activation: Activation, record: Record) -> None:
    """Given what is confirmed, keep it, the release before it and one that is being prepared; the others go."""
    coming = commit_in_preparation(activation)
    kept = {record.commit, record.previous_commit, coming}
    for release in (activation.layout.opt / "releases").iterdir():
        if release.name not in kept:
            remove_tree(release)
    if activation.layout.scope is Scope.SYSTEM:
        prune_images(activation.runner, [coming, *(commit for commit in kept if _has_image(activation, commit))])


def _has_image(activation: Activation, commit: str | None) -> bool:
    """Whether a release needs its image: one that was built in another way since has left it behind."""
    return commit is not None and (activation.layout.release(commit) / "image").exists()
