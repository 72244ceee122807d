"""Fixtures of the integration tests: processes of ours, started for real."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.agent_process import RunningAgent, running_agent


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAgent]:
    """One agent for all the tests of a module that leave it as it is."""
    with running_agent(tmp_path_factory.mktemp("shared")) as running:
        yield running


@pytest.fixture
def own_agent(tmp_path: Path) -> Iterator[RunningAgent]:
    """An agent for one test, which may do to it what it likes."""
    with running_agent(tmp_path) as running:
        yield running
