"""The calls about apps and the stream of logs, against a real server with TLS; answers that are none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from d8.app_errors import AppNotUp, UnknownApp, UnusableApp
from d8.app_models import AppState, AppVerb, FieldProblem, LogEntry, LogFilter, LogPriority, LogSkipped
from d8.errors import D8Error, ExitCode, Refused, SlaveUnreachable
from d8.fleet.agent_client import ProblemAnswer, SlaveClient
from d8.fleet.answers import NotUnderstood
from d8.fleet.app_answers import app_list, app_status, log_frame
from d8.fleet.apps_client import AppsClient
from d8.fleet.log_stream import LogStream, StreamClosed, open_log_stream
from d8.fleet.names import Address
from d8.models import Credential, CredentialKind
from tests.support.apps_agent import TOKEN, Running, Stream, app_document, entry, problem, running_apps_agent


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with running_apps_agent(tmp_path) as agent:
        agent.agent.apps["shop"] = app_document("shop")
        yield agent


@contextmanager
def apps_of(running: Running, waits: list[float] | None = None) -> Iterator[AppsClient]:
    credential = Credential(CredentialKind.AGENT, running.fingerprint, TOKEN)
    client = SlaveClient(Address("127.0.0.1", running.port), credential, tls=True, connect_timeout=10)
    try:
        yield AppsClient(client, (waits if waits is not None else []).append)
    finally:
        client.close()


def stream_of(
    running: Running, wanted: LogFilter | None = None, fingerprint: str = "", name: str = "shop"
) -> LogStream:
    credential = Credential(CredentialKind.AGENT, fingerprint or running.fingerprint, TOKEN)
    return open_log_stream(Address("127.0.0.1", running.port), credential, True, 10, name, wanted or LogFilter())


def test_every_call_reaches_its_path_with_the_token(running: Running) -> None:
    with apps_of(running) as apps:
        assert [app.name for app in apps.all()] == ["shop"]
        assert apps.status("shop").log == ("one", "two")
        detail = apps.detail("shop")
        assert detail.environment_names == ("SECRET_KEY",) and detail.config["script"] == "main:app"
        assert detail.exposure == 2.6
        assert apps.act(AppVerb.STOP, "shop").status is AppState.STOPPED
        registered = apps.register({"name": "other", "kind": "node", "user": "pi"})
        assert (registered.name, registered.kind) == ("other", "node")
        edited = apps.edit("shop", {"port": 9000})
        assert edited.needs_restart and edited.changes[0].field == "port"
        running.agent.entries = [entry(1)]
        assert apps.logs("shop", LogFilter(5, priority=LogPriority.ERR, grep="a&b")) == [
            LogEntry("c1", "2026-11-22T10:00:01.000000Z", 6, "line 1", 7)
        ]
        assert apps.remove("shop") == "shop"
    assert {request.authorization for request in running.agent.requests} == {f"Bearer {TOKEN}"}
    [asked] = running.agent.asked("/api/apps/shop/logs")
    assert asked.query == {"lines": "5", "priority": "3", "grep": "a&b"}


def test_an_app_that_is_not_there_is_wrong_usage(running: Running) -> None:
    with apps_of(running) as apps, pytest.raises(UnknownApp) as caught:
        apps.status("nobody")
    assert caught.value.exit_code is ExitCode.WRONG_USAGE


def test_every_wrong_field_is_told(running: Running) -> None:
    problems = [
        {"field": "user", "message": "is unknown", "hint": "Make it."},
        {"field": "port", "message": "is taken"},
    ]
    running.agent.answers["POST", "/api/apps/register"] = [problem(422, "no", problems=problems)]
    with apps_of(running) as apps, pytest.raises(UnusableApp) as caught:
        apps.register({"name": "x"})
    assert caught.value.problems == (
        FieldProblem("user", "is unknown", "Make it."),
        FieldProblem("port", "is taken", ""),
    )
    assert caught.value.exit_code is ExitCode.WRONG_USAGE
    assert [one["field"] for one in caught.value.as_json()["problems"]] == ["user", "port"]


def test_an_app_that_does_not_stay_up_tells_how_it_ended(running: Running) -> None:
    members = {
        "type": "urn:d8:app-did-not-stay-up",
        "exit_code": 3,
        "result": "exit-code",
        "log": ["boom"],
        "signal": None,
    }
    running.agent.answers["POST", "/api/apps/shop/start"] = [problem(422, "it ended", **members)]
    with apps_of(running) as apps, pytest.raises(AppNotUp) as caught:
        apps.act(AppVerb.START, "shop")
    assert caught.value.exit_code is ExitCode.FAILED and caught.value.log == ("boom",)
    assert caught.value.as_json()["exit_code"] == 3 and caught.value.as_json()["restored"] is False


def test_too_soon_is_asked_once_more_after_what_the_slave_says(running: Running) -> None:
    status, document, _ = problem(429, "one operation a second")
    running.agent.answers["POST", "/api/apps/shop/stop"] = [(status, document, {"Retry-After": "1"})]
    waits: list[float] = []
    with apps_of(running, waits) as apps:
        assert apps.act(AppVerb.STOP, "shop").status is AppState.STOPPED
    assert waits == [1.0]


def test_too_soon_twice_is_a_failure_and_so_is_a_long_wait(running: Running) -> None:
    status, document, _ = problem(429, "one operation a second")
    twice = [(status, document, {"Retry-After": "1"})] * 2
    running.agent.answers["POST", "/api/apps/shop/stop"] = twice
    running.agent.answers["POST", "/api/apps/shop/start"] = [(status, document, {"Retry-After": "60"})]
    waits: list[float] = []
    with apps_of(running, waits) as apps:
        for verb in (AppVerb.STOP, AppVerb.START):
            with pytest.raises(ProblemAnswer) as caught:
                apps.act(verb, "shop")
            assert caught.value.exit_code is ExitCode.FAILED
    assert waits == [1.0]


def test_missing_rights_are_a_refusal(running: Running) -> None:
    running.agent.answers["POST", "/api/apps/shop/start"] = [problem(403, "no rights")]
    with apps_of(running) as apps, pytest.raises(Refused):
        apps.act(AppVerb.START, "shop")


def test_an_agent_without_apps_is_to_be_built_again(running: Running) -> None:
    running.agent.answers["GET", "/api/apps"] = [problem(404, "there is no such path")]
    with apps_of(running) as apps, pytest.raises(D8Error, match="manages no apps"):
        apps.all()


@pytest.mark.parametrize(
    "answer",
    [{}, {"apps": [1]}, {"apps": [{"name": 1, "status": "running"}]}, {"apps": [{"name": "x"}]}, {"apps": {"a": 1}}],
)
def test_an_answer_that_is_none_is_not_believed(answer: dict[str, object]) -> None:
    with pytest.raises(NotUnderstood):
        app_list(answer)


def test_a_state_of_a_later_version_is_unknown() -> None:
    assert app_status({"name": "x", "status": "hibernating"}).status is AppState.UNKNOWN


@pytest.mark.parametrize("frame", ["", "{}", "[1]", '[{"type":"entry"}]', '[{"type":"skipped","count":"x"}]', b"\xff"])
def test_a_frame_that_is_none_is_not_believed(frame: str | bytes) -> None:
    with pytest.raises(NotUnderstood):
        log_frame(frame)


@pytest.mark.parametrize("time", ["\x1b]0;owned\x07", "2026-11-22\x1b10:00:00", "2026-11-22T10:00:00Z\n", "now", ""])
def test_a_moment_that_is_none_is_not_believed(time: str) -> None:
    with pytest.raises(NotUnderstood):
        log_frame(json.dumps([entry(1) | {"time": time}]))


def test_a_kind_of_item_that_is_not_known_is_left_out() -> None:
    assert log_frame('[{"type":"weather"},{"type":"skipped","count":3}]') == [LogSkipped(3)]


def test_a_stream_brings_frames_and_says_when_it_ends(running: Running) -> None:
    running.agent.streams = [Stream([[entry(1), entry(2)], [{"type": "skipped", "count": 9}]], "close")]
    with stream_of(running, LogFilter(3, cursor="s=1;x")) as stream:
        received = [*stream.receive(20), *stream.receive(20)]
        assert [type(item) for item in received] == [LogEntry, LogEntry, LogSkipped]
        with pytest.raises(StreamClosed, match="the agent restarts"):
            stream.receive(20)
    [asked] = running.agent.asked("/logs/shop")
    assert asked.query == {"lines": "3", "cursor": "s=1;x"} and asked.authorization == f"Bearer {TOKEN}"


def test_nothing_new_is_nothing(running: Running) -> None:
    with stream_of(running) as stream:
        assert stream.receive(0.05) == []


def test_a_stream_of_no_app_is_refused_with_the_slaves_words(running: Running) -> None:
    with pytest.raises(UnknownApp, match="no such app"):
        stream_of(running, name="nobody")


def test_no_token_is_sent_to_another_certificate(running: Running) -> None:
    with pytest.raises(Refused, match="another certificate"):
        stream_of(running, fingerprint="0" * 64)
    assert running.agent.requests == []


def test_who_is_not_there_is_unreachable(running: Running) -> None:
    credential = Credential(CredentialKind.AGENT, running.fingerprint, TOKEN)
    with pytest.raises(SlaveUnreachable):
        open_log_stream(Address("127.0.0.1", 9), credential, True, 2, "shop", LogFilter())


def test_a_server_without_websockets_is_told_apart(running: Running) -> None:
    """A plain answer to the question for a stream is what the slave says, not a broken network."""
    running.agent.apps.clear()
    with pytest.raises(UnknownApp):
        stream_of(running)
