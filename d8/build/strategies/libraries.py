"""Brings the agent's libraries and what installs them: a slave needs no internet where the master has it."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from d8.build.context import BuildContext
from d8.build.recorder import CommandFailed
from d8.commands import packages, venv
from d8.errors import BuildFailed
from d8.messages import message


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
    pip = context.wheels.tool("pip", context.facts)
    if pip is None:
        raise BuildFailed(
            "neither uv nor pip could be fetched for {architecture} ({libc})",
            "The master downloads them once: check its internet connection and repeat.",
            architecture=context.facts.architecture,
            libc=context.facts.libc or "-",
        )
    return venv.Installer("pip", context.shell.upload(pip.name, pip.read_bytes()))


def install_libraries(context: BuildContext, installer: venv.Installer) -> None:
    """Install the agent's libraries into the release: the pure ones together, psutil last and alone."""
    install_locked(context, installer, venv.REQUIREMENTS)
    try:
        install_locked(context, installer, venv.PSUTIL)
    except CommandFailed as failure:
        _use_distribution_psutil(context, failure)


def install_locked(context: BuildContext, installer: venv.Installer, lock: str) -> None:
    """Install one lock file: from wheels that the master sends, or from the index where the master has none."""
    wheels = context.wheels.libraries(lock, context.facts)
    folder = _send(context, Path(lock).stem, wheels) if wheels else None
    command = venv.install(installer, context.release, lock, folder)
    context.require(command, message("installing {lock}", lock=Path(lock).stem))


def _send(context: BuildContext, name: str, wheels: tuple[Path, ...]) -> str:
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


def _use_distribution_psutil(context: BuildContext, failure: CommandFailed) -> None:
    """There is no psutil wheel for 32-bit ARM: take the distribution's package where that can be installed."""
    manager = context.facts.package_manager
    if manager is None or not context.facts.privilege.can_be_root:
        raise failure
    text = "psutil has no wheel here ({reason}): the distribution's package is used"
    context.progress.tell(message(text, reason=failure.message))
    context.require(
        packages.install(manager, packages.PSUTIL[manager]), message("installing the distribution's psutil")
    )
    context.require(
        venv.use_system_packages(context.release), message("opening the venv for the distribution's psutil")
    )
