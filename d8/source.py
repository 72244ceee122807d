"""The commit that this master runs, and that commit as an archive: every slave gets exactly it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from d8.errors import BuildFailed
from d8.processes import ProcessResult, run
from d8.settings import PROJECT_DIR

SLAVE_PATHS = ("slave_agent", "Dockerfile", "docker-compose.yml")


@dataclass(frozen=True)
class Commit:
    """A commit of the project: its 40 hex digits, its branch (None when detached), and whether files differ from it."""

    hash: str
    branch: str | None
    is_dirty: bool

    @property
    def short(self) -> str:
        """The first digits, for screens."""
        return self.hash[:10]


def master_commit(folder: Path = PROJECT_DIR) -> Commit:
    """Return the commit of the master's checkout. Raises BuildFailed where there is no git checkout."""
    head = _git(folder, "rev-parse", "HEAD")
    if head.exit_code != 0:
        raise BuildFailed(
            "the commit of this master can't be read: {reason}",
            "Run D8 from a git clone, with git installed: slaves get exactly the master's commit.",
            reason=head.stderr.strip(),
        )
    branch = _git(folder, "symbolic-ref", "--short", "-q", "HEAD").text or None
    dirty = bool(_git(folder, "status", "--porcelain", "--untracked-files=no").text)
    return Commit(head.text, branch, dirty)


def archive(commit: str, folder: Path = PROJECT_DIR) -> bytes:
    """Given a commit, return what a slave needs of it as tar.gz. Raises BuildFailed when git can't make it."""
    made = _git(folder, "archive", "--format=tar.gz", commit, *SLAVE_PATHS)
    if made.exit_code != 0:
        raise BuildFailed(
            "git archive of {commit} failed: {reason}",
            "Is the checkout whole? If git fsck complains there, clone it again.",
            commit=commit,
            reason=made.stderr.strip(),
        )
    return made.stdout


def _git(folder: Path, *words: str) -> ProcessResult:
    # Root may run a checkout that belongs to the operator; git would refuse it as "dubious ownership".
    environment = {**os.environ, "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory"}
    return run(["git", "-C", folder, *words], environment={**environment, "GIT_CONFIG_VALUE_0": str(folder)})
