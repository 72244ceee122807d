"""The two servers that keep the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.agent_process import RunningAgent, running_agent
from tests.support.bootstrap_process import running_bootstrap

SERVERS = {"bootstrap": running_bootstrap, "agent": running_agent}


@pytest.fixture(scope="module", params=sorted(SERVERS))
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAgent]:
    """A running server; the same cases run against each."""
    folder: Path = tmp_path_factory.mktemp(request.param)
    with SERVERS[request.param](folder) as running:
        yield running


@pytest.fixture
def is_bootstrap(request: pytest.FixtureRequest) -> bool:
    """Whether the server at hand is the bootstrap."""
    return bool(request.node.callspec.params["server"] == "bootstrap")
