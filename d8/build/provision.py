"""Steps 3 and 4: git, where a repository is to be cloned, and the commit's archive in the slave's work folder."""

from __future__ import annotations

from d8.build.command_failed import CommandFailed, last_output
from d8.build.progress import Progress, Step
from d8.build.recorder import RemoteShell
from d8.commands import git, packages, preflight
from d8.commands.preflight import HostFacts
from d8.congress.diagnosis import diagnose
from d8.messages import Message, message
from d8.settings import Settings
from d8.source import SLAVE_PATHS, Commit, archive

NO_GIT = message("git could not be installed")
NO_REPOSITORY = message("the repository could not be used")


def install_prerequisites(
    shell: RemoteShell, facts: HostFacts, settings: Settings, progress: Progress, step: Step
) -> bool:
    """Given the host, install git if a repository is to be cloned; everything else the master brings along. Return
    whether the repository can be asked."""
    if not settings.repo_url:
        step.outcome = message("nothing to install: the master sends everything")
        return False
    manager = facts.package_manager
    if facts.git:
        step.outcome = message("{git} is there", git=facts.git)
        return True
    if manager is None or not facts.privilege.can_be_root:
        step.outcome = message("no git and no right to install it: the master sends the source instead")
        return False
    wanted = packages.install(manager, packages.GIT[manager], lock_seconds=settings.package_lock_seconds)
    command = wanted.as_root(facts.privilege.prefix)
    try:
        shell.require(command, message("installing git"), timeout_seconds=settings.install_timeout_seconds)
    except CommandFailed as failure:
        progress.warn(_instead(NO_GIT, failure))
        step.outcome = message("no git: the master sends the source instead")
        return False
    seconds, purpose = settings.command_timeout_seconds, message("asking for git's version")
    found = shell.run(preflight.ask_for_git(), timeout_seconds=seconds, purpose=purpose, shows_output=False)
    step.outcome = message("{git} installed", git=found.stdout.strip())
    return found.success


def bring_source(
    shell: RemoteShell, settings: Settings, commit: Commit, can_fetch: bool, progress: Progress, step: Step
) -> str:
    """Given the commit and whether the slave can fetch it from the repository, put its archive into the slave's work
    folder and return its path there."""
    name = f"source-{commit.hash}.tar.gz"
    if settings.repo_url and can_fetch:
        work = shell.upload("commit", commit.hash.encode()).rpartition("/")[0]
        fetch = git.fetch(settings.repo_url, commit.hash, work, name, SLAVE_PATHS)
        token = settings.git_token or ""
        purpose = message("fetching the commit")
        try:
            shell.require(fetch, purpose, timeout_seconds=settings.install_timeout_seconds, stdin=token)
        except CommandFailed as failure:
            progress.warn(_instead(NO_REPOSITORY, failure))
        else:
            step.outcome = message("commit {commit} from the repository", commit=commit.short)
            return f"{work}/{name}"
    path = shell.upload(name, archive(commit.hash))
    step.outcome = message("commit {commit} sent by the master", commit=commit.short)
    return path


def _instead(problem: Message, failure: CommandFailed) -> Message:
    """Say why the master sends the source itself, what the likely cause is and where to read on."""
    diagnosis = diagnose([last_output(failure)])
    return message(
        "{problem}, so the master sends its own copy: {reason}. {advice} See {doc}",
        problem=problem,
        reason=failure.reason,
        advice=diagnosis.advice,
        doc=diagnosis.doc,
    )
