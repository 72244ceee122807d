"""What a program that outlives us is given, and what it is not."""

from __future__ import annotations

import time
from pathlib import Path

from slave_agent.activation.commands import Commands

OOM_SCORE = Path("/proc/self/oom_score_adj")


def test_a_server_that_a_job_starts_is_not_the_first_to_die_where_memory_runs_out(tmp_path: Path) -> None:
    before = OOM_SCORE.read_text()
    OOM_SCORE.write_text(str(max(700, int(before))))
    try:
        Commands().spawn(["cat", str(OOM_SCORE)], folder=tmp_path, log=tmp_path / "log")
    finally:
        OOM_SCORE.write_text(before)
    for _ in range(100):
        if (tmp_path / "log").exists() and (tmp_path / "log").read_text():
            break
        time.sleep(0.05)
    assert (tmp_path / "log").read_text() == "0\n"
