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


class BadRequest(BootstrapError):
    """The bytes that came are not a request that this server reads."""

    status = 400


class NotAuthorized(BootstrapError):
    """No token, a wrong one, or one that has expired."""

    status = 401


class PageNotFound(BootstrapError):
    """Nothing lives at this path."""

    status = 404


class MethodNotAllowed(BootstrapError):
    """The path exists, but not for this method."""

    status = 405

    def __init__(self, method: str, allowed: str) -> None:
        super().__init__(f"{method} is not possible here.", f"Use {allowed}.")
        self.allowed = allowed


class NotNow(BootstrapError):
    """The request makes no sense in the state this server is in."""

    status = 409


class LengthRequired(BootstrapError):
    """A body without Content-Length."""

    status = 411


class TooLarge(BootstrapError):
    """The announced body is larger than this path takes."""

    status = 413


class TooManyGuesses(BootstrapError):
    """Too many wrong tokens from one address within a minute."""

    status = 429

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__("Too many wrong tokens from this address.", f"Wait {retry_after_seconds} seconds.")
        self.retry_after_seconds = retry_after_seconds


class HeadersTooLarge(BootstrapError):
    """More header bytes than anyone needs."""

    status = 431


class TooBusy(BootstrapError):
    """All room for waiting requests is taken."""

    status = 503


class AlreadyRunning(BootstrapError):
    """Another server of the same folder holds its pid file."""


class PortTaken(BootstrapError):
    """Somebody else listens on the port; the message says who."""
