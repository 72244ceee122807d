"""A token that somebody presents, in a header or at the panel's login: what it opens, and the memory for wrong ones."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable

from slave_agent.api.problems import too_many_guesses, unauthorized
from slave_agent.bootstrap.throttle import GuessThrottle
from slave_agent.models import Credential
from slave_agent.token_hashes import credential_for

_log = logging.getLogger(__name__)


def opened_by(token: bytes, address: str, accepted: Iterable[Credential], throttle: GuessThrottle) -> Credential:
    """Given a token, who sent it, the credentials in force and the memory for wrong guesses, return the credential that
    it opens. Raises HttpProblem 401 or 429 for a wrong one; the right one works at once, whatever was guessed before.
    """
    credential = credential_for(token, accepted)
    if credential is not None:
        return credential
    seconds = throttle.count_wrong(address, time.monotonic())
    if seconds is not None:
        raise too_many_guesses(math.ceil(seconds))
    _log.warning("wrong token from %s", address)
    raise unauthorized("the token is wrong")
