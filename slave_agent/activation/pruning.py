"""Which releases stay on the disk, with the images of those that run in a container."""

from __future__ import annotations

from slave_agent.activation.containers import prune_images
from slave_agent.activation.context import Activation
from slave_agent.activation.files import remove_tree
from slave_agent.activation.incoming import commit_in_preparation
from slave_agent.activation.record import Record
from slave_agent.activation.states import Scope


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
