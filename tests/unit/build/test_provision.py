"""Git and the source: what the slave is asked, and what the master sends itself."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from d8.build import provision
from d8.build.command_failed import CommandFailed
from d8.build.progress import Step
from d8.commands.preflight import Privilege
from d8.models import CommandResult
from d8.source import Commit

COMMIT = Commit("c" * 40, "main", is_dirty=False)
SETTINGS: Any = SimpleNamespace(
    repo_url="https://git.example/d8", git_token="secret", package_lock_seconds=6, install_timeout_seconds=5
)
PROGRESS: Any = SimpleNamespace(warn=lambda _text: None)


class ShellWithoutGit:
    """A slave whose git can't be installed: what has to work fails. Remembers it."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.required: list[str] = []

    def upload(self, name: str, _content: bytes) -> str:
        self.sent.append(name)
        return f"/upload/{name}"

    def require(self, command: Any, purpose: Any, **_options: Any) -> None:
        self.required.append(str(purpose))
        raise CommandFailed(CommandResult(command.line, False, "", "E: no", 100, datetime.now(UTC), 0.1, "1"), purpose)


@pytest.mark.parametrize(
    ("manager", "privilege", "asked"),
    [
        ("apt-get", Privilege.IS_ROOT, ["installing git"]),
        (None, Privilege.IS_ROOT, []),
        ("apt-get", Privilege.NONE, []),
    ],
)
def test_without_git_the_master_sends_the_source_and_keeps_the_token(
    monkeypatch: pytest.MonkeyPatch, manager: str | None, privilege: Privilege, asked: list[str]
) -> None:
    monkeypatch.setattr(provision, "archive", lambda _commit: b"tar")
    shell: Any = ShellWithoutGit()
    facts: Any = SimpleNamespace(git=None, package_manager=manager, privilege=privilege)
    can_fetch = provision.install_prerequisites(shell, facts, SETTINGS, PROGRESS, Step())
    path = provision.bring_source(shell, SETTINGS, COMMIT, can_fetch, PROGRESS, Step())
    assert path == f"/upload/source-{COMMIT.hash}.tar.gz"
    assert (shell.required, shell.sent) == (asked, [f"source-{COMMIT.hash}.tar.gz"])
