"""What can go wrong in the bootstrap: one root, whose message names what failed and whose hint says what to do next."""

from __future__ import annotations


class BootstrapError(Exception):
    """Given a message and a hint for the operator. `status` is what an HTTP server answers with."""

    status = 500

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidRequest(BootstrapError):
    """A field is missing, unknown or out of its range; the message names it."""

    status = 422


class JobNotFound(BootstrapError):
    """No job has this id: never started here, or finished long ago and pruned."""

    status = 404


class JobConflict(BootstrapError):
    """The id belongs to a job with another command."""

    status = 409


class JobNotStarted(BootstrapError):
    """The supervisor of a job did not come up; the command did not run."""

    status = 503


class NoRoom(BootstrapError):
    """The disk, or the quota of it, has no room."""

    status = 507


class ConfigurationError(BootstrapError):
    """The configuration can't be used; the message lists what is wrong with it."""
