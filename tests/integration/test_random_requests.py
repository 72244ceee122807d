"""Random requests from the OpenAPI, against an agent without systemd."""

from __future__ import annotations

from pathlib import Path

from tests.support.agent_process import RunningAgent
from tests.support.random_requests import run_schemathesis


def test_random_requests_meet_no_error_of_the_server(agent: RunningAgent, tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text(agent.authority.certificate)
    done = run_schemathesis(
        f"https://{agent.address}:{agent.port}/api/openapi.json", agent.token, authority, tmp_path, 8
    )
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    assert agent.get("/api/health").status == 200
