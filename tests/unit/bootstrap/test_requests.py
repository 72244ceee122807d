"""What the body of an execute request may say, and what config.json may."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import slave_agent
from slave_agent.bootstrap.configuration import BOOTSTRAP_VERSION, configuration_problems, read_configuration
from slave_agent.bootstrap.errors import ConfigurationError, InvalidRequest
from slave_agent.bootstrap.execute_request import read_execute_request
from slave_agent.bootstrap.job_models import JobRequest

DIGEST = "0" * 64


def test_a_command_alone_gets_the_defaults() -> None:
    assert read_execute_request({"command": "true"}) == (JobRequest("true", timeout_seconds=300.0), True)


def test_null_counts_as_absent() -> None:
    document = dict.fromkeys(("working_dir", "timeout", "stdin", "env", "id", "wait"))
    assert read_execute_request({"command": "true", **document}).job == JobRequest("true")


def test_everything_is_taken_over() -> None:
    document = {
        "command": "cat",
        "working_dir": "/tmp",
        "timeout": 0.5,
        "stdin": "a\0b",
        "env": {"A": ""},
        "id": "x_-9",
        "wait": False,
    }
    assert read_execute_request(document) == (JobRequest("cat", "/tmp", 0.5, "a\0b", {"A": ""}, "x_-9"), False)


def test_secrets_are_not_in_what_a_request_prints() -> None:
    assert "hush" not in repr(JobRequest("cat", stdin="hush", env={"A": "hush"}))


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"command": "x" * 131_001}, "command"),
        ({"timeout": float("nan")}, "timeout"),
        ({"timeout": float("inf")}, "timeout"),
        ({"timeout": -1}, "timeout"),
        ({"env": {"D8_JOB_TAG": "x"}}, "env"),
        ({"env": {"": "x"}}, "env"),
        ({"env": {"A\n": "x"}}, "env"),
        ({"env": {"A": "\0"}}, "env.A"),
        ({"stdin": "\udcff"}, "stdin"),
        ({"working_dir": "a\0"}, "working_dir"),
        ({"id": "x\n"}, "id"),
        ({"id": ""}, "id"),
        ({"wait": 1}, "wait"),
        ({"Command": "x"}, "Command"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidRequest) as problem:
        read_execute_request({"command": "true", **fields})
    assert named in problem.value.message


def test_the_bootstrap_has_the_agents_version() -> None:
    assert slave_agent.__version__ == BOOTSTRAP_VERSION


def test_paths_start_from_the_folder_of_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    document = {"token_sha256": DIGEST, "certificate": "/etc/x.crt", "expires": "2026-01-02T03:04:05Z"}
    path.write_text(json.dumps(document))
    configuration = read_configuration(path)
    assert configuration.certificate == Path("/etc/x.crt")
    assert configuration.private_key == tmp_path / "server.key"
    assert configuration.work_dir == tmp_path / "work"
    assert configuration.expires == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (configuration.port, configuration.tls, configuration.privilege) == (7600, True, "auto")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"token_sha256": ""}, "token_sha256"),
        ({"token_sha256": "CHANGE_ME"}, "token_sha256"),
        ({"port": "7600"}, "port"),
        ({"port": 70000}, "port"),
        ({"port": True}, "port"),
        ({"privilege": "root"}, "privilege"),
        ({"language": "fr"}, "language"),
        ({"tls": "off"}, "tls"),
        ({"expires": "soon"}, "expires"),
        ({"expires": 7}, "expires"),
    ],
)
def test_each_wrong_setting_is_named(fields: dict[str, Any], named: str) -> None:
    problems = configuration_problems({"token_sha256": DIGEST, **fields})
    assert len(problems) == 1
    assert named in problems[0]


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"port": -1, "language": "xx"}')
    with pytest.raises(ConfigurationError) as problem:
        read_configuration(path)
    assert all(name in problem.value.message for name in ("token_sha256", "port", "language"))


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_a_configuration_that_is_none_is_told(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "config.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigurationError) as problem:
        read_configuration(path)
    assert str(path) in problem.value.message
