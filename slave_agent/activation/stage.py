"""The verb `stage`: the new release answers on a loopback port, in its sandbox, before the real port is touched."""

from __future__ import annotations

from typing import Any

from slave_agent.activation.context import Activation, agent_certificates
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.patience import wait_for_answer
from slave_agent.activation.probe import Answer, Probe, fingerprint_of, free_loopback_port
from slave_agent.activation.states import Mode, Phase, Speaker

PATIENCE_SECONDS = 30.0
PAUSE_SECONDS = 0.2


def stage(activation: Activation) -> dict[str, Any]:
    """Try the installed release; return its health. Raises ActivationError with the last log lines where it fails."""
    record = activation.store.load()
    if record.phase.awaits_confirmation or (record.phase is Phase.CONFIRMED):
        raise ActivationError("There is no new release to try.", "Run install first.")
    port = free_loopback_port()
    try:
        started = activation.keeper.start_staging(activation.layout.release(record.commit), port)
        answer = _wait_for(activation, port, record.tls) if started.is_ok else None
        problem = started.reason if answer is None else _problem(record.commit, answer)
        lines = activation.keeper.last_lines(Speaker.STAGING) if problem else []
    finally:
        activation.keeper.stop_staging()
    if problem or answer is None:
        raise ActivationError(f"The new agent does not work: {problem}", "Its last words: " + " | ".join(lines[-8:]))
    activation.store.update(phase=Phase.STAGED, reason=None)
    return {"healthy": True, "health": answer.health, "port": port, "fingerprint": answer.fingerprint}


def _wait_for(activation: Activation, port: int, tls: bool) -> Answer:
    return wait_for_answer(
        lambda seconds: Probe("127.0.0.1", port, tls, seconds).look(_expected_fingerprints(activation)),
        lambda answer: answer.mode is not Mode.NOBODY,
        PATIENCE_SECONDS,
        PAUSE_SECONDS,
        activation.sleep,
    )


def _expected_fingerprints(activation: Activation) -> set[str]:
    newest = agent_certificates(activation.layout)[:1]
    return {found for found in map(fingerprint_of, newest) if found}


def _problem(commit: str, answer: Answer) -> str:
    """What is wrong with the answer; empty when it is the right agent."""
    if answer.mode is not Mode.AGENT:
        return answer.problem or f"a {answer.mode.value} answered"
    if answer.commit != commit:
        return f"it says commit {answer.commit}, not {commit}"
    return ""
