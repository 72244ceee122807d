"""Step 1: who answers at the address, and is it ready to be built. An agent of another commit steps aside first."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from d8.build.progress import Progress, Step
from d8.errors import BuildFailed, D8Error, Refused, SlaveUnreachable
from d8.fleet.agent_client import SlaveClient
from d8.fleet.connection import connect
from d8.fleet.names import Address
from d8.fleet.registry import Registry
from d8.messages import message
from d8.models import CredentialKind, StrategyName
from d8.settings import Settings
from d8.source import Commit

POLL_SECONDS = 0.5
SWAP_SECONDS = 10.0
UNDO_MARGIN_SECONDS = 30.0


@dataclass(frozen=True)
class Server:
    """Who answers: a bootstrap to build with, or an agent that already runs the wanted commit."""

    client: SlaveClient
    is_up_to_date: bool


class Connectivity:
    """Finds the server at an address. Given where, the settings and the registry; clock and sleep can be replaced."""

    def __init__(
        self,
        address: Address,
        settings: Settings,
        registry: Registry,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = address
        self._settings = settings
        self._registry = registry
        self._sleep = sleep
        self._clock = clock

    def find_server(
        self, commit: Commit, wanted_strategy: StrategyName | None, progress: Progress, step: Step
    ) -> Server:
        """Given the wanted commit and, where the operator insists on it, strategy, return who answers.

        Raises SlaveUnreachable; Refused for strangers, Windows.
        """
        client = connect(self._address, self._settings, self._registry)
        health = client.health()
        if str((health.get("host") or {}).get("os", "")).lower().startswith("windows"):
            raise Refused(
                "{host} runs Windows, and the agent runs its apps under systemd",
                "Install WSL 2 there and run the Linux installer inside it.",
                host=self._address,
            )
        if health.get("mode") != "agent":
            step.outcome = message("the bootstrap answers on port {port}", port=self._address.port)
            return Server(client, is_up_to_date=False)
        if health.get("commit") == commit.hash and _is_enrolled(client):
            found_strategy = self._strategy_of(client, commit)
            if wanted_strategy is None or found_strategy in (None, wanted_strategy):
                step.outcome = message("the agent already runs commit {commit}", commit=commit.short)
                return Server(client, is_up_to_date=True)
            text = "the agent runs this commit, but was built by {found}; wanted is {wanted}: it is built again"
            progress.tell(message(text, found=found_strategy, wanted=wanted_strategy))
        elif health.get("commit") == commit.hash:
            progress.tell(
                message("the agent still has the installer's credential: a master was killed at the handover")
            )
        else:
            found = str(health.get("commit"))[:10]
            text = "the agent runs commit {found}; wanted is {wanted}"
            progress.tell(message(text, found=found, wanted=commit.short))
        client.return_to_bootstrap()
        client.close()
        step.outcome = message("the agent gave the port back to the bootstrap")
        return Server(self._wait_for_bootstrap(), is_up_to_date=False)

    def let_swap_end(self) -> None:
        """After a master was killed at the handover: wait until the port has changed hands, or will not any more.

        Then the agent answers, or the bootstrap still, or again; in between nobody may.
        """
        began = self._clock()
        while self._clock() < began + self._settings.confirm_timeout_seconds + UNDO_MARGIN_SECONDS:
            try:
                client = connect(self._address, self._settings, self._registry)
                mode = client.health().get("mode")
                client.close()
                if mode == "agent" or self._clock() > began + SWAP_SECONDS:
                    return
            except (SlaveUnreachable, Refused):
                pass
            self._sleep(POLL_SECONDS)

    def answers_elsewhere(self, address: Address, machine_id: str) -> bool:
        """Given another address and a machine-id, return whether a server that this master trusts has that id there."""
        try:
            client = connect(address, self._settings, self._registry)
            host = client.health().get("host") or {}
            client.close()
        except D8Error:
            return False
        return bool(host.get("machine_id") == machine_id)

    def _strategy_of(self, client: SlaveClient, commit: Commit) -> StrategyName | None:
        """How the agent of this commit was built, if the registry knows: not where a master was killed before that."""
        slave_id = client.credential.slave_id if client.credential else None
        known = (
            slave for slave in self._registry.slaves() if (slave.slave_id, slave.commit) == (slave_id, commit.hash)
        )
        return next((slave.strategy for slave in known), None)

    def _wait_for_bootstrap(self) -> SlaveClient:
        deadline = self._clock() + self._settings.confirm_timeout_seconds
        while self._clock() < deadline:
            try:
                client = connect(self._address, self._settings, self._registry)
                if client.health().get("mode") == "bootstrap":
                    return client
                client.close()
            except (SlaveUnreachable, Refused):  # for a moment nobody holds the port
                pass
            self._sleep(POLL_SECONDS)
        raise BuildFailed(
            "the agent on {host} did not give the port back to its bootstrap",
            "It still runs. Its log says why: journalctl -u d8-agent",
            host=self._address,
        )


def _is_enrolled(client: SlaveClient) -> bool:
    """Whether the agent has its own credential; one with the installer's must not be confirmed with it."""
    return client.credential is None or client.credential.kind is not CredentialKind.INSTALLER
