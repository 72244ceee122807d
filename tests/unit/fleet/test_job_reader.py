"""Reading a job: whatever a slave answers, it ends, and only the end of an endless output is kept."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest

from d8.errors import SlaveUnreachable
from d8.fleet.agent_client import Job
from d8.fleet.job_reader import KEPT_CHARACTERS, MARGIN_SECONDS, REST_SECONDS, JobOutput, read_to_end

MEBIBYTE = 2**20


class Slave:
    """Answers polls with what the script says, each a second after the other: state, stdout, stderr."""

    def __init__(self, script: Iterator[tuple[str, str, str]]) -> None:
        self._script = script
        self.now = 0.0

    def ask(self, offset: int, stderr_offset: int, _wait: float) -> Job:
        """Given the offsets, give the next answer."""
        self.now += 1
        state, out, err = next(self._script)
        return Job("j", state, None, out, offset + len(out), err, stderr_offset + len(err), 0.1)

    def read(self, timeout_seconds: float = 5) -> JobOutput:
        """Read the job to its end."""
        return read_to_end(self.ask, lambda *_: None, lambda: None, timeout_seconds, lambda: self.now)


def forever(*answer: str) -> Iterator[tuple[str, str, str]]:
    """The same answer without end."""
    while True:
        yield answer[0], answer[1], answer[2]


def test_a_job_that_runs_for_ever_is_given_up_after_its_time() -> None:
    slave = Slave(forever("running", "", ""))
    with pytest.raises(SlaveUnreachable, match="may take 5 s"):
        slave.read()
    assert slave.now == pytest.approx(5 + MARGIN_SECONDS, abs=2)


def test_an_output_that_goes_on_after_the_end_is_given_up() -> None:
    slave = Slave(forever("succeeded", "", "x"))
    with pytest.raises(SlaveUnreachable):
        slave.read()
    assert slave.now == pytest.approx(REST_SECONDS, abs=2)


def test_an_endless_output_costs_no_more_memory_than_what_is_kept() -> None:
    def pour() -> Iterator[tuple[str, str, str]]:
        for number in range(60):
            yield "running", f"{number:>{MEBIBYTE}}", ""
        yield from forever("succeeded", "", "")

    tracemalloc.start()
    try:
        output = Slave(pour()).read()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert output.is_cut and len(output.stdout) == KEPT_CHARACTERS and output.stdout.endswith("59")
    assert peak < 3 * KEPT_CHARACTERS


@pytest.mark.parametrize(("length", "is_cut"), [(KEPT_CHARACTERS, False), (KEPT_CHARACTERS + 1, True)])
def test_only_what_is_too_long_is_cut(length: int, is_cut: bool) -> None:
    answers = [("running", "a" * (length - 10), ""), ("running", "b" * 10, "e"), ("succeeded", "", "")]
    output = Slave(iter(answers)).read()
    assert (output.is_cut, len(output.stdout), output.stderr) == (is_cut, KEPT_CHARACTERS, "e")
    assert output.stdout.endswith("a" + "b" * 10)
