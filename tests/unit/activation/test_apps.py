"""The list of users that apps may run as, from the first installation on; apps that go with the agent."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from slave_agent.activation import apps
from slave_agent.activation.commands import Finished
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.layout import Layout, layout_for
from slave_agent.activation.states import Scope
from slave_agent.systemd import accounts
from slave_agent.systemd.app_place import AppPlace
from slave_agent.systemd.service_config import config_from
from slave_agent.systemd.service_generator import Placement, render_unit
from tests.support.app_host import AppHost

IDS = {"root": 0, "pi": 1000, "ana": 1001, "mallory": 1002}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppPlace:
    place = AppPlace(False, tmp_path / "units", tmp_path / "apps", tmp_path / "locks", tmp_path / "app-users")

    def entry(name: str) -> pwd.struct_passwd:
        return pwd.struct_passwd((name, "x", IDS[name], IDS[name], "", f"/home/{name}", "/bin/sh"))

    monkeypatch.setattr(apps, "system_place", lambda: place)
    monkeypatch.setattr(apps, "find_agent_user", lambda: None)
    monkeypatch.setattr(pwd, "getpwnam", entry)
    monkeypatch.setattr(apps, "listed_users", lambda path: accounts.listed_users(path, owner=os.geteuid()))
    return place


def layout(scope: Scope = Scope.SYSTEM) -> Layout:
    return layout_for(scope, Path("/home/bob/.local/share/d8-agent/opt"), Path("/home/bob"), 1000, "/usr/bin/python3")


def listed(place: AppPlace) -> list[str]:
    assert place.users is not None
    return [line for line in place.users.read_text().splitlines() if not line.startswith("#")]


def test_the_first_installation_lists_its_ordinary_user(place: AppPlace) -> None:
    apps.write_app_users(layout(), "pi", ())
    assert listed(place) == ["pi"]
    assert place.users is not None and place.users.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("user", ["root", None])
def test_root_is_never_listed(place: AppPlace, user: str | None) -> None:
    apps.write_app_users(layout(), user, ())
    assert listed(place) == []
    apps.write_app_users(layout(), user, ("ana",))
    assert listed(place) == ["ana"]


def test_what_an_administrator_wrote_stays(place: AppPlace) -> None:
    assert place.users is not None
    place.users.write_text("mallory  # by hand")
    place.users.chmod(0o644)
    apps.write_app_users(layout(), "pi", ("ana", "mallory"))
    assert listed(place) == ["mallory  # by hand", "ana"]
    text = place.users.read_text()
    apps.write_app_users(layout(), "pi", ("ana",))
    assert place.users.read_text() == text


def test_a_list_that_others_could_write_stops_the_installation(place: AppPlace) -> None:
    assert place.users is not None
    place.users.write_text("mallory\n")
    place.users.chmod(0o666)
    with pytest.raises(ActivationError, match="by others than root"):
        apps.write_app_users(layout(), "pi", ())


def test_users_that_no_app_can_run_as_are_refused(place: AppPlace) -> None:
    apps.check_app_users(("pi", "ana"))
    for wrong in ("root", "ghost"):
        with pytest.raises(ActivationError, match=wrong):
            apps.check_app_users(("pi", wrong))


@pytest.mark.parametrize("scope", [Scope.USER, Scope.CRON, Scope.NOHUP])
def test_without_root_there_is_no_list(place: AppPlace, scope: Scope) -> None:
    apps.write_app_users(layout(scope), "pi", ())
    assert place.users is not None and not place.users.exists()


class NoSystemctl:
    """Fails the test when anything is run."""

    def run(
        self, argv: Sequence[str], *, stdin: str = "", timeout_seconds: float = 60, env: Mapping[str, str] | None = None
    ) -> Finished:
        raise AssertionError(f"{argv} was run ({stdin}, {timeout_seconds}, {env})")

    def spawn(self, argv: Sequence[str], *, folder: Path, log: Path) -> int:
        raise AssertionError(f"{argv} was started ({folder}, {log})")


@pytest.mark.parametrize("scope", [Scope.SYSTEM, Scope.CRON, Scope.NOHUP])
def test_where_there_are_no_apps_systemd_is_not_asked(place: AppPlace, scope: Scope) -> None:
    assert apps.remove_apps(layout(scope), NoSystemctl()) == 0
    assert not place.units.exists() or list(place.units.iterdir()) == []


class Systemctl(NoSystemctl):
    """Answers as systemctl does for units that do not run; remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def run(
        self, argv: Sequence[str], *, stdin: str = "", timeout_seconds: float = 60, env: Mapping[str, str] | None = None
    ) -> Finished:
        self.asked.append([word for word in argv if not word.startswith("--")])
        shown = "".join(f"Id={word}\nLoadState=loaded\nActiveState=inactive\n\n" for word in argv if ".service" in word)
        return Finished(tuple(argv), 0, shown if "show" in argv else "", "")


def test_all_apps_are_stopped_at_once_and_removed_one_by_one(place: AppPlace, tmp_path: Path) -> None:
    place.units.mkdir()
    for name in ("shop", "api"):
        app = config_from(AppHost(tmp_path / "other").document(name))
        text = render_unit(app, Placement(False, str(place.environment(name)), "/usr/bin/python3"))
        place.unit(name).write_text(text)
    (place.units / "d8-app-theirs.service").write_text("[Service]\n")
    runner = Systemctl()
    assert apps.remove_apps(layout(), runner) == 2
    assert runner.asked[0] == ["systemctl", "stop", "d8-app-api.service", "d8-app-shop.service"]
    assert [path.name for path in place.units.iterdir()] == ["d8-app-theirs.service"]
