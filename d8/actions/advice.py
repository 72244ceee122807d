"""What an operator should know about settings that work but weaken the fleet. Pure."""

from __future__ import annotations

from d8.messages import Message, message
from d8.settings import Settings


def settings_warnings(settings: Settings) -> list[Message]:
    """Given the settings, return a warning for each one that deserves a thought."""
    found = []
    if settings.slave_auth_token:
        found.append(
            message(
                "SLAVE_AUTH_TOKEN is set: every installer carries the same token. Empty it, and each gets a strong one."
            )
        )
    if not settings.tls:
        found.append(message("D8_TLS=off: the token travels unencrypted. Only for a link that is encrypted already."))
    if settings.git_token and (settings.repo_url or "").lower().startswith("http://"):
        found.append(message("D8_REPO_URL is http://: GIT_TOKEN travels unencrypted. Use https://."))
    return found
