"""From a built slave to the same one with another release: sent, tried beside the old one, switched, proved, confirmed.

Until `confirm`, a guard on the slave lets the old release answer again by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from d8.build.activation import POLL_SECONDS, UNDO_MARGIN_SECONDS, AgentFacts, confirm_patiently
from d8.build.release_bundle import AgentRuntime, ReleaseBundles
from d8.build.unfinished import only_builder_of
from d8.errors import BuildFailed, D8Error, Refused, SlaveUnreachable
from d8.fleet.agent_client import ProblemAnswer, SlaveClient
from d8.fleet.connection import connect_to_slave
from d8.fleet.names import Address
from d8.fleet.registry import Registry
from d8.fleet.releases_client import Releases, ReleasesClient
from d8.messages import Message, message
from d8.models import Slave
from d8.settings import Settings

Tell = Callable[[Slave, Message], None]
PREPARING_POLL_SECONDS = 1.5
BUILD_IT = "Build it once more (option 11); from then on it can be updated."


@dataclass(frozen=True)
class Tools:
    """What an update works with. `tell` hears of each step; sleep and clock (monotonic seconds) can be replaced."""

    settings: Settings
    registry: Registry
    tell: Tell
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


class SlaveUpdate:
    """Changes the release of one slave, once. Given the slave and the tools.

    `has_begun` says whether the slave has got anything of the new release: until then a failure says nothing about it.
    """

    def __init__(self, slave: Slave, tools: Tools) -> None:
        self._slave = slave
        self._tools = tools
        self._settings = tools.settings
        self.has_begun = False

    def update(self, bundles: ReleaseBundles) -> bool:
        """Given where releases come from, bring the slave to that commit; False when it runs it already.

        Raises D8Error; then the slave has, or gets by itself, the release that it had before.
        """
        with self._alone():
            client = self._connect()
            try:
                releases, known = ReleasesClient(client), self._known(client)
                if known.running == known.confirmed == bundles.commit.hash:
                    self._remember(AgentFacts.read(client.system()))
                    return False
                self._send(releases, known, bundles)
                self._tell(message("giving the port to the new release"))
                seconds = releases.switch() or self._settings.confirm_timeout_seconds
            finally:
                client.close()
            self._take_over(bundles.commit.hash, seconds, known)
            return True

    def roll_back(self) -> tuple[str | None, str]:
        """Let the release before the present one run again; return both commits. Raises D8Error."""
        with self._alone():
            client = self._connect()
            try:
                known = self._known(client)
                self._tell(message("going back to the release before"))
                wanted = ReleasesClient(client).roll_back()
            finally:
                client.close()
            try:
                client = self._wait_for(wanted, self._settings.confirm_timeout_seconds + UNDO_MARGIN_SECONDS)
            except D8Error as error:
                raise self._undone(error, known) from error
            try:
                self._wait_until_settled(client, wanted)
                self._remember(AgentFacts.read(client.system()))
            finally:
                client.close()
            return known.running, wanted

    def _known(self, client: SlaveClient) -> Releases:
        """What the slave says. Raises Refused for one that was built before it could be updated."""
        try:
            known = ReleasesClient(client).show()
        except ProblemAnswer as error:
            if error.status != 404:
                raise
            raise Refused(
                "the agent of {slave} is too old to be updated", BUILD_IT, slave=self._slave.slave_id
            ) from error
        if not known.can_be_updated:
            text = "{slave} was given no key that its updates could be signed with"
            raise Refused(text, BUILD_IT, slave=self._slave.slave_id)
        return known

    def _send(self, releases: ReleasesClient, known: Releases, bundles: ReleaseBundles) -> None:
        """Bring the release as far as its trial; what an interrupted update has begun of the same one goes on."""
        commit = bundles.commit.hash
        self.has_begun = True
        is_there = known.incoming is not None and known.incoming.commit == commit
        if not (is_there and known.incoming and known.incoming.state == "preparing"):
            self._tell(message("sending release {commit}", commit=bundles.commit.short))
            runtime = AgentRuntime(known.architecture, known.libc, known.python)
            releases.send(f"release-{commit}", bundles.bundle(self._slave, runtime))
        self._tell(message("the slave prepares it and tries it beside the old one"))
        deadline = self._tools.clock() + 2 * self._settings.install_timeout_seconds
        while self._tools.clock() < deadline:
            incoming = self._ask_patiently(releases).incoming
            if incoming is not None and incoming.commit == commit:
                if incoming.state == "staged":
                    return
                if incoming.state == "failed":
                    raise BuildFailed("{said}", "{advice}", said=incoming.reason, advice=incoming.hint)
            self._tools.sleep(PREPARING_POLL_SECONDS)
        raise BuildFailed("the slave did not get ready with the new release in time", "Look at its load and its disk.")

    def _ask_patiently(self, releases: ReleasesClient) -> Releases:
        """Ask how far it is; an agent or a helper that was killed is back in a moment, and the work goes on without
        them.
        """
        deadline = self._tools.clock() + self._settings.confirm_timeout_seconds
        while True:
            try:
                return releases.show()
            except (SlaveUnreachable, ProblemAnswer):
                if self._tools.clock() > deadline:
                    raise
                self._tools.sleep(PREPARING_POLL_SECONDS)

    def _take_over(self, commit: str, seconds: float, known: Releases) -> None:
        """Prove the new release and confirm it. Raises BuildFailed that says who answers instead."""
        try:
            client = self._wait_for(commit, seconds)
            try:
                facts = self._prove(client, commit)
                self._confirm(client, commit)
                self._remember(facts)
            finally:
                client.close()
        except (D8Error, OSError) as error:
            raise self._undone(error, known) from error

    def _prove(self, client: SlaveClient, commit: str) -> AgentFacts:
        """The commit that was sent, and still the same process after the stabilisation time."""
        seconds = self._settings.stabilisation_seconds
        self._tell(message("proving the new release for {seconds} s", seconds=f"{seconds:g}"))
        first = AgentFacts.read(client.system())
        self._tools.sleep(seconds)
        second = AgentFacts.read(client.system())
        if first.commit != commit or second.commit != commit:
            raise BuildFailed("the agent runs commit {found} and not {wanted}", found=second.commit, wanted=commit)
        if first.pid != second.pid:
            raise BuildFailed(
                "the agent was restarted within {seconds} s: it does not stay up",
                "Its log on the slave says why: journalctl -u d8-agent",
                seconds=f"{seconds:g}",
            )
        return second

    def _confirm(self, client: SlaveClient, commit: str) -> None:
        seconds = self._settings.confirm_timeout_seconds
        confirmed = confirm_patiently(client, seconds, self._tools.clock, self._tools.sleep)
        if confirmed != commit:  # the guard was faster
            text = "the agent runs commit {found} and not {wanted}"
            raise BuildFailed(text, found=confirmed, wanted=commit)

    def _undone(self, error: D8Error | OSError, known: Releases) -> D8Error:
        """Wait for the release before to answer again; return an error that says whether it does."""
        reason = error.message if isinstance(error, D8Error) else message("{reason}", reason=error)
        try:
            client = self._wait_for(str(known.running), self._settings.confirm_timeout_seconds + UNDO_MARGIN_SECONDS)
        except D8Error as problem:
            text = "{reason}; and the release before, {commit}, does not answer yet ({problem})"
            values = {"reason": reason, "commit": str(known.running)[:10], "problem": problem.message}
            return BuildFailed(text, "Ask again in a minute: start_d8.py status", **values)
        text = "{reason}; the release before, {commit}, answers again"
        commit = str(known.running)[:10]
        if said := _reason_of(client):
            return BuildFailed(text, "The slave says: {said}", reason=reason, commit=commit, said=said)
        return BuildFailed(text, "Its log on the slave says why: journalctl -u d8-agent", reason=reason, commit=commit)

    def _wait_for(self, commit: str, seconds: float) -> SlaveClient:
        """Poll until the agent answers with that commit; return a client for it. Raises BuildFailed."""
        deadline, last = self._tools.clock() + seconds, message("nobody answers")
        while self._tools.clock() < deadline:
            try:
                client = self._connect()
                found = client.health()
                if found.get("mode") == "agent" and found.get("commit") == commit:
                    return client
                client.close()
                last = message("commit {commit} answers", commit=str(found.get("commit"))[:10])
            except (SlaveUnreachable, Refused) as error:
                last = error.message
            self._tools.sleep(POLL_SECONDS)
        text = "release {commit} did not answer within {seconds} s ({last})"
        raise BuildFailed(text, commit=commit[:10], seconds=f"{seconds:g}", last=last)

    def _wait_until_settled(self, client: SlaveClient, commit: str) -> None:
        """A release answers a moment before the slave has written down that it stays."""
        deadline = self._tools.clock() + self._settings.confirm_timeout_seconds
        while self._tools.clock() < deadline:
            known = ReleasesClient(client).show()
            if known.confirmed == commit and known.phase == "confirmed":
                return
            self._tools.sleep(POLL_SECONDS)
        raise BuildFailed("the slave did not settle on release {commit}", commit=commit[:10])

    def _remember(self, facts: AgentFacts) -> None:
        self._tools.registry.save_slave(replace(self._slave, commit=facts.commit, hostname=facts.hostname))

    def _connect(self) -> SlaveClient:
        return connect_to_slave(self._slave, self._settings, self._tools.registry)

    def _alone(self) -> AbstractContextManager[None]:
        address = Address(self._slave.address, self._slave.port)
        return only_builder_of(self._settings.data_dir / "build_logs", address)

    def _tell(self, words: Message) -> None:
        self._tools.tell(self._slave, words)


def _reason_of(client: SlaveClient) -> str:
    """Why the slave went back to where it is now, as far as it can say; the client is closed."""
    try:
        return ReleasesClient(client).show().reason
    except D8Error:
        return ""
    finally:
        client.close()
