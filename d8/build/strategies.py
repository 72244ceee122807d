"""How the agent gets installed: a strategy turns the source into a release; activation is the same for all of them."""

from __future__ import annotations

from typing import Protocol

from d8.build.context import BuildContext
from d8.build.recorder import CommandFailed
from d8.commands import packages, release, venv
from d8.commands.preflight import MINIMUM_PYTHON, HostFacts
from d8.errors import BuildFailed, PermanentFailure
from d8.messages import Message, message
from d8.models import StrategyName
from d8.shell import ShellCommand

NEEDED_BYTES = 250 * 1024 * 1024


class Strategy(Protocol):
    """One way to install the agent."""

    @property
    def name(self) -> StrategyName:
        """Its name in logs and settings."""

    def impossible_because(self, facts: HostFacts) -> Message | None:
        """Given the host's facts, return why this can't work there, or None when it may."""

    def install(self, context: BuildContext) -> None:
        """Given the build, leave a whole release on the slave. Raises BuildFailed; starts from a clean state."""


class VenvStrategy:
    """A virtual environment inside the release, made with the tools that the master sends."""

    name = StrategyName.VENV

    def impossible_because(self, facts: HostFacts) -> Message | None:
        """Given the host's facts, return why no venv can be made there, or None."""
        if facts.agent_python is None:
            found = ", ".join(".".join(map(str, version)) for version in facts.pythons.values()) or "-"
            return message(
                "the agent needs Python {wanted} or newer, and this host has {found}",
                wanted=".".join(map(str, MINIMUM_PYTHON)),
                found=found,
            )
        return None

    def install(self, context: BuildContext) -> None:
        """Given the build, make the release and its venv, and prove that the agent imports."""
        unpack_release(context)
        installer = self._tools(context)
        python = context.facts.agent_python
        if python is None:
            raise PermanentFailure("this host has no Python that is new enough")
        _as_owner(context, venv.create(installer, python, context.release), message("making the virtual environment"))
        _as_owner(
            context, venv.install(installer, context.release, venv.REQUIREMENTS), message("installing the libraries")
        )
        self._install_psutil(context, installer)
        _as_owner(context, release.check(context.release), message("checking the installed agent"))

    def _tools(self, context: BuildContext) -> venv.Installer:
        """Bring uv, which needs neither pip nor python3-venv on the slave; where it can't run there, pip's wheel."""
        uv = context.wheels.tool("uv", context.facts)
        if uv is not None:
            wheel = context.shell.upload(uv.name, uv.read_bytes())
            target = str(context.work / "uv")
            unpacked = context.shell.run(
                venv.unpack_uv(context.facts.python, wheel, target),
                timeout_seconds=context.settings.command_timeout_seconds,
                purpose=message("unpacking uv"),
            )
            if unpacked.success:
                return venv.Installer("uv", target)
        pip = context.wheels.tool("pip", context.facts)
        if pip is None:
            raise BuildFailed(
                "neither uv nor pip could be fetched for {architecture} ({libc})",
                "The master downloads them once: check its internet connection and repeat.",
                architecture=context.facts.architecture,
                libc=context.facts.libc or "unknown libc",
            )
        return venv.Installer("pip", context.shell.upload(pip.name, pip.read_bytes()))

    def _install_psutil(self, context: BuildContext, installer: venv.Installer) -> None:
        """psutil alone and last: its wheel, else the distribution's package (there is no wheel for 32-bit ARM)."""
        try:
            _as_owner(context, venv.install(installer, context.release, venv.PSUTIL), message("installing psutil"))
            return
        except CommandFailed as failure:
            manager = context.facts.package_manager
            if not context.facts.privilege.can_be_root or manager is None:
                raise
            text = "psutil has no wheel here ({reason}): the distribution's package is used"
            context.progress.tell(message(text, reason=failure.message))
        _as_owner(
            context,
            packages.install(manager, packages.PSUTIL[manager]),
            message("installing the distribution's psutil"),
        )
        _as_owner(
            context,
            venv.use_system_packages(context.release),
            message("opening the venv for the distribution's psutil"),
        )


STRATEGIES: tuple[Strategy, ...] = (VenvStrategy(),)


def unpack_release(context: BuildContext) -> None:
    """Given the build, make the release's folder from the uploaded source. Raises PermanentFailure on a full disk."""
    parent = next(iter(context.facts.disk_free_bytes)) if not context.release.startswith("/opt") else "/opt"
    free = context.facts.disk_free_bytes.get(parent)
    if free is not None and free < NEEDED_BYTES:
        raise PermanentFailure(
            "{folder} has {free} MB left, and the agent needs {needed} MB",
            "Free some space there and build again.",
            folder=parent,
            free=free // 2**20,
            needed=NEEDED_BYTES // 2**20,
        )
    unpack = release.unpack(
        context.archive, context.release, context.commit.hash, context.commit.branch, context.version
    )
    _as_owner(context, unpack, message("unpacking the source"))


def discard_release(context: BuildContext) -> None:
    """Given a build whose attempt failed, remove what it left."""
    _as_owner(context, release.remove(context.release), message("removing the failed attempt"))


def _as_owner(context: BuildContext, command: ShellCommand, purpose: Message) -> None:
    seconds = context.settings.install_timeout_seconds
    context.shell.require(context.as_owner(command), purpose, timeout_seconds=seconds)
