"""`python -m slave_agent.healthcheck SETTINGS`: whether the agent answers on its port, for Docker's health check."""

from __future__ import annotations

import sys
from pathlib import Path

from slave_agent.activation.probe import Probe, fingerprint_of
from slave_agent.activation.states import Mode
from slave_agent.credentials import CredentialStore
from slave_agent.errors import AgentError
from slave_agent.settings import load_settings

TIMEOUT_SECONDS = 8.0


def main(settings_file: Path) -> int:
    """Given agent.json, return 0 if the agent of these settings answers on its port, else 1 with the reason."""
    try:
        settings = load_settings(settings_file)
        store = CredentialStore(settings.state_dir, needs_certificates=settings.tls)
        store.load()
    except AgentError as error:
        print(error, file=sys.stderr)
        return 1
    ours = [fingerprint_of(one.certificate) for one in store.credentials.accepted if one.certificate]
    probe = Probe(settings.bind, settings.port, settings.tls, TIMEOUT_SECONDS)
    answer = probe.look({fingerprint for fingerprint in ours if fingerprint})
    is_ours = answer.mode is Mode.AGENT and answer.commit == settings.commit
    print("healthy" if is_ours else f"{answer.mode.value} answered: {answer.problem or answer.commit}")
    return 0 if is_ours else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
