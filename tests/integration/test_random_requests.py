"""Random requests from the OpenAPI, against an agent that has an app and whose webhook is on. Its systemctl and
journalctl are scripted; with the real ones this runs in tests/lab_cases/test_apps.py.
"""

from __future__ import annotations

from pathlib import Path

from slave_agent.orchestrator.app_store import AppRecord, AppStore
from tests.support.agent_process import running_agent
from tests.support.random_requests import APP, WEBHOOK, run_schemathesis
from tests.support.scripted_journal import ScriptedJournal

SYSTEMCTL = f"""#!/bin/sh
printf 'Id=%s\\n' d8-app-{APP}.service
printf 'LoadState=loaded\\nActiveState=inactive\\nSubState=dead\\nMainPID=0\\nNRestarts=0\\nResult=success\\n'
"""


def test_random_requests_meet_no_error_of_the_server(tmp_path: Path) -> None:
    journal = ScriptedJournal(tmp_path / "bin")
    journal.write("one", "two")
    systemctl = journal.folder / "systemctl"
    systemctl.write_text(SYSTEMCTL)
    systemctl.chmod(0o755)
    document = {"name": APP, "kind": "python", "script": "/srv/shop/main.py", "user": "pi", "working_dir": "/srv/shop"}
    with running_agent(tmp_path, environment=journal.environment) as agent:
        authority = tmp_path / "ca.pem"
        authority.write_text(agent.authority.certificate)
        AppStore(agent.state_dir / "apps").write(AppRecord(APP, document))
        assert agent.request("PUT", "/api/agent/webhook", WEBHOOK).status == 200
        openapi = agent.get("/api/openapi.json").document
        done = run_schemathesis(openapi, f"https://{agent.address}:{agent.port}", agent.token, authority, tmp_path, 8)
        assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
        for request in (
            f"GET /api/apps/{APP}",
            f"GET /api/apps/{APP}/status",
            f"GET /api/apps/{APP}/logs",
            "POST /webhook/command",
        ):
            assert f'"{request}" 200 ' in agent.log, f"{request} never was about the app"
        assert "Traceback" not in agent.log
        assert agent.get(f"/api/apps/{APP}").status == 200
