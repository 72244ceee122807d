"""Brings the agent's libraries and what installs them: a slave needs no internet where the master has it."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

from d8.build.command_failed import CommandFailed
from d8.build.context import BuildContext
from d8.commands import packages, venv
from d8.errors import BuildFailed
from d8.messages import message
from d8.shell import ShellCommand

# Given a lock file of the release and the folder of its wheels (None: the index), the command that installs it.
Install = Callable[[str, str | None], ShellCommand]
Step = Callable[[BuildContext], None]


def bring_installer(context: BuildContext) -> venv.Installer:
    """Bring uv, which needs neither pip nor python3-venv on the slave; where it can't run there, pip's wheel."""
    uv = context.wheels.tool("uv", context.facts)
    if uv is not None:
        wheel = context.shell.upload(uv.name, uv.read_bytes())
        target = str(context.work / "uv")
        unpack = venv.unpack_uv(context.facts.python, wheel, target)
        seconds = context.settings.command_timeout_seconds
        if context.shell.run(unpack, timeout_seconds=seconds, purpose=message("unpacking uv")).success:
            return venv.Installer("uv", target)
    pip = bring_pip(context)
    if pip is None:
        raise BuildFailed(
            "neither uv nor pip could be fetched for {architecture} ({libc})",
            "The master downloads them once: check its internet connection and repeat.",
            architecture=context.facts.architecture,
            libc=context.facts.libc or "-",
        )
    return venv.Installer("pip", pip)


def bring_pip(context: BuildContext) -> str | None:
    """Bring pip's wheel, which runs without being installed; return its path on the slave, None where there is none."""
    pip = context.wheels.tool("pip", context.facts)
    return context.shell.upload(pip.name, pip.read_bytes()) if pip else None


def install_libraries(context: BuildContext, install: Install, show_distribution: Step) -> None:
    """Install the agent's libraries into the release: the pure ones together, psutil last and alone.

    `show_distribution` makes the distribution's packages visible to the agent, where psutil has no wheel.
    """
    _install_locked(context, install, venv.REQUIREMENTS)
    try:
        _install_locked(context, install, venv.PSUTIL)
    except CommandFailed as failure:
        _install_distribution_psutil(context, failure)
        show_distribution(context)


def _install_locked(context: BuildContext, install: Install, lock: str) -> None:
    """Install one lock file: from wheels that the master sends, or from the index where the master has none."""
    wheels = context.wheels.libraries(lock, context.facts)
    folder = send_wheels(context, Path(lock).stem, wheels) if wheels else None
    context.require(install(lock, folder), message("installing {lock}", lock=Path(lock).stem))


def send_wheels(context: BuildContext, name: str, wheels: tuple[Path, ...]) -> str:
    """Send wheels as one archive; return the folder on the slave that they lie in."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for wheel in wheels:
            tar.add(wheel, arcname=wheel.name)
    path = context.shell.upload(f"{name}-wheels.tar", archive.getvalue())
    folder = str(context.work / f"{name}-wheels")
    seconds = context.settings.command_timeout_seconds
    context.shell.require(
        venv.unpack_wheels(path, folder), message("unpacking the master's wheels"), timeout_seconds=seconds
    )
    return folder


def _install_distribution_psutil(context: BuildContext, failure: CommandFailed) -> None:
    """There is no psutil wheel for 32-bit ARM: take the distribution's package where that can be installed."""
    manager = context.facts.package_manager
    if manager is None or not context.facts.privilege.can_be_root:
        raise failure
    text = "psutil has no wheel here ({reason}): the distribution's package is used"
    context.progress.tell(message(text, reason=failure.message))
    lock_seconds = context.settings.package_lock_seconds
    install = packages.install(manager, packages.PSUTIL[manager], lock_seconds=lock_seconds)
    context.require_as_root(install, message("installing the distribution's psutil"))
