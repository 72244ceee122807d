"""The commands about apps: one document or one object a line, stable exit codes, secrets on no command line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from d8.actions.logs import follow_logs
from d8.cli import main
from d8.errors import ExitCode
from d8.fleet.registry import Registry
from tests.support.apps_agent import Running, Stream, app_document, entry, problem, running_apps_agent
from tests.support.fakes import make_slave

SLAVE = "127.0.0.1"
REGISTER = ["app", SLAVE, "register", "--name", "api", "--user", "pi", "--working-dir", "/srv/api"]


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setenv("D8_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("D8_ENV_FILE", str(tmp_path / "none.env"))
    monkeypatch.setenv("D8_MASTER_ADDRESS", "192.0.2.10")
    monkeypatch.setenv("D8_CONNECT_TIMEOUT", "10")
    monkeypatch.setenv("D8_LANG", "en")
    registry = Registry(tmp_path / "data")
    with running_apps_agent(tmp_path, registry) as agent:
        registry.close()
        agent.agent.apps["shop"] = app_document("shop")
        yield agent


def ask(capsys: pytest.CaptureFixture[str], *words: str, expect: ExitCode = ExitCode.DONE) -> Any:
    """Run a command with --json and return its document: stdout must hold exactly one."""
    capsys.readouterr()
    assert main([*words, "--json"]) == expect
    return json.loads(capsys.readouterr().out)


Capture = pytest.CaptureFixture[str]


def test_the_apps_of_a_slave(running: Running, capsys: Capture) -> None:
    document = ask(capsys, "apps", SLAVE)
    assert document["slave_id"] == running.slave.slave_id
    assert document["apps"] == [app_document("shop")]


@pytest.mark.parametrize("verb", ["start", "stop", "restart", "enable", "disable"])
def test_each_verb_answers_with_the_app(running: Running, capsys: Capture, verb: str) -> None:
    document = ask(capsys, "app", SLAVE, verb, "shop")
    assert set(document) == {"slave_id", "app"} and document["app"]["name"] == "shop"
    assert [one.method for one in running.agent.asked(f"/api/apps/shop/{verb}")] == ["POST"]


def test_status_tells_everything_but_values(running: Running, capsys: Capture) -> None:
    document = ask(capsys, "app", SLAVE, "status", "shop")
    assert set(document) == {"slave_id", "app", "config", "environment_names", "log", "exposure"}


def test_remove_asks(running: Running, capsys: Capture) -> None:
    refused = ask(capsys, "app", SLAVE, "remove", "shop", expect=ExitCode.WRONG_USAGE)
    assert "--yes" in refused["hint"] and "shop" in running.agent.apps
    assert ask(capsys, "app", SLAVE, "remove", "shop", "--yes")["removed"] == "shop"
    assert running.agent.apps == {}


def test_register_sends_what_was_said(running: Running, capsys: Capture, tmp_path: Path) -> None:
    variables = tmp_path / "app.env"
    variables.write_text("SECRET=from the file\nDEBUG=0\n")
    more = ["--script", "main:app", "--env", "DEBUG=1", "--env-file", str(variables), "--port", "8000"]
    limits = ["--memory", "256M", "--cpu", "50%", "--tasks", "20", "--restart", "always", "--hardening", "strict"]
    document = ask(capsys, *REGISTER, *more, *limits, "--arg=--workers", "--arg", "2", "--after", "redis.service")
    assert document["app"]["name"] == "api"
    [asked] = running.agent.asked("/api/apps/register")
    assert asked.body == {
        "name": "api",
        "kind": "fastapi",
        "script": "main:app",
        "user": "pi",
        "working_dir": "/srv/api",
        "environment": {"SECRET": "from the file", "DEBUG": "1"},
        "port": 8000,
        "memory_bytes": 256 * 1024**2,
        "cpu_percent": 50,
        "tasks": 20,
        "restart": "always",
        "hardening": "strict",
        "arguments": ["--workers", "2"],
        "after": ["redis.service"],
    }


def test_a_script_file_tells_its_folder_and_a_module_does_not(running: Running, capsys: Capture) -> None:
    words = ["app", SLAVE, "register", "--name", "api", "--user", "pi", "--script"]
    ask(capsys, *words, "/srv/shop/server.js")
    [asked] = running.agent.asked("/api/apps/register")
    assert asked.body["working_dir"] == "/srv/shop"
    refused = ask(capsys, *words, "main:app", expect=ExitCode.WRONG_USAGE)
    assert "folder" in refused["error"] and "--working-dir" in refused["hint"]


def test_edit_sends_only_what_changes(running: Running, capsys: Capture) -> None:
    words = ["--env", "A=1", "--unset", "B", "--restart-policy", "always", "--restart", "--dry-run"]
    document = ask(capsys, "app", SLAVE, "edit", "shop", *words)
    assert document["dry_run"] and document["needs_restart"]
    [asked] = running.agent.asked("/api/apps/shop")
    environment = {"A": "1", "B": None}
    assert (asked.method, asked.body) == (
        "PATCH",
        {"environment": environment, "restart": "always", "restart_now": True, "dry_run": True},
    )


def test_edit_takes_away_what_is_none(running: Running, capsys: Capture) -> None:
    fields = ("memory", "cpu", "tasks", "port", "interpreter", "host", "after", "wants")
    words = [word for name in fields for word in (f"--{name}", "none")]
    ask(capsys, "app", SLAVE, "edit", "shop", *words, "--no-args", "--working-dir", "/srv//shop/")
    [asked] = running.agent.asked("/api/apps/shop")
    nulls = ("memory_bytes", "cpu_percent", "tasks", "port", "interpreter", "host")
    empty = {"arguments": [], "after": [], "wants": []}
    assert asked.body == {**dict.fromkeys(nulls), **empty, "working_dir": "/srv/shop"}


def test_a_new_app_has_no_limit_that_is_none(running: Running, capsys: Capture) -> None:
    ask(capsys, *REGISTER[:-2], "--script", "main:app", "--working-dir", "/", "--memory", "none", "--tasks", "none")
    [asked] = running.agent.asked("/api/apps/register")
    assert asked.body == {"name": "api", "kind": "fastapi", "user": "pi", "script": "main:app", "working_dir": "/"}


@pytest.mark.parametrize(
    ("words", "status", "members", "code"),
    [
        (["app", SLAVE, "start", "shop"], 404, {}, ExitCode.WRONG_USAGE),
        (["app", SLAVE, "start", "shop"], 409, {}, ExitCode.FAILED),
        (["app", SLAVE, "start", "shop"], 422, {"problems": [{"field": "x", "message": "y"}]}, ExitCode.WRONG_USAGE),
        (["app", SLAVE, "start", "shop"], 422, {"type": "urn:d8:app-did-not-stay-up", "log": []}, ExitCode.FAILED),
        (["app", SLAVE, "start", "shop"], 429, {}, ExitCode.FAILED),
        (["app", SLAVE, "start", "shop"], 403, {}, ExitCode.REFUSED),
        (["app", SLAVE, "start", "shop"], 401, {}, ExitCode.REFUSED),
        (["app", SLAVE, "start", "shop"], 503, {}, ExitCode.FAILED),
    ],
)
def test_what_the_slave_says_has_its_exit_code(
    running: Running, capsys: Capture, words: list[str], status: int, members: dict[str, Any], code: ExitCode
) -> None:
    running.agent.answers["POST", "/api/apps/shop/start"] = [problem(status, "no", **members)]
    document = ask(capsys, *words, expect=code)
    assert {"error", "hint"} <= set(document)


@pytest.mark.parametrize(
    "words",
    [
        ["apps"],
        ["apps", "nobody"],
        ["app", SLAVE],
        ["app", SLAVE, "explode", "shop"],
        ["app", SLAVE, "start", "No Such Name"],
        ["app", SLAVE, "edit", "shop"],
        [*REGISTER, "--script", "what is this"],
        [*REGISTER, "--script", "server.js"],
        [*REGISTER, "--script", "main:app", "--memory", "much"],
        [*REGISTER, "--script", "main:app", "--env", "no variable"],
        [*REGISTER, "--script", "main:app", "--env-file", "/nowhere"],
        [*REGISTER, "--script", "main:app", "--kind", "perl"],
        ["logs", SLAVE, "shop", "--priority", "loud"],
        ["logs", SLAVE, "shop", "--since", "soon"],
        ["logs", SLAVE, "shop", "-f", "--until", "1m"],
        ["logs", SLAVE, "shop", "--lines", "0"],
    ],
)
def test_wrong_words_reach_no_slave(running: Running, capsys: Capture, words: list[str]) -> None:
    assert ask(capsys, *words, expect=ExitCode.WRONG_USAGE)["error"]
    assert running.agent.requests == []


def test_a_slave_that_is_away_is_unreachable(running: Running, capsys: Capture) -> None:
    registry = Registry(Path(os.environ["D8_DATA_DIR"]))
    registry.save_slave(make_slave("127.0.0.1", 9, slave_id="away"))
    registry.close()
    ask(capsys, "apps", "away", expect=ExitCode.UNREACHABLE)
    ask(capsys, "logs", "away", "shop", "-f", expect=ExitCode.UNREACHABLE)


def test_logs_are_one_document(running: Running, capsys: Capture) -> None:
    running.agent.entries = [entry(1), entry(2, "trouble", 3)]
    document = ask(
        capsys, "logs", SLAVE, "shop", "--lines", "7", "--priority", "warning", "--grep", "x", "--since", "1h"
    )
    assert set(document) == {"slave_id", "app", "entries"} and document["entries"][1] == entry(2, "trouble", 3)
    [asked] = running.agent.asked("/api/apps/shop/logs")
    assert (asked.query["lines"], asked.query["priority"], asked.query["grep"]) == ("7", "4", "x")


def test_logs_for_people_are_lines(running: Running, capsys: Capture) -> None:
    running.agent.entries = [entry(1), entry(2, "trouble", 3)]
    assert main(["logs", SLAVE, "shop"]) == ExitCode.DONE
    assert capsys.readouterr().out.splitlines() == [
        "2026-11-22T10:00:01.000000Z info shop[7]: line 1",
        "2026-11-22T10:00:02.000000Z ERROR shop[7]: trouble",
    ]


def test_followed_logs_are_one_object_a_line(
    running: Running, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl+C while it waits for the next attempt: the work is done."""

    def stop(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(follow_logs, "__defaults__", (stop,))
    running.agent.streams = [Stream([[entry(1), {"type": "skipped", "count": 5}]], "close")]
    assert main(["logs", SLAVE, "shop", "-f", "--json"]) == ExitCode.DONE
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[:2] == [entry(1), {"type": "skipped", "count": 5}]
    assert [line["type"] for line in lines[2:]] == ["disconnected"]
    assert set(lines[2]) == {"type", "reason", "next_attempt_seconds"}


def test_what_the_slave_can_not_use_is_shown_field_by_field(running: Running, capsys: Capture) -> None:
    said = [{"field": "user", "message": "there is no user pi", "hint": "Name one."}]
    running.agent.answers["POST", "/api/apps/register"] = [problem(422, "no", problems=said)] * 2
    assert main([*REGISTER, "--script", "main:app"]) == ExitCode.WRONG_USAGE
    shown = capsys.readouterr().err
    assert "user: there is no user pi" in shown and "Name one." in shown
    document = ask(capsys, *REGISTER, "--script", "main:app", expect=ExitCode.WRONG_USAGE)
    assert document["problems"] == said


@pytest.mark.parametrize("words", [["apps", SLAVE], ["app", SLAVE, "status", "shop"], ["app", SLAVE, "stop", "shop"]])
def test_people_get_pictures(running: Running, capsys: Capture, words: list[str]) -> None:
    assert main(words) == ExitCode.DONE
    assert "shop" in capsys.readouterr().out or words[0] == "app"
