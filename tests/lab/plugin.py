"""The lab for pytest: `lab` for a session, and a fresh host of each profile for a test.

Load it with `pytest_plugins = ["tests.lab.plugin"]`. Every test that uses one of its fixtures gets the marker `lab`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.lab import signals
from tests.lab.availability import lab_unavailable_reason
from tests.lab.host import Host
from tests.lab.lab import Lab

FIXTURES = frozenset(
    {"lab", "bare_host", "root_host", "no_sudo_host", "docker_host", "debian13_host", "bullseye_host", "ssh_host"}
)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, wherever the plugin is loaded."""
    config.addinivalue_line("markers", "lab: needs the lab's booted hosts (root on Debian)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use the lab, so that `-m 'not lab'` leaves them out."""
    for item in items:
        if FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("lab")


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A lab of this session's own (of this worker's, under xdist). `lab.host(profile, **options)` makes hosts.

    Skips with the reason where the lab can't run; with D8_LAB_REQUIRED=1 that is a failure.
    """
    if (reason := lab_unavailable_reason()) is not None:
        if os.environ.get("D8_LAB_REQUIRED") == "1":
            pytest.fail(f"D8_LAB_REQUIRED=1, but {reason}", pytrace=False)
        pytest.skip(reason)
    with signals.terminated_as_interrupt(), Lab.session() as session:
        yield session


def _fresh(lab: Lab, profile: str) -> Iterator[Host]:
    host = lab.host(profile)
    yield host
    lab.remove(host)


@pytest.fixture
def bare_host(lab: Lab) -> Iterator[Host]:
    """A fresh Debian 12 with `pi`, who may sudo without a password, and `mallory`, who may not."""
    yield from _fresh(lab, "bare")


@pytest.fixture
def root_host(lab: Lab) -> Iterator[Host]:
    """A fresh Debian 12 without sudo, worked on as root."""
    yield from _fresh(lab, "root-only")


@pytest.fixture
def no_sudo_host(lab: Lab) -> Iterator[Host]:
    """A fresh Debian 12 with `bob`, who has no rights, no cron and no user session."""
    yield from _fresh(lab, "no-sudo")


@pytest.fixture
def docker_host(lab: Lab) -> Iterator[Host]:
    """A fresh Debian 12 with Docker running inside."""
    yield from _fresh(lab, "docker")


@pytest.fixture
def debian13_host(lab: Lab) -> Iterator[Host]:
    """A fresh Debian 13 with `pi`."""
    yield from _fresh(lab, "debian13")


@pytest.fixture
def bullseye_host(lab: Lab) -> Iterator[Host]:
    """A fresh Debian 11, whose Python is 3.9, with `pi`."""
    yield from _fresh(lab, "bullseye")


@pytest.fixture
def ssh_host(lab: Lab) -> Iterator[Host]:
    """A fresh Debian 12 with `pi` and an ssh server. For a password or a key: `lab.host("ssh", password=…)`."""
    yield from _fresh(lab, "ssh")
