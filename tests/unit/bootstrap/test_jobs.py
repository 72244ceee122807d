"""The job engine with real supervisors; the HTTP around it is tested elsewhere."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from slave_agent.bootstrap.errors import InvalidRequest, JobConflict, JobNotFound, JobNotStarted
from slave_agent.bootstrap.jobs import JobRequest, JobSnapshot, JobStore, SupervisorLauncher, package_supervisor
from slave_agent.bootstrap.states import JobState

REPOSITORY = Path(__file__).resolve().parents[3]


def launcher() -> SupervisorLauncher:
    return SupervisorLauncher(package_supervisor(sys.executable, REPOSITORY), may_use_privilege=False)


class Nobody:
    """A launcher whose supervisors never come."""

    def root_prefix(self) -> list[str] | None:
        return None

    def launch(self, folder: Path, prefix: Sequence[str] | None) -> None:
        pass


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    jobs = JobStore(tmp_path / "jobs", launcher(), tmp_path)
    yield jobs
    for job_id in jobs.ids():
        jobs.cancel(job_id)


def run(store: JobStore, command: str, **fields: object) -> JobSnapshot:
    return store.wait(store.start(JobRequest(command, **fields)).id, 30)  # type: ignore[arg-type]


def test_a_command_runs_to_its_end(store: JobStore, tmp_path: Path) -> None:
    snapshot = run(store, "pwd; umask; echo problem >&2")
    assert (snapshot.state, snapshot.exit_code, snapshot.success) == (JobState.SUCCEEDED, 0, True)
    output = store.read(snapshot.id)
    assert output.stdout == f"{tmp_path}\n0022\n"
    assert output.stderr == "problem\n"


def test_where_memory_runs_out_the_command_dies_before_whoever_watches_it(store: JobStore) -> None:
    snapshot = run(store, "cat /proc/self/oom_score_adj; cat /proc/$PPID/oom_score_adj")
    command, supervisor = store.read(snapshot.id).stdout.split()
    assert int(command) == 800 and int(supervisor) < 800


def test_environment_and_input_are_gone_from_the_disk_once_it_runs(store: JobStore, tmp_path: Path) -> None:
    snapshot = store.start(JobRequest("cat; sleep 5", stdin="hush", env={"A": "hush2"}))
    assert store.read(snapshot.id, wait_seconds=30).stdout == "hush"  # it runs
    request = json.loads((tmp_path / "jobs" / snapshot.id / "request.json").read_text())
    assert "stdin" not in request and "environment" not in request


def test_variables_that_systemd_meant_for_the_server_are_not_passed_on(
    store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/x")
    snapshot = run(store, "env", env={"MINE": "1"})
    names = {line.partition("=")[0] for line in store.read(snapshot.id).stdout.splitlines()}
    assert {"MINE", "D8_JOB_TAG"} <= names
    assert not {"LISTEN_FDS", "NOTIFY_SOCKET"} & names


def test_another_command_under_the_same_id_is_a_conflict(store: JobStore) -> None:
    store.start(JobRequest("true", id="one"))
    assert store.start(JobRequest("true", id="one")).id == "one"
    with pytest.raises(JobConflict):
        store.start(JobRequest("false", id="one"))


@pytest.mark.parametrize("job_id", ["../x", "", ".", "a/b", "x" * 65])
def test_strange_ids_are_refused(store: JobStore, job_id: str) -> None:
    with pytest.raises(JobNotFound):
        store.snapshot(job_id)
    if job_id:
        with pytest.raises(InvalidRequest):
            store.start(JobRequest("true", id=job_id))


def test_a_quota_bounds_what_is_kept(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "jobs", launcher(), tmp_path, quota_bytes=1000)
    snapshot = run(store, "head -c 5000 /dev/zero; echo end")
    assert snapshot.truncated and snapshot.state is JobState.SUCCEEDED
    assert (tmp_path / "jobs" / snapshot.id / "stdout").stat().st_size == 1000


def test_callers_hear_of_beginning_and_end(tmp_path: Path) -> None:
    heard: list[tuple[str, JobState]] = []
    store = JobStore(
        tmp_path / "jobs",
        launcher(),
        tmp_path,
        on_start=lambda snapshot: heard.append(("start", snapshot.state)),
        on_end=lambda snapshot: heard.append(("end", snapshot.state)),
    )
    run(store, "sleep 0.2; exit 1")
    deadline = time.monotonic() + 5
    while len(heard) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert heard == [("start", JobState.RUNNING), ("end", JobState.FAILED)]


def test_another_store_on_the_same_folder_picks_a_running_job_up(store: JobStore, tmp_path: Path) -> None:
    store.start(JobRequest("sleep 1; echo end", id="one"))
    again = JobStore(tmp_path / "jobs", launcher(), tmp_path)
    assert again.recover() == ["one"]
    assert again.wait("one", 10).state is JobState.SUCCEEDED
    assert again.read("one").stdout == "end\n"
    assert again.recover() == []


def test_a_job_that_never_began_is_withdrawn_and_may_be_started_afresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slave_agent.bootstrap.jobs.START_SECONDS", 0.1)
    with pytest.raises(JobNotStarted):
        JobStore(tmp_path / "jobs", Nobody(), tmp_path).start(JobRequest("echo x", id="one"))
    monkeypatch.undo()
    store = JobStore(tmp_path / "jobs", launcher(), tmp_path)
    assert store.ids() == []
    assert run(store, "echo x", id="one").state is JobState.SUCCEEDED


def test_a_request_left_by_a_killed_server_is_withdrawn_at_its_return(store: JobStore, tmp_path: Path) -> None:
    left = tmp_path / "jobs" / "one"
    left.mkdir()
    (left / "request.json").write_text('{"id": "one", "command": "echo x", "stdin": "hush"}')
    (tmp_path / "jobs" / ".two.new").mkdir()
    assert store.recover() == []
    assert list((tmp_path / "jobs").iterdir()) == []


def test_a_second_supervisor_of_the_same_job_does_nothing(store: JobStore, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    snapshot = run(store, f"echo x >> {trace}")
    launcher().launch(tmp_path / "jobs" / snapshot.id, None)
    time.sleep(0.5)
    assert trace.read_text() == "x\n"


def test_old_jobs_are_pruned_and_running_ones_never(store: JobStore, tmp_path: Path) -> None:
    old, recent = run(store, "true").id, run(store, "true").id
    store.start(JobRequest("sleep 30", id="running"))
    now = time.time()
    os.utime(tmp_path / "jobs" / old / "result.json", (now - 8 * 86400,) * 2)
    store.prune(now)
    assert set(store.ids()) == {recent, "running"}


def test_no_more_than_the_newest_are_kept(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slave_agent.bootstrap.jobs.KEEP_JOBS", 1)
    first, second = run(store, "true").id, run(store, "true").id
    store.prune(time.time())
    assert store.ids() == [second] != [first]
