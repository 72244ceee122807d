"""The handover as the master sees it: a link that goes away for a moment costs no healthy agent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from d8.build import activation as module
from d8.build.activation import Activation
from d8.build.build_log import BuildLog
from d8.build.recorder import RemoteShell
from d8.errors import BuildFailed, D8Error, Refused, SlaveUnreachable
from d8.fleet.agent_client import Job, ProblemAnswer
from d8.fleet.names import Address
from d8.fleet.registry import Registry
from d8.masking import Masker
from d8.models import CredentialKind
from tests.support.fakes import COMMIT, make_settings

GONE = SlaveUnreachable("away")
UNKNOWN = ProblemAnswer(404, "There is no job", "")
OTHER = Refused("presented another certificate")
SYSTEM = {
    "agent": {"commit": COMMIT, "pid": 7},
    "hostname": "pi",
    "machine_id": "m",
    "activation": {"scope": "system", "survives_reboot": True},
}


class Slave:
    """Bootstrap, then agent, behind one port. `polls` and `calls` are what the link does: an error, or None."""

    credential = None

    def __init__(self, polls: list[D8Error | None], calls: list[D8Error | None], mode: str = "agent") -> None:
        self.polls, self.calls, self.mode = polls, calls, mode
        self.enrolled = 0

    def start_job(self, _request: object) -> None:
        """The handover begins."""

    def job(self, job_id: str, *_arguments: object) -> Job:
        """One poll."""
        problem = self.polls.pop(0) if self.polls else UNKNOWN
        if problem:
            raise problem
        return Job(job_id, "succeeded", 0, "", 0, "", 0, 0.1)

    def health(self) -> dict[str, Any]:
        """Who answers."""
        return {"mode": self.mode, "commit": COMMIT}

    def enroll(self, _body: object) -> None:
        """The link may go away before or after it was done."""
        self.enrolled += 1
        self._call()

    def system(self) -> dict[str, Any]:
        """The agent's facts."""
        self._call()
        return SYSTEM

    def set_webhook(self, *_arguments: object) -> None:
        """Taken."""

    def close(self) -> None:
        """Nothing is open."""

    def _call(self) -> None:
        problem = self.calls.pop(0) if self.calls else None
        if problem:
            raise problem


class Time:
    """A clock that runs only while somebody sleeps."""

    now = 0.0

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    def __call__(self) -> float:
        """The time."""
        return self.now


Make = Callable[..., tuple[Activation, Slave, BuildLog]]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    registry, time = Registry(tmp_path / "data"), Time()

    def made(
        polls: list[D8Error | None], calls: list[D8Error | None], mode: str = "agent"
    ) -> tuple[Activation, Slave, BuildLog]:
        slave: Any = Slave(polls, calls, mode)
        log = BuildLog(tmp_path / "logs", "s", "h", datetime.now(UTC), Masker())
        shell = RemoteShell(slave, log, Masker(), lambda _event: None, time.sleep, time)
        context: Any = SimpleNamespace(
            address=Address("192.0.2.1"), slave_id="s", settings=make_settings(tmp_path), registry=registry,
            shell=shell, masker=Masker(), commit=SimpleNamespace(hash=COMMIT), release="/r",
            facts=SimpleNamespace(hostname="pi", addresses=(), python="python3", as_owner=lambda words: words),
        )  # fmt: skip
        monkeypatch.setattr(module, "connect", lambda *_: slave)
        monkeypatch.setattr(Activation, "_client", lambda *_: slave)
        return Activation(context, time.sleep, time), slave, log

    yield made
    registry.close()


@pytest.mark.parametrize(
    "polls",
    [[None], [UNKNOWN], [OTHER], [GONE, GONE, UNKNOWN], [GONE] * 100],
    ids=["seen", "404", "cert", "cut", "away"],
)
def test_who_has_the_port_after_the_handover_need_not_know_its_job(make: Make, polls: list[D8Error | None]) -> None:
    activation, slave, log = make(polls, [])
    assert activation.hand_over() is slave
    assert log.document["commands"][-1]["state"] in ("succeeded", "lost")


@pytest.mark.parametrize("polls", [[UNKNOWN], [GONE] * 100])
def test_a_handover_after_which_the_bootstrap_answers_has_failed(make: Make, polls: list[D8Error | None]) -> None:
    activation, _, _ = make(polls, [], mode="bootstrap")
    with pytest.raises(BuildFailed, match="did not take over the port"):
        activation.hand_over()


def test_another_answer_about_the_job_is_told_as_it_is(make: Make) -> None:
    activation, _, _ = make([ProblemAnswer(507, "the disk is full", "")], [], mode="bootstrap")
    with pytest.raises(ProblemAnswer, match="disk is full"):
        activation.hand_over()


@pytest.mark.parametrize(
    "calls",
    [[GONE], [GONE, GONE, OTHER], [None, GONE, None, GONE]],
    ids=["not-arrived", "answer-lost", "while-proving"],
)
def test_enrolment_and_proof_wait_for_the_link(make: Make, calls: list[D8Error | None]) -> None:
    activation, slave, _ = make([None], calls)
    _, facts = activation.enroll_and_prove(activation.hand_over())
    assert facts.pid == 7 and slave.enrolled >= 1 and not slave.calls


def test_an_enrolment_that_is_refused_at_once_is_refused(make: Make) -> None:
    activation, _, _ = make([None], [OTHER])
    with pytest.raises(Refused):
        activation.enroll_and_prove(activation.hand_over())


def test_the_token_that_is_made_is_masked_from_then_on(make: Make) -> None:
    activation, _, _ = make([None], [])
    activation.enroll_and_prove(activation.hand_over())
    context = activation._context
    [made] = context.registry.credentials(CredentialKind.AGENT)
    assert context.masker.mask(f"it is {made.token}") == "it is ***"
