"""The way back of a slave whose other release does not answer: the person hears who does, and what the slave says."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from d8.actions.workplace import Workplace
from d8.build import update as module
from d8.build.update import SlaveUpdate, Tools
from d8.errors import BuildFailed
from d8.fleet.releases_client import Releases
from tests.support.fakes import make_settings, make_slave

RUNNING, BROKEN = "a" * 40, "b" * 40


class Client:
    """The slave's present release goes on answering."""

    def health(self) -> dict[str, object]:
        return {"mode": "agent", "commit": RUNNING}

    def close(self) -> None: ...


class Asked:
    """What that slave says of its releases. Takes the place of ReleasesClient."""

    reason = ""

    def __init__(self, _client: Client) -> None: ...

    def show(self) -> Releases:
        return Releases(RUNNING, RUNNING, BROKEN, "confirmed", self.reason, True, None, (3, 11), "x86_64", "glibc")

    def roll_back(self) -> str:
        return BROKEN


@pytest.mark.parametrize(
    ("reason", "hint"),
    [("the agent did not start: no module", "The slave says: the agent did not start: no module"), ("", "journalctl")],
)
def test_a_rollback_that_fails_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str, hint: str
) -> None:
    workplace, ticks = Workplace(make_settings(tmp_path)), itertools.count(0.0, 5.0)
    monkeypatch.setattr(Asked, "reason", reason)
    monkeypatch.setattr(module, "ReleasesClient", Asked)
    monkeypatch.setattr(module, "connect_to_slave", lambda *_: Client())
    tools = Tools(workplace.settings, workplace.registry, lambda *_: None, lambda _: None, lambda: next(ticks))
    with pytest.raises(BuildFailed) as caught:
        SlaveUpdate(make_slave(), tools).roll_back()
    workplace.close()
    assert f"the release before, {RUNNING[:10]}, answers again" in str(caught.value.message)
    assert hint in str(caught.value.hint)
