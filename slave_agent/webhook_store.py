"""Where the webhook's secret lies: a file of its own in the state folder, which only the agent can read."""

from __future__ import annotations

import json
from pathlib import Path

from slave_agent.durable_files import sync_folder, write_atomically
from slave_agent.errors import AgentError
from slave_agent.webhook import WebhookSecret, problem_with_secret

FILE_NAME = "webhook.json"


class WebhookNotKept(AgentError):
    """The secret can't be written."""


class WebhookStore:
    """Given the state folder. Without a file the webhook is off."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / FILE_NAME
        self._secret: WebhookSecret | None = None

    @property
    def secret(self) -> WebhookSecret | None:
        """What is in force; None: off."""
        return self._secret

    def load(self) -> str | None:
        """Read the file. Return what is wrong with it, None if nothing: with a wrong file the webhook stays off."""
        try:
            document = json.loads(self.path.read_text(encoding="utf-8"))
            found = WebhookSecret(document["secret"], document["plain"] is True)
            problem = problem_with_secret(found.secret)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            return f"{self.path} can't be used: {type(error).__name__}"
        if problem is None:
            self._secret = found
            return None
        return f"{self.path} can't be used: {problem}"

    def set(self, secret: WebhookSecret | None) -> None:
        """Given what is to be in force, None to turn the webhook off, keep it. Raises WebhookNotKept."""
        try:
            if secret is None:
                self.path.unlink(missing_ok=True)
                sync_folder(self.path.parent)
            else:
                document = {"secret": secret.secret, "plain": secret.allows_plain}
                write_atomically(self.path, json.dumps(document).encode())
        except OSError as error:
            raise WebhookNotKept(f"{self.path} can't be written: {error.strerror}", "Look at the disk.") from error
        self._secret = secret
