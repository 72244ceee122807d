"""From a release on the slave to an agent that has proved itself on the port: stage, hand over, enrol, prove, confirm.

The same for every strategy. Until `confirm`, a guard on the slave puts the bootstrap back by itself.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from d8.build.command_failed import CommandFailed
from d8.build.context import BuildContext
from d8.commands import activation
from d8.errors import BuildFailed, D8Error, PermanentFailure, Refused, SlaveUnreachable
from d8.fleet.agent_client import ProblemAnswer, SlaveClient
from d8.fleet.connection import connect
from d8.fleet.issuing import Issued, host_names, issue
from d8.fleet.release_signing import ReleaseSigner
from d8.fleet.trust import FleetAuthority, token_hash
from d8.messages import message
from d8.models import Credential, CredentialKind, Scope

T = TypeVar("T")
POLL_SECONDS = 0.5
UNKNOWN_JOB = 404
UNDO_MARGIN_SECONDS = 30.0
HELPER_FAILED = 502
VERBS = {
    "install": message("writing units and settings"),
    "stage": message("trying the new agent on a loopback port"),
    "handover": message("giving the port to the agent"),
}


@dataclass(frozen=True)
class AgentFacts:
    """What an agent says of itself and its host."""

    commit: str
    pid: int
    hostname: str
    machine_id: str
    scope: Scope
    survives_reboot: bool
    persistence_command: str | None

    @classmethod
    def read(cls, answer: dict[str, Any]) -> AgentFacts:
        """Given the answer of /api/system, return the facts. Raises BuildFailed when it isn't an agent's."""
        try:
            return cls(
                commit=answer["agent"]["commit"],
                pid=answer["agent"]["pid"],
                hostname=answer["hostname"],
                machine_id=answer["machine_id"],
                scope=Scope(answer["activation"]["scope"]),
                survives_reboot=answer["activation"]["survives_reboot"],
                persistence_command=answer["activation"].get("command"),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BuildFailed("the agent's answer about itself can't be read: {reason}", reason=repr(error)) from error


def confirm_patiently(
    client: SlaveClient, seconds: float, clock: Callable[[], float], sleep: Callable[[float], None]
) -> Any:
    """Ask until the slave has confirmed, for at most so many seconds; return the commit that it confirmed.

    Confirming twice is confirming once, so an agent that was killed meanwhile is asked again, and one whose helper was.
    """
    deadline = clock() + seconds
    while True:
        try:
            return client.confirm().get("commit")
        except (SlaveUnreachable, ProblemAnswer) as error:
            is_refusal = isinstance(error, ProblemAnswer) and error.status != HELPER_FAILED
            if is_refusal or clock() > deadline:
                raise
            sleep(POLL_SECONDS)


class Activation:
    """Activates a release. Given the build; clock and sleep can be replaced."""

    def __init__(
        self,
        context: BuildContext,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._context = context
        self._settings = context.settings
        self._address = context.address
        self._slave_id = context.slave_id
        self._registry = context.registry
        self._authority = FleetAuthority(context.settings.data_dir / "pki")
        self._sleep = sleep
        self._clock = clock

    def install_and_stage(self) -> Scope:
        """Write units and settings, arm the guard, and try the new agent on a loopback port beside the bootstrap.

        Returns who will keep the agent alive.
        """
        rescue = self._issue(CredentialKind.RESCUE)
        installed = self._verb(
            "install", stdin=json.dumps(self._install_settings(rescue)), seconds=activation.INSTALL_SECONDS
        )
        self._verb("stage", seconds=activation.STAGE_SECONDS)
        try:
            return Scope(installed["scope"])
        except (KeyError, ValueError) as error:
            raise BuildFailed("the host's answer can't be read: {reason}", reason=repr(error)) from error

    def hand_over(self) -> SlaveClient:
        """Give the port to the agent; return a client that speaks to it with the installer's credential.

        Raises BuildFailed when the bootstrap, not the agent, answers in the end.
        """
        seconds = self._settings.confirm_timeout_seconds
        try:
            answer = self._verb("handover", seconds=self._settings.command_timeout_seconds)
        except (SlaveUnreachable, Refused, ProblemAnswer, BuildFailed) as problem:
            if not _may_have_begun(problem) and not self._agent_answers():
                raise
            self._context.shell.lose_running()
        else:
            seconds = float(answer.get("deadline_seconds") or seconds)
        return self._wait_for_agent(seconds)

    def enroll_and_prove(self, client: SlaveClient) -> tuple[SlaveClient, AgentFacts]:
        """Give the agent its own certificate and token; return a client with them and the agent's own facts.

        Proof, from here: TLS with the new certificate, the new token, the commit that was sent, the same process still
        up after the stabilisation time.
        """
        issued = self._issue(CredentialKind.AGENT)
        self._enroll(client, issued)
        client.close()
        enrolled = self._client(issued.credential)
        first = self._prove(enrolled)
        self._sleep(self._settings.stabilisation_seconds)
        second = self._prove(enrolled)
        if first.pid != second.pid:
            raise BuildFailed(
                "the agent was restarted within {seconds} s: it does not stay up",
                "Its log on the slave says why: journalctl -u d8-agent",
                seconds=f"{self._settings.stabilisation_seconds:g}",
            )
        enrolled.set_webhook(self._settings.webhook_secret, self._settings.webhook_is_plain)
        return enrolled, second

    def confirm(self, client: SlaveClient) -> None:
        """Make it final: the installer's secrets die, the guard is disarmed."""
        confirm_patiently(client, self._settings.confirm_timeout_seconds, self._clock, self._sleep)

    def wait_until_undone(self) -> bool:
        """Wait until the guard on the slave has put the bootstrap back, so that another attempt finds it there; return
        whether anybody answered."""
        deadline = self._clock() + self._settings.confirm_timeout_seconds + UNDO_MARGIN_SECONDS
        is_anybody_there = False
        while self._clock() < deadline:
            try:
                client = connect(self._address, self._settings, self._registry)
                mode = client.health().get("mode")
                client.close()
                is_anybody_there = True
                if mode == "bootstrap":
                    break
            except (SlaveUnreachable, Refused):
                pass
            self._sleep(POLL_SECONDS)
        return is_anybody_there

    def explained(self, error: D8Error) -> D8Error:
        """Given why a handover failed, as seen from here, return it with the reason that the slave itself recorded."""
        if type(error) is SlaveUnreachable:  # the agent that was to be proved died: somebody answers again
            error = BuildFailed("{reason}", "{advice}", reason=error.message, advice=error.hint)
        if type(error) is not BuildFailed:
            return error
        command = activation.verb(self._context.facts, self._context.release, "status")
        seconds, purpose = self._settings.command_timeout_seconds, message("asking the slave for its reason")
        try:
            asked = self._context.shell.run(
                command, timeout_seconds=seconds, purpose=purpose, shows_output=False, replayable=False
            )
        except D8Error:
            return error
        reason = activation.read(asked.stdout).get("reason")
        if not reason:
            return error
        text = "{error}; the slave says: {reason}"
        return BuildFailed(text, "{advice}", error=error.message, reason=reason, advice=error.hint)

    def _enroll(self, client: SlaveClient, issued: Issued) -> None:
        """Enrol, also over a link that goes away: what has arrived makes the agent refuse the certificate or the token
        that it had before, and whether it has, `_prove` finds out."""
        enrolment = issued.enrolment(self._authority, self._settings.tls, begins_anew=True)
        attempts = 0

        def enroll() -> None:
            nonlocal attempts
            attempts += 1
            try:
                client.enroll(enrolment)
            except Refused:
                if attempts == 1:
                    raise

        self._patiently(enroll)

    def _patiently(self, call: Callable[[], T]) -> T:
        """Repeat a call that is safe to repeat while the link is away, for as long as the slave waits for confirm."""
        deadline = self._clock() + self._settings.confirm_timeout_seconds
        while True:
            try:
                return call()
            except SlaveUnreachable:
                if self._clock() > deadline:
                    raise
                self._sleep(POLL_SECONDS)

    def _prove(self, client: SlaveClient) -> AgentFacts:
        facts, wanted = AgentFacts.read(self._patiently(client.system)), self._context.commit.hash
        if facts.commit != wanted:
            raise BuildFailed("the agent runs commit {found} and not {wanted}", found=facts.commit, wanted=wanted)
        return facts

    def _wait_for_agent(self, seconds: float) -> SlaveClient:
        """Poll the port until the agent answers with the right commit; in between nobody may answer."""
        deadline = self._clock() + seconds
        last: D8Error | None = None
        mode = "nobody"
        while self._clock() < deadline:
            try:
                client = connect(self._address, self._settings, self._registry)
                health = client.health()
                mode = str(health.get("mode"))
                if self._is_wanted(health):
                    return client
                client.close()
            except (SlaveUnreachable, Refused) as error:
                last = error
            self._sleep(POLL_SECONDS)
        raise BuildFailed(
            "the agent did not take over the port within {seconds} s (answering: {mode}; last: {last})",
            "The guard on the slave puts the bootstrap back by itself; then build again.",
            seconds=f"{seconds:g}",
            mode=mode,
            last=last.message if last else "-",
        )

    def _agent_answers(self) -> bool:
        """Whether the new agent has the port by now."""
        try:
            client = connect(self._address, self._settings, self._registry)
            health = client.health()
            client.close()
        except (SlaveUnreachable, Refused):
            return False
        return self._is_wanted(health)

    def _is_wanted(self, health: dict[str, Any]) -> bool:
        return bool(health.get("mode") == "agent" and health.get("commit") == self._context.commit.hash)

    def _issue(self, kind: CredentialKind) -> Issued:
        """Make a token and a certificate for this slave, and remember them before anything of them is sent."""
        facts = self._context.facts
        others = self._registry.slaves_besides(self._slave_id)
        hosts = host_names(self._address.host, facts.hostname, facts.addresses, others)
        issued = issue(self._registry, self._authority, kind, self._slave_id, hosts, self._settings.tls)
        self._context.masker.add([issued.credential.token])
        return issued

    def _client(self, credential: Credential) -> SlaveClient:
        return SlaveClient(
            self._address,
            credential,
            tls=self._settings.tls,
            connect_timeout=self._settings.connect_timeout_seconds,
        )

    def _verb(self, name: str, seconds: float, stdin: str | None = None) -> dict[str, Any]:
        command = activation.verb(self._context.facts, self._context.release, name)
        try:
            result = self._context.shell.require(
                command, VERBS[name], timeout_seconds=seconds, stdin=stdin, shows_output=False
            )
        except CommandFailed as failure:
            said = activation.read(failure.result.stdout)
            if "error" not in said:
                raise
            # A refused `install` has found something on the host that another attempt would find again.
            kind = PermanentFailure if name == "install" else BuildFailed
            raise kind("{said}", "{advice}", said=said["error"], advice=said.get("hint", "")) from failure
        return activation.read(result.stdout)

    def _install_settings(self, rescue: Issued) -> dict[str, Any]:
        facts, settings = self._context.facts, self._settings
        return {
            "scope": facts.wanted_scope,
            "port": self._address.port,
            "bind": settings.slave_bind,
            "slave_id": self._slave_id,
            "tls": settings.tls,
            "release": self._context.release,
            "commit": self._context.commit.hash,
            "branch": self._context.commit.branch,
            "bootstrap": {
                "user": facts.user,
                "config": facts.bootstrap_config,
                "server": facts.bootstrap_server,
                "pid": facts.bootstrap_pid,
            },
            "rescue": {
                "token_sha256": token_hash(rescue.credential.token),
                "certificate": rescue.key_pair.certificate if settings.tls else None,
                "private_key": rescue.key_pair.private_key if settings.tls else None,
            },
            "confirm_timeout_seconds": settings.confirm_timeout_seconds,
            "allowed_hosts": [self._address.host] if ":" not in self._address.host else [],
            "language": settings.language,
            "release_key": ReleaseSigner(settings.data_dir / "pki").public_key,
        }


def _may_have_begun(problem: D8Error) -> bool:
    """Given why the job of a handover was not followed to its end, return whether the port may change hands all the
    same: who has it afterwards has another certificate, and never heard of the job. Pure."""
    if isinstance(problem, ProblemAnswer):
        return problem.status == UNKNOWN_JOB
    return isinstance(problem, SlaveUnreachable | Refused)
