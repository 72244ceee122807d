"""What can go wrong in the lab. Every message names what failed and what to do next."""

from __future__ import annotations


class LabError(Exception):
    """The lab could not do what was asked."""


class LabUnavailable(LabError):
    """This machine can't run the lab at all; the message is the reason."""


class CommandFailed(LabError):
    """A command ended with an exit code that its caller did not expect."""


class CommandTimedOut(LabError):
    """A command was still running at its deadline and was killed, with its children."""


class HostNotRunning(LabError):
    """The host is powered off, or has not booted yet."""
