"""Strategy C: the host's own Python with libraries of a user base inside the release; nothing of the host changes."""

from __future__ import annotations

from functools import partial

from d8.build.context import BuildContext
from d8.build.strategies.base import discard_release, unpack_release
from d8.build.strategies.libraries import bring_pip, install_libraries
from d8.build.strategies.venv import too_old
from d8.commands import native, release
from d8.commands.preflight import HostFacts
from d8.errors import PermanentFailure
from d8.messages import Message, message
from d8.models import StrategyName


class NativeStrategy:
    """`pip3 install --user` into a user base of the release's own."""

    name = StrategyName.NATIVE

    def impossible_because(self, facts: HostFacts) -> Message | None:
        """Given the host's facts, return why the host's Python can't run the agent, or None."""
        return None if facts.agent_python else too_old(facts)

    def install(self, context: BuildContext) -> None:
        """Given the build, make the release and its libraries, and prove that the agent imports."""
        python = context.facts.agent_python
        if python is None:
            raise PermanentFailure("{reason}", reason=too_old(context.facts))
        text = "pip is called with {flag}, for {folder} alone: the host's own Python packages stay as they are"
        place = f"{context.release}/native"
        context.progress.tell(message(text, flag=native.BREAK_SYSTEM_PACKAGES, folder=place))
        unpack_release(context, self.name, python)
        context.require(native.clean(context.release), message("making the folder of the libraries"))
        install = partial(native.install, python, bring_pip(context), context.release)
        install_libraries(context, install, _sees_the_distribution_anyway)
        check = release.check(context.release, native.python(python, context.release), ("-P",))
        context.require(check, message("checking the installed agent"))

    def discard(self, context: BuildContext) -> None:
        """Given a build, remove the release."""
        discard_release(context)


def _sees_the_distribution_anyway(context: BuildContext) -> None:
    """The host's Python finds the distribution's packages by itself."""
