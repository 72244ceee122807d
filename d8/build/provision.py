"""Steps 3 and 4: git, where a repository is to be cloned, and the commit's archive in the slave's work folder."""

from __future__ import annotations

from d8.build.progress import Progress, Step
from d8.build.recorder import RemoteShell
from d8.commands import git, packages, preflight
from d8.commands.preflight import HostFacts
from d8.messages import message
from d8.models import CommandResult
from d8.settings import Settings
from d8.source import SLAVE_PATHS, Commit, archive


def install_prerequisites(shell: RemoteShell, facts: HostFacts, settings: Settings, step: Step) -> None:
    """Given the host, install git if a repository is to be cloned; everything else the master brings along."""
    if not settings.repo_url:
        step.outcome = message("nothing to install: the master sends everything")
        return
    manager = facts.package_manager
    if facts.git:
        step.outcome = message("{git} is there", git=facts.git)
    elif manager is None or not facts.privilege.can_be_root:
        step.outcome = message("no git and no right to install it: the master sends the source instead")
    else:
        command = packages.install(manager, packages.GIT[manager]).as_root(facts.privilege.prefix)
        shell.run(command, timeout_seconds=settings.install_timeout_seconds, purpose=message("installing git"))
        found = shell.run(preflight.ask_for_git(), timeout_seconds=settings.command_timeout_seconds, shows_output=False)
        step.outcome = (
            message("{git} installed", git=found.stdout.strip())
            if found.success
            else message("git could not be installed: the master sends the source instead")
        )


def bring_source(shell: RemoteShell, settings: Settings, commit: Commit, progress: Progress, step: Step) -> str:
    """Given the commit, put its archive into the slave's work folder and return its path there."""
    name = f"source-{commit.hash}.tar.gz"
    if settings.repo_url:
        work = shell.upload("commit", commit.hash.encode()).rpartition("/")[0]
        fetch = git.fetch(settings.repo_url, commit.hash, work, name, SLAVE_PATHS)
        token = settings.git_token or ""
        purpose = message("fetching the commit")
        result = shell.run(fetch, timeout_seconds=settings.install_timeout_seconds, stdin=token, purpose=purpose)
        if result.success:
            step.outcome = message("commit {commit} from the repository", commit=commit.short)
            return f"{work}/{name}"
        text = "the repository could not be used ({reason}): the master sends its own copy"
        progress.warn(message(text, reason=_last_line(result)))
    path = shell.upload(name, archive(commit.hash))
    step.outcome = message("commit {commit} sent by the master", commit=commit.short)
    return path


def _last_line(result: CommandResult) -> str:
    lines = (result.stderr or result.stdout).strip().splitlines()
    return lines[-1] if lines else f"exit {result.exit_code}"
