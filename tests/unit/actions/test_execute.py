"""A command on slaves: how its end is told, and that Ctrl+C ends it on the slave too."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from d8.actions import execute as module
from d8.actions.execute import execute
from d8.actions.workplace import Workplace
from d8.errors import ExitCode
from d8.fleet import job_reader
from d8.fleet.agent_client import Job, JobRequest
from tests.support.fakes import make_settings, make_slave

HOSTS = ("192.0.2.1", "192.0.2.2", "192.0.2.3")


class InMemoryClient:
    """A slave's job, which goes on until it is cancelled unless `state` says how it ended."""

    def __init__(self, state: str = "running", exit_code: int | None = None) -> None:
        self.state = state
        self.exit_code = exit_code
        self.started = threading.Event()
        self.cancelled: list[str] = []

    def start_job(self, request: JobRequest) -> None:
        """Remember the job."""
        self.job_id = request.id

    def job(self, job_id: str, offset: int = 0, stderr_offset: int = 0, wait_seconds: float = 0) -> Job:
        """A poll that is not long."""
        assert job_id == self.job_id
        self.started.set()
        time.sleep(0.01)
        return Job(job_id, self.state, self.exit_code, "", offset, "", stderr_offset, 0.1)

    def cancel_job(self, job_id: str) -> Job:
        """Remember that it was asked for."""
        self.cancelled.append(job_id)
        return self.job(job_id)

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Workplace]:
    made = Workplace(make_settings(tmp_path))
    for host in HOSTS:
        made.registry.save_slave(make_slave(host))
    yield made
    made.close()


def test_ctrl_c_cancels_the_command_on_every_slave(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    clients = {host: InMemoryClient() for host in HOSTS}
    monkeypatch.setattr(module, "connect_to_slave", lambda slave, *_: clients[slave.address])

    def interrupt() -> None:
        if all(client.started.wait(30) for client in clients.values()):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    presser = threading.Thread(target=interrupt)
    presser.start()
    with pytest.raises(KeyboardInterrupt):
        execute(workplace, [f"slave-{host.replace('.', '-')}" for host in HOSTS], "sleep 300")
    presser.join()
    assert [client.cancelled for client in clients.values()] == [[client.job_id] for client in clients.values()]


@pytest.mark.parametrize(
    ("state", "told"),
    [("timed_out", "longer than 300 s"), ("cancelled", "cancelled"), ("lost", "lost"), ("odd", "does not know")],
)
def test_an_end_from_outside_is_told_in_words(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, state: str, told: str
) -> None:
    monkeypatch.setattr(module, "connect_to_slave", lambda *_: InMemoryClient(state))
    [execution] = execute(workplace, ["slave-192-0-2-1"], "sleep 400")
    assert told in str(execution.error) and execution.kind is ExitCode.FAILED


@pytest.mark.parametrize(
    ("state", "exit_code", "result"),
    [("succeeded", 0, "done"), ("failed", 3, "exit code 3"), ("timed_out", None, "failed")],
)
def test_that_a_command_ran_is_written_down_but_not_its_text(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, state: str, exit_code: int | None, result: str
) -> None:
    client = InMemoryClient(state, exit_code)
    monkeypatch.setattr(module, "connect_to_slave", lambda *_: client)
    execute(workplace, ["192.0.2.1"], "echo hush")
    [deed] = workplace.registry.audit.newest(10)
    assert (deed.action, deed.subject, deed.result) == ("exec", "slave-192-0-2-1", result)
    assert "hush" not in str(deed)


class EndlessClient(InMemoryClient):
    """A slave that answers every poll with more, and never with an end."""

    def job(self, job_id: str, offset: int = 0, stderr_offset: int = 0, wait_seconds: float = 0) -> Job:
        """A mebibyte more."""
        text = "x" * 2**20
        return Job(job_id, self.state, self.exit_code, text, offset + len(text), "", stderr_offset, 0.1)


def test_a_command_that_a_slave_never_ends_is_given_up(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "connect_to_slave", lambda *_: EndlessClient())
    monkeypatch.setattr(job_reader, "MARGIN_SECONDS", -299.0)
    [execution] = execute(workplace, ["slave-192-0-2-1"], "yes")
    assert "does not end" in str(execution.error) and execution.kind is ExitCode.UNREACHABLE
