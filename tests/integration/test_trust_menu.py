"""Option 13 against a real agent: tokens made and ended, credentials replaced, who did what, the end of all trust."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from d8.actions.workplace import Workplace
from d8.locale import translation
from d8.menu.conversation import Conversation
from d8.menu.screens import trust
from d8.menu.views.screen import Screen, make_console
from d8.models import Credential, CredentialKind
from tests.support.agent_process import RunningAgent, running_agent
from tests.support.fakes import ScriptedOperator, make_settings, make_slave

SHOW, GRANT, END, ROTATE, AUDIT, REVOKE = range(1, 7)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[RunningAgent]:
    with running_agent(tmp_path, kind="agent") as running:
        yield running


@pytest.fixture
def workplace(tmp_path: Path, agent: RunningAgent) -> Iterator[Workplace]:
    made = Workplace(make_settings(tmp_path / "master"))
    machine_id = agent.get("/api/system").document["machine_id"]
    slave = make_slave(address="127.0.0.1", port=agent.port, machine_id=machine_id)
    made.registry.save_slave(slave)
    known = Credential(CredentialKind.AGENT, str(agent.fingerprint), agent.token, slave.slave_id)
    made.registry.save_credential(known, datetime.now(UTC))
    yield made
    made.close()


def play(workplace: Workplace, *answers: object, language: str = "en") -> str:
    """Given the operator's answers, run the option once and return the screen's text."""
    console = make_console(environ={"NO_COLOR": "1"})
    console.file = io.StringIO()
    operator = ScriptedOperator(list(answers))
    trust.run(Conversation(workplace, Screen(translation(language), console), operator))
    assert operator.answers == []
    return console.file.getvalue()


def test_the_life_of_a_token_in_the_menu(agent: RunningAgent, workplace: Workplace) -> None:
    shown = play(workplace, 1, GRANT, "prometheus", 1)
    token = next(line.strip() for line in shown.splitlines() if re.fullmatch(r"\s*[\w-]{43}\s*", line))
    assert agent.get("/api/version", token=token).status == 200
    assert agent.get("/api/audit", token=token).status == 403
    listed = play(workplace, 1, SHOW)
    assert "prometheus" in listed and "curl" in listed and token not in listed
    assert "prometheus" in play(workplace, 1, END, 1)
    assert agent.get("/api/version", token=token).status == 401
    assert "Nobody but this master" in play(workplace, 1, END)
    assert "trust-grant" in play(workplace, 2)
    assert "/api/agent/tokens" in play(workplace, 1, AUDIT)  # the narrow screen wraps it
    assert "Nothing is owed" in play(workplace, 3)


def test_new_credentials_and_the_end_of_all_in_both_languages(agent: RunningAgent, workplace: Workplace) -> None:
    assert "certificado hasta el" in play(workplace, 1, ROTATE, language="es")
    assert agent.get("/api/version").status == 401
    assert "Nothing was done." in play(workplace, 1, REVOKE, False)
    agent.kill()
    assert "was not reached" in play(workplace, 1, REVOKE, True)
    assert "is owed the end of its tokens" in play(workplace, 2)
    assert "sigue teniendo pendiente la anulación de sus tokens" in play(workplace, 3, language="es")
    agent.restart()
    assert "settled (the end of its tokens)" in play(workplace, 3)
    assert "was ended" in play(workplace, 1, SHOW)
