"""Apps and logs as actions: what is recorded, what is masked, how a lost line is taken up, how answers are read."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from rich.console import Console

from d8.actions import apps as actions
from d8.actions.app_form import (
    collected,
    environment_of,
    guessed_kind,
    parse_cpu,
    parse_memory,
    parse_path,
    parse_port,
    parse_script,
    variables_of_file,
)
from d8.actions.app_loss import apps_to_lose, removal_question
from d8.actions.app_questions import QUESTIONS, Answers
from d8.actions.log_form import parse_moment, parse_priority
from d8.actions.logs import FollowedItem, LinkBack, LinkLost, follow_logs, pause_before, read_logs
from d8.actions.status import SlaveState, fleet_status
from d8.actions.watch import watch_apps
from d8.actions.workplace import Workplace
from d8.app_errors import AppNotUp, UnusableApp
from d8.app_models import AppKind, AppVerb, LogEntry, LogFilter, LogPriority, LogSkipped
from d8.errors import Cancelled, D8Error, SlaveUnreachable, UsageError
from d8.fleet.apps_client import AppsClient
from d8.menu.views.screen import THEME, Screen
from d8.menu.views.tables import draw_fleet
from tests.support.apps_agent import Running, Stream, app_document, entry, problem, running_apps_agent
from tests.support.fakes import make_settings

SECRET = "s3cret-value"


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Workplace]:
    place = Workplace(make_settings(tmp_path, D8_CONNECT_TIMEOUT="10"))
    yield place
    place.close()


@pytest.fixture
def running(tmp_path: Path, workplace: Workplace) -> Iterator[Running]:
    with running_apps_agent(tmp_path, workplace.registry) as agent:
        agent.agent.apps["shop"] = app_document("shop")
        yield agent


def audit(workplace: Workplace) -> list[tuple[str, str, str]]:
    with sqlite3.connect(workplace.settings.data_dir / "d8.db") as database:
        return list(database.execute("select action, subject, result from audit order by id"))


def test_what_changes_an_app_is_recorded_and_looking_is_not(workplace: Workplace, running: Running) -> None:
    slave = running.slave.slave_id
    actions.list_apps(workplace, slave)
    actions.show_app(workplace, slave, "shop")
    actions.control_app(workplace, slave, AppVerb.RESTART, "shop")
    actions.edit_app(workplace, slave, "shop", {"port": 1, "dry_run": True})
    actions.remove_app(workplace, slave, "shop")
    with pytest.raises(UsageError):
        actions.remove_app(workplace, slave, "shop")
    assert audit(workplace) == [
        ("app-restart", f"{slave}/shop", "done"),
        ("app-try-edit", f"{slave}/shop", "done"),
        ("app-remove", f"{slave}/shop", "done"),
        ("app-remove", f"{slave}/shop", "wrong_usage"),
    ]


def test_ctrl_c_while_the_slave_works_says_that_it_goes_on(
    workplace: Workplace, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_arguments: object) -> None:
        raise KeyboardInterrupt

    slave = running.slave.slave_id
    monkeypatch.setattr(AppsClient, "act", interrupted)
    with pytest.raises(Cancelled) as told:
        actions.control_app(workplace, slave, AppVerb.RESTART, "shop")
    assert "the slave goes on" in str(told.value) and f"apps {slave}" in str(told.value.hint)
    assert audit(workplace) == [("app-restart", f"{slave}/shop", "unknown")]


@pytest.mark.parametrize("name", ["", "Shop", "a b", "../x", "a/../b", "-x", "a" * 49, "a\n", "*"])
def test_a_name_that_no_app_has_reaches_no_slave(workplace: Workplace, running: Running, name: str) -> None:
    slave = running.slave.slave_id
    for call in (
        lambda: actions.show_app(workplace, slave, name),
        lambda: actions.control_app(workplace, slave, AppVerb.STOP, name),
        lambda: actions.remove_app(workplace, slave, name),
        lambda: actions.register_app(workplace, slave, {"name": name}),
        lambda: actions.edit_app(workplace, slave, name, {"port": 1}),
        lambda: read_logs(workplace, slave, name, LogFilter()),
        lambda: follow_logs(workplace, slave, name, LogFilter(), lambda _: None),
    ):
        with pytest.raises(UsageError):
            call()
    assert running.agent.requests == []


def test_no_value_of_an_environment_is_in_an_error(workplace: Workplace, running: Running) -> None:
    """The slave quotes what it was sent, and an app prints its environment when it fails."""
    document = {"name": "shop", "kind": "node", "user": "pi", "environment": {"KEY": SECRET, "EMPTY": ""}}
    said = [{"field": "environment", "message": f"{SECRET} is no value", "hint": f"not {SECRET}"}]
    up = {"type": "urn:d8:app-did-not-stay-up", "exit_code": 1, "log": [f"KEY={SECRET}"], "result": SECRET}
    running.agent.answers["POST", "/api/apps/register"] = [
        problem(422, SECRET, problems=said),
        problem(422, f"it said {SECRET}", **up),
        problem(400, f"not {SECRET}"),
    ]
    for kind in (UnusableApp, AppNotUp, D8Error):
        with pytest.raises(kind) as caught:
            actions.register_app(workplace, running.slave.slave_id, document)
        shown = f"{caught.value} {caught.value.hint} {caught.value.as_json()} {caught.value.args}"
        assert SECRET not in shown and "***" in shown
    assert SECRET not in (workplace.settings.data_dir / "d8.db").read_bytes().decode("latin-1")


class Follower:
    """Shows nothing, remembers everything, and presses Ctrl+C at the end of a script of pauses or items."""

    def __init__(self, stop_after_items: int) -> None:
        self.items: list[FollowedItem] = []
        self.pauses: list[float] = []
        self._left = stop_after_items

    def __call__(self, items: Sequence[FollowedItem]) -> None:
        self.items += items
        if len([one for one in self.items if isinstance(one, LogEntry)]) >= self._left:
            raise KeyboardInterrupt

    @property
    def cursors(self) -> list[str]:
        return [one.cursor for one in self.items if isinstance(one, LogEntry)]


def test_a_lost_line_is_taken_up_after_the_last_entry(workplace: Workplace, running: Running) -> None:
    agent = running.agent
    agent.streams = [
        Stream([[entry(1), entry(2)]], "close"),
        Stream([[entry(2), entry(3)], [{"type": "skipped", "count": 4}]], "cut"),
        Stream([[entry(9)]]),
    ]
    follower = Follower(4)
    wanted = LogFilter(10, since="2026-01-01T00:00:00Z", grep="x")
    with pytest.raises(KeyboardInterrupt):
        follow_logs(workplace, running.slave.slave_id, "shop", wanted, follower, follower.pauses.append)
    assert follower.cursors == ["c1", "c2", "c3", "c9"], "nothing twice, nothing lost"
    assert [type(one) for one in follower.items if not isinstance(one, LogEntry)] == [
        LinkLost,
        LinkBack,
        LogSkipped,
        LinkLost,
        LinkBack,
    ]
    asked = [request.query for request in agent.asked("/logs/shop")]
    assert [query.get("cursor") for query in asked] == [None, "c2", "c3"]
    assert "since" in asked[0] and "since" not in asked[1] and all(query["grep"] == "x" for query in asked)
    assert follower.pauses == [1.0, 1.0]


def test_the_first_attempt_is_not_repeated(workplace: Workplace, running: Running) -> None:
    with pytest.raises(UsageError):
        follow_logs(workplace, running.slave.slave_id, "nobody", LogFilter(), lambda _: None, lambda _: None)


def test_an_app_that_is_removed_meanwhile_ends_it(workplace: Workplace, running: Running) -> None:
    running.agent.streams = [Stream([[entry(1)], [{"type": "end", "reason": "the app was removed"}]], "close")]
    seen: list[FollowedItem] = []

    def show(items: Sequence[FollowedItem]) -> None:
        seen.extend(items)
        running.agent.apps.clear()

    with pytest.raises(D8Error, match="not registered any more"):
        follow_logs(workplace, running.slave.slave_id, "shop", LogFilter(), show, lambda _: None)
    assert len(seen) == 3


def test_a_slave_that_stays_away_is_tried_ever_rarer(workplace: Workplace, tmp_path: Path) -> None:
    follower = Follower(99)

    def sleep(seconds: float) -> None:
        follower.pauses.append(seconds)
        if len(follower.pauses) == 4:
            raise KeyboardInterrupt

    with running_apps_agent(tmp_path, workplace.registry) as running:
        running.agent.apps["shop"] = app_document("shop")
        running.agent.streams = [Stream([[entry(1)]], "close")]

        def refuse(seconds: float) -> None:
            running.agent.streams = [Stream([], "cut")]
            sleep(seconds)

        with pytest.raises(KeyboardInterrupt):
            follow_logs(workplace, running.slave.slave_id, "shop", LogFilter(), follower, refuse)
    assert follower.pauses == [1.0, 2.0, 4.0, 8.0]


def test_pauses_grow_up_to_half_a_minute() -> None:
    assert [pause_before(attempt) for attempt in (1, 2, 3, 5, 6, 7, 500)] == [1, 2, 4, 16, 30, 30, 30]


def test_watching_waits_for_a_slave_that_was_there(workplace: Workplace, running: Running) -> None:
    seen: list[tuple[int, bool]] = []
    sleeps: list[float] = []

    def sleep(seconds: float) -> None:
        sleeps.append(seconds)
        if len(sleeps) == 1:
            running.agent.answers["GET", "/api/apps"] = [(200, {"not": "an answer of D8"}, {})]
        if len(sleeps) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch_apps(
            workplace,
            running.slave.slave_id,
            lambda found, trouble: seen.append((len(found.apps), bool(trouble))),
            sleep,
        )
    assert seen == [(1, False), (1, True), (1, False)]


def test_watching_a_slave_that_is_away_fails_at_once(workplace: Workplace, running: Running) -> None:
    running.agent.answers["GET", "/api/apps"] = [(200, {"not": "an answer of D8"}, {})]
    with pytest.raises(SlaveUnreachable):
        watch_apps(workplace, running.slave.slave_id, lambda _found, _trouble: None, lambda _: None)


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ("main:app", AppKind.FASTAPI),
        ("shop.main:create.app", AppKind.FASTAPI),
        ("/srv/shop/server.js", AppKind.NODE),
        ("/srv/shop/server.mjs", AppKind.NODE),
        ("/srv/shop/worker.py", AppKind.PYTHON),
        ("shop.worker", AppKind.MODULE),
        ("start", AppKind.NPM),
        ("/srv/shop/run", None),
        ("", None),
    ],
)
def test_a_script_tells_its_kind(script: str, kind: AppKind | None) -> None:
    assert guessed_kind(script) is kind


@pytest.mark.parametrize(
    ("kind", "script"),
    [
        (AppKind.NODE, "server.js"),
        (AppKind.PYTHON, "./x.py"),
        (AppKind.FASTAPI, "main"),
        (AppKind.MODULE, "a-b"),
        (AppKind.NPM, ""),
    ],
)
def test_a_script_that_does_not_fit_its_kind(kind: AppKind, script: str) -> None:
    with pytest.raises(UsageError):
        parse_script(kind, script)


def test_sizes_shares_and_ports() -> None:
    assert [parse_memory(text) for text in ("1024", "256M", "1 G", "2k", "3MiB")] == [
        1024,
        256 * 1024**2,
        1024**3,
        2048,
        3 * 1024**2,
    ]
    assert (parse_cpu("50%"), parse_cpu("150"), parse_port("8000")) == (50, 150, 8000)
    wrong = {parse_memory: ("", "0", "-1", "1X", "M"), parse_cpu: ("0", "x", ""), parse_port: ("0", "65536", "x")}
    for parse, texts in wrong.items():
        for text in texts:
            with pytest.raises(UsageError):
                parse(text)


def test_variables_come_from_words_and_files_and_words_win(tmp_path: Path) -> None:
    file = tmp_path / "app.env"
    file.write_text("# a comment\nA=from file\nexport B='two words'\nC=\"$HOME and #\"\nEMPTY=\n")
    found = environment_of(["A=word=1", "D="], [str(file)])
    assert found == {"A": "word=1", "B": "two words", "C": "$HOME and #", "EMPTY": "", "D": ""}


@pytest.mark.parametrize("content", ["NAME\n", "1A=secret-value\n", "A B=secret-value\n", "A='secret-value\n"])
def test_a_file_of_something_else_is_refused_without_its_values(tmp_path: Path, content: str) -> None:
    file = tmp_path / "app.env"
    file.write_text(content)
    with pytest.raises(UsageError) as caught:
        variables_of_file(str(file))
    assert "secret-value" not in str(caught.value)


def test_a_word_that_is_no_variable_is_refused_without_its_value() -> None:
    with pytest.raises(UsageError) as caught:
        environment_of(["A-B=secret-value"], [])
    assert "secret-value" not in str(caught.value)


def test_all_problems_of_a_form_are_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        collected({"memory": lambda: parse_memory("x"), "cpu": lambda: parse_cpu("y"), "port": lambda: 1})
    assert "--memory" in str(caught.value) and "--cpu" in str(caught.value)


NOW = datetime(2026, 11, 22, 10, 30, tzinfo=timezone(timedelta(hours=1)))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90s", "2026-11-22T09:28:30"),
        ("10m", "2026-11-22T09:20:00"),
        ("2 h", "2026-11-22T07:30:00"),
        ("1d", "2026-11-21T09:30:00"),
        ("08:15", "2026-11-22T07:15:00"),
        ("8:15:30", "2026-11-22T07:15:30"),
        ("2026-11-20", "2026-11-19T23:00:00"),
        ("2026-11-20 12:00", "2026-11-20T11:00:00"),
        ("2026-11-20T12:00:00Z", "2026-11-20T12:00:00"),
    ],
)
def test_moments(text: str, moment: str) -> None:
    assert parse_moment(text, NOW) == f"{moment}.000000Z"


@pytest.mark.parametrize("text", ["", "soon", "25:00", "99:99", "999999d", "0001-01-01", "10x"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(UsageError):
        parse_moment(text, NOW)


def test_priorities_by_name_word_and_number() -> None:
    words = ("err", "error", "3", "Warning", "warn", "debug", "0")
    P = LogPriority
    assert [parse_priority(word) for word in words] == [P.ERR, P.ERR, P.ERR, P.WARNING, P.WARNING, P.DEBUG, P.EMERG]
    with pytest.raises(UsageError):
        parse_priority("loud")


def test_the_fleet_tells_of_apps_beside_the_health(workplace: Workplace, running: Running) -> None:
    running.agent.apps["api"] = app_document("api", status="failed")
    running.agent.apps["job"] = app_document("job", status="stopped")
    [status] = fleet_status(workplace, None)
    assert status.as_json()["apps"] == {"total": 3, "running": 1, "need_attention": ["api"]}
    console = Console(file=io.StringIO(), width=80, theme=THEME, no_color=True)
    draw_fleet(Screen(console=console), [status], None)
    assert isinstance(console.file, io.StringIO)
    assert "1/3 ✗1" in console.file.getvalue()


def test_a_slave_that_tells_nothing_of_apps_is_as_well_as_its_health(workplace: Workplace, running: Running) -> None:
    running.agent.answers["GET", "/api/apps"] = [problem(404, "there is no such path")]
    [status] = fleet_status(workplace, None)
    assert status.state is SlaveState.OK and status.as_json()["apps"] is None


def test_removing_a_slave_says_which_apps_go_with_it(workplace: Workplace, running: Running) -> None:
    apps = apps_to_lose(workplace, running.slave.slave_id)
    assert apps == ("shop",)
    assert "with its apps (1: shop)" in str(removal_question("slave-x", apps))
    many = str(removal_question("slave-x", [f"app-{number}" for number in range(200)]))
    assert "(200: app-0," in many and "...)" in many and len(many) < 200
    assert "apps" not in str(removal_question("slave-x", ()))
    running.agent.answers["GET", "/api/apps"] = [problem(500, "no")]
    assert apps_to_lose(workplace, running.slave.slave_id) == ()


def test_variables_may_come_from_the_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("A=1\nB=two\n"))
    assert environment_of([], ["-"]) == {"A": "1", "B": "two"}


@pytest.mark.parametrize(
    ("typed", "path"),
    [("/srv/a/", "/srv/a"), ("/srv//a", "/srv/a"), ("//srv/./a/", "/srv/a"), ("/", "/"), ("/a/..", "/a/..")],
)
def test_a_folder_is_taken_in_its_shortest_form(typed: str, path: str) -> None:
    assert parse_path(typed) == path


def test_the_proposed_folder_is_one_that_the_slave_takes() -> None:
    [question] = [one for one in QUESTIONS if one.field == "working_dir"]
    assert question.default(Answers(typed={"user": "pi", "script": "main:app"})) == "/home/pi"
