"""The verb `prove`: the agent is asked from outside its process, as a client would: TLS, token, commit, and again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from slave_agent.activation.context import Activation
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.patience import wait_for_answer
from slave_agent.activation.probe import Answer, Probe, Said
from slave_agent.activation.record import Record
from slave_agent.activation.states import Mode, Phase

PATIENCE_SECONDS = 45.0
PAUSE_SECONDS = 0.3
CALL_SECONDS = 10.0
JOURNAL = "Its log says why: journalctl -u d8-agent"


@dataclass(frozen=True)
class Proof:
    """What one look from outside found: the agent's process, and whether the token was tried."""

    pid: int | None
    fingerprint: str | None


def prove(activation: Activation, token: str | None, stabilisation_seconds: float) -> dict[str, Any]:
    """Given a token (None: nobody has it any more) and how long the agent has to stay up, prove that it works.

    The certificate is ours, the commit the installed one, a call without a token is refused, the one with it is
    served, and after the time it is still the same process. Raises ActivationError with what is not so.
    """
    record = activation.store.load()
    answer = wait_for_answer(
        lambda seconds: activation.look(record, seconds),
        lambda found: found.mode is Mode.AGENT and found.commit == record.commit,
        PATIENCE_SECONDS,
        PAUSE_SECONDS,
        activation.sleep,
    )
    _check_not_taken_back(activation, record)
    before = _look(activation, record, answer, token)
    activation.sleep(stabilisation_seconds)
    answer = activation.look(record)
    _check_not_taken_back(activation, record)
    after = _look(activation, record, answer, token)
    if before.pid != after.pid:
        raise ActivationError(
            f"The agent does not stay up: within {stabilisation_seconds:g} s process {before.pid} became {after.pid}.",
            JOURNAL,
        )
    return {
        "proved": True,
        "commit": record.commit,
        "pid": after.pid,
        "fingerprint": after.fingerprint,
        "token_was_tried": token is not None,
        "seconds": round(stabilisation_seconds, 1),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _check_not_taken_back(activation: Activation, record: Record) -> None:
    """Raises ActivationError with the guard's reason when the guard was faster: whoever answers now says nothing."""
    now = activation.store.find()
    if now is None or now.commit != record.commit or now.phase is Phase.ROLLED_BACK:
        reason = (now.reason if now else None) or "it is removed"
        raise ActivationError(f"The new release was taken back meanwhile: {reason}", JOURNAL)


def _look(activation: Activation, record: Record, answer: Answer, token: str | None) -> Proof:
    if answer.mode is not Mode.AGENT:
        reason = answer.problem or f"a {answer.mode.value} answers"
        raise ActivationError(f"The agent does not answer on port {record.port}: {reason}", JOURNAL)
    if answer.commit != record.commit:
        raise ActivationError(f"The agent runs commit {answer.commit}, not {record.commit}.", JOURNAL)
    probe = Probe(record.bind, record.port, record.tls, CALL_SECONDS)
    ours = activation.known_fingerprints(record)
    refused = probe.call("/api/system", ours)
    if refused.status != 401:
        raise ActivationError(f"A call without a token got {refused.status} instead of 401.", JOURNAL)
    pid = activation.keeper.agent_pid()
    if token is None:
        return Proof(pid, answer.fingerprint)
    served = probe.call("/api/system", ours, token)
    return Proof(_pid(served, record.commit), answer.fingerprint)


def _pid(served: Said, commit: str) -> int:
    if served.status in (401, 403):
        raise ActivationError("The agent refuses the token.", "Name the file that holds it: --token-file FILE")
    agent = served.document.get("agent")
    if served.status != 200 or not isinstance(agent, dict) or not isinstance(agent.get("pid"), int):
        raise ActivationError(f"A call with the token got {served.status} and no facts.", JOURNAL)
    if agent.get("commit") != commit:
        raise ActivationError(f"The agent says that it runs commit {agent.get('commit')}, not {commit}.", JOURNAL)
    return int(agent["pid"])
