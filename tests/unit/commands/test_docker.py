"""Docker's versions, registries and the commands for it: pure, in tables."""

from __future__ import annotations

import subprocess
import sys

import pytest

from d8.commands import docker


@pytest.mark.parametrize(
    ("text", "minimum", "is_recent"),
    [
        ("20.10.24+dfsg1", docker.MINIMUM_ENGINE, True),
        ("20.10", docker.MINIMUM_ENGINE, True),
        ("19.03.15", docker.MINIMUM_ENGINE, False),
        ("28.0.1", docker.MINIMUM_ENGINE, True),
        ("1.29.2", docker.MINIMUM_COMPOSE, True),
        ("1.25.0", docker.MINIMUM_COMPOSE, False),
        ("v2.27.0", docker.MINIMUM_COMPOSE, True),
        ("unknown", docker.MINIMUM_COMPOSE, False),
        (None, docker.MINIMUM_COMPOSE, False),
    ],
)
def test_versions_are_compared_as_numbers(text, minimum, is_recent):
    assert docker.is_recent(text, minimum) is is_recent


@pytest.mark.parametrize(
    ("image", "place"),
    [
        ("python:3.11-slim", ("registry-1.docker.io", 443)),
        ("library/python:3.11", ("registry-1.docker.io", 443)),
        ("ghcr.io/someone/python:3.12", ("ghcr.io", 443)),
        ("127.0.0.1:5000/base:1", ("127.0.0.1", 5000)),
        ("localhost/base", ("localhost", 443)),
    ],
)
def test_an_images_name_says_where_it_comes_from(image, place):
    assert docker.registry(image) == place


def test_what_a_base_image_has_is_read_from_its_last_line():
    answer = 'a warning\n{"python": [3, 12], "libc": "glibc", "has_systemctl": false}\n'
    assert docker.read_base(answer) == docker.ImageFacts((3, 12), "glibc", False)


@pytest.mark.parametrize("answer", ["", "not JSON", "{}"])
def test_half_an_answer_of_the_image_is_refused(answer):
    with pytest.raises(ValueError, match=r"lacks|Expecting"):
        docker.read_base(answer)


def test_the_image_is_built_without_network_where_nothing_has_to_be_downloaded():
    args = ("/opt/r", "c" * 40, "python:3.11-slim", ("/w/pip-1.whl", "/w/image-0"))
    offline, online = docker.build(*args, needs_network=False), docker.build(*args, needs_network=True)
    assert "--network none" in offline.line and "--network" not in online.line
    assert f"--tag localhost/d8-agent:{'c' * 40}" in offline.line
    assert offline.line.endswith("> /opt/r/image")  # last: a release with this file is whole


def test_a_registry_that_is_not_there_is_told_in_a_line():
    line = docker.ask_registry(sys.executable, "registry.invalid:5000/python:3").line
    asked = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=60)
    assert asked.returncode == 1 and len(asked.stderr.splitlines()) == 1 and "registry.invalid:5000:" in asked.stderr
