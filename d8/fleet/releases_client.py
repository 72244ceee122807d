"""The calls about a built slave's own release: what it runs, a new one, the switch, the way back."""

from __future__ import annotations

from dataclasses import dataclass

from d8.fleet.agent_client import SlaveClient
from d8.fleet.answers import Json, NotUnderstood, needed, optional


@dataclass(frozen=True)
class Incoming:
    """How far a release is that was sent: preparing, staged or failed, and then why."""

    state: str
    commit: str
    reason: str
    hint: str


@dataclass(frozen=True)
class Releases:
    """What a slave says of its releases. `previous` is what a rollback leads to."""

    running: str | None
    confirmed: str | None
    previous: str | None
    phase: str
    reason: str
    can_be_updated: bool
    incoming: Incoming | None
    python: tuple[int, int]
    architecture: str
    libc: str


class ReleasesClient:
    """Given a client with the agent's credential. Every call raises what SlaveClient.call raises."""

    def __init__(self, client: SlaveClient) -> None:
        self._client = client

    def show(self) -> Releases:
        """Return what is installed, and how far an update is."""
        return self._client.read(200, _releases, self._client.call("GET", "/api/agent/releases", patience=30))

    def send(self, name: str, content: bytes) -> None:
        """Given a release's file, upload it and have it taken over; the slave checks who signed it."""
        self._client.upload(name, content)
        self._client.call("POST", "/api/agent/releases", json={"file": name}, patience=60)

    def switch(self) -> float:
        """Let the release that was tried have the port; return for how many seconds it may go unconfirmed."""
        answer = self._client.call("POST", "/api/agent/releases/switch", json={}, patience=30)
        return self._client.read(202, lambda found: optional(found, "deadline_seconds", float) or 0.0, answer)

    def roll_back(self) -> str:
        """Begin to go back to the release before; return its commit."""
        answer = self._client.call("POST", "/api/agent/rollback", json={}, patience=30)
        return self._client.read(202, lambda found: needed(found, "commit", str), answer)


def _releases(answer: Json) -> Releases:
    """Given the answer about releases, return it. Raises NotUnderstood."""
    version = needed(answer, "python", list)
    if len(version) != 2 or not all(type(number) is int for number in version):
        raise NotUnderstood("no version of Python")
    update = optional(answer, "update", dict)
    return Releases(
        running=optional(answer, "running", str),
        confirmed=optional(answer, "confirmed_commit", str),
        previous=optional(answer, "previous_commit", str),
        phase=needed(answer, "phase", str),
        reason=optional(answer, "reason", str) or "",
        can_be_updated=bool(answer.get("can_be_updated")),
        incoming=_incoming(update) if update else None,
        python=(version[0], version[1]),
        architecture=needed(answer, "architecture", str),
        libc=needed(answer, "libc", str),
    )


def _incoming(update: Json) -> Incoming:
    texts = {name: optional(update, name, str) or "" for name in ("reason", "hint")}
    return Incoming(needed(update, "state", str), needed(update, "commit", str), **texts)
