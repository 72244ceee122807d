"""Strategy B: a virtual environment inside the release, made with the tools that the master sends."""

from __future__ import annotations

from functools import partial

from d8.build.context import BuildContext
from d8.build.strategies.base import discard_release, unpack_release
from d8.build.strategies.libraries import bring_installer, install_libraries
from d8.commands import release, venv
from d8.commands.preflight import MINIMUM_PYTHON, HostFacts
from d8.errors import PermanentFailure
from d8.messages import Message, message
from d8.models import StrategyName


class VenvStrategy:
    """A virtual environment of the release's own."""

    name = StrategyName.VENV

    def impossible_because(self, facts: HostFacts) -> Message | None:
        """Given the host's facts, return why no venv can be made there, or None."""
        return None if facts.agent_python else too_old(facts)

    def install(self, context: BuildContext) -> None:
        """Given the build, make the release and its venv, and prove that the agent imports."""
        python = context.facts.agent_python
        if python is None:
            raise PermanentFailure("{reason}", reason=too_old(context.facts))
        unpack_release(context, self.name, python)
        installer = bring_installer(context)
        context.require(venv.create(installer, python, context.release), message("making the virtual environment"))
        install_libraries(context, partial(venv.install, installer, context.release), _use_system_packages)
        check = release.check(context.release, (f"{context.release}/venv/bin/python",))
        context.require(check, message("checking the installed agent"))

    def discard(self, context: BuildContext) -> None:
        """Given a build, remove the release."""
        discard_release(context)


def _use_system_packages(context: BuildContext) -> None:
    opened = message("opening the venv for the distribution's psutil")
    context.require(venv.use_system_packages(context.release), opened)


def too_old(facts: HostFacts) -> Message:
    """Given a host without a fitting Python, return what is there and what is needed."""
    found = ", ".join(".".join(map(str, version)) for version in facts.pythons.values()) or "-"
    wanted = ".".join(map(str, MINIMUM_PYTHON))
    return message("the agent needs Python {wanted} or newer, and this host has {found}", wanted=wanted, found=found)
