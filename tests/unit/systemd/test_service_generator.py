"""The unit of each kind of app, the digest that shows an edit, and texts that must not be taken for a unit."""

from __future__ import annotations

from typing import Any

import pytest

from slave_agent.systemd import service_generator
from slave_agent.systemd.errors import SystemdError, UnprovenUnit
from slave_agent.systemd.hardening import hardening_settings
from slave_agent.systemd.service_config import config_from
from slave_agent.systemd.service_generator import Placement, is_ours, is_untouched, parse_unit, render_unit
from slave_agent.systemd.states import AppKind, Hardening
from slave_agent.systemd.unit_reader import settings_in
from slave_agent.systemd.unit_syntax import Setting, plain, read_settings, words_of
from tests.support.naughty import PLAIN

PLACE = Placement(is_user=False, environment_file="/etc/d8-agent/apps/naughty.env", interpreter="/usr/bin/x")
MINE = Placement(True, "/home/pi/apps/naughty.env", "/home/pi/bin/x", "default.target")


def rendered(placement: Placement = PLACE, **changes: Any) -> str:
    return render_unit(config_from({**PLAIN, **changes}), placement)


def values(text: str, name: str) -> list[Any]:
    return [setting.value for setting in settings_in(text) if setting.name == name]


@pytest.mark.parametrize(
    ("changes", "argv"),
    [
        ({"kind": "node", "script": "/srv/a.js", "arguments": ["x"]}, ("/srv/a.js", "x")),
        ({"kind": "npm", "script": "start", "arguments": ["x"]}, ("run", "start", "--", "x")),
        ({"kind": "python", "script": "/srv/a.py", "port": 80}, ("/srv/a.py",)),
        ({"kind": "module", "script": "shop.worker", "arguments": ["-v"]}, ("-m", "shop.worker", "-v")),
        ({"kind": "fastapi", "script": "main:app"}, ("-m", "uvicorn", "main:app")),
        (
            {"kind": "fastapi", "script": "main:app", "host": "::1", "port": 8000, "arguments": ["--workers", "2"]},
            ("-m", "uvicorn", "main:app", "--host", "::1", "--port", "8000", "--workers", "2"),
        ),
    ],
)
def test_each_kind_has_its_command(changes: dict[str, Any], argv: tuple[str, ...]) -> None:
    text = rendered(**changes)
    assert values(text, "ExecStart") == [(":/usr/bin/x", *argv)]


@pytest.mark.parametrize("kind", ["node", "npm", "python", "module"])
def test_other_apps_hear_host_and_port_in_their_environment(kind: str) -> None:
    script = {"npm": "start", "module": "shop"}.get(kind, "/srv/a")
    words = values(rendered(kind=kind, script=script, host="0.0.0.0", port=8000), "Environment")[0]
    assert {"HOST=0.0.0.0", "PORT=8000"} <= set(words)


def test_a_unit_says_what_was_asked_for() -> None:
    text = rendered(
        memory_bytes=2**28,
        cpu_percent=150,
        tasks=50,
        after=["postgresql.service", "redis.service"],
        wants=["redis.service"],
        restart="always",
        description="100 % shop",
    )
    wanted = {
        "MemoryMax": ["268435456"],
        "CPUQuota": ["150%"],
        "TasksMax": ["50"],
        "After": ["network.target", "postgresql.service redis.service"],
        "Wants": ["redis.service"],
        "Restart": ["always"],
        "Description": ["100 % shop"],
        "Type": ["exec"],
        "User": ["pi", "pi"],
        "EnvironmentFile": ["/etc/d8-agent/apps/naughty.env"],
        "WantedBy": ["multi-user.target"],
        "NoNewPrivileges": ["yes"],
    }
    assert {name: values(text, name) for name in wanted} == wanted
    assert "CPUQuota=150%\n" in text and "Description=100 %% shop\n" in text


def test_no_environment_is_in_the_unit() -> None:
    assert "s3cret" not in rendered(environment={"TOKEN": "s3cret"})


def test_a_users_unit_names_no_user_and_asks_for_no_mount() -> None:
    text = rendered(MINE, hardening="strict")
    services = [setting.name for setting in settings_in(text) if setting.section == "Service"]
    assert not {"User", "ProtectSystem", "PrivateTmp", "CapabilityBoundingSet", "ReadWritePaths"} & set(services)
    assert values(text, "WantedBy") == ["default.target"] and values(text, "After") == []
    assert parse_unit(text).user == "pi"


def test_strict_lets_an_app_write_into_its_folder() -> None:
    assert values(rendered(hardening="strict", working_dir='/srv/a "b" %c'), "ReadWritePaths") == [('/srv/a "b" %c',)]
    assert values(rendered(), "ReadWritePaths") == []


@pytest.mark.parametrize("is_user", [True, False])
@pytest.mark.parametrize("preset", Hardening)
def test_node_may_make_code_at_run_time(preset: Hardening, is_user: bool) -> None:
    for kind in (AppKind.NODE, AppKind.NPM):
        assert "MemoryDenyWriteExecute" not in dict(hardening_settings(preset, kind, is_user))


@pytest.mark.parametrize("kind", AppKind)
@pytest.mark.parametrize("preset", Hardening)
def test_no_preset_lets_an_app_use_sudo(preset: Hardening, kind: AppKind) -> None:
    assert ("NoNewPrivileges", "yes") in hardening_settings(preset, kind, True)
    system = hardening_settings(preset, kind, False)
    assert {("NoNewPrivileges", "yes"), ("CapabilityBoundingSet", "")} <= set(system)


def test_off_has_nothing_else() -> None:
    assert {name for name, _ in hardening_settings(Hardening.OFF, AppKind.NODE, False)} == {
        "NoNewPrivileges",
        "CapabilityBoundingSet",
        "AmbientCapabilities",
    }


def test_an_edit_by_hand_is_seen() -> None:
    text = rendered()
    assert is_ours(text) and is_untouched(text)
    for edited in (text + "\n", text.replace("User=pi", "User=root"), text.replace("[Service]", "[Service]\nNice=1")):
        assert is_ours(edited) and not is_untouched(edited)
    for other in ("", "[Service]\nExecStart=/bin/true\n", text.split("\n", 2)[2], " " + text):
        assert not is_ours(other) and not is_untouched(other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ExecStart=/bin/true",
        "[Service]\nnonsense",
        "[Service]\nExecStart=/bin/true",
        "[Service]\nExecStart=/bin/a \\\n/bin/b",
        "[Service]\nUser=%n",
        "[X-D8]\nName=shop",
    ],
)
def test_what_is_no_apps_unit_is_an_error(text: str) -> None:
    with pytest.raises(SystemdError):
        parse_unit(text)


def test_a_changed_kind_is_an_error_not_another_app() -> None:
    with pytest.raises(UnprovenUnit):
        parse_unit(rendered().replace("Kind=python", "Kind=fastapi"))


@pytest.mark.parametrize("path", ["relative", "/a\nb", "/a/../b", "/a\\", "/a'b"])
def test_a_path_of_the_host_has_to_fit_into_a_unit(path: str) -> None:
    with pytest.raises(UnprovenUnit):
        rendered(Placement(False, PLACE.environment_file, path))
    with pytest.raises(UnprovenUnit):
        rendered(Placement(False, path, PLACE.interpreter))


def test_a_renderer_with_a_hole_is_caught_by_the_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that gets by every rule still makes no unit that says something else."""
    config = config_from(PLAIN)
    for field, value in (("description", "x\nUser=root"), ("description", " x"), ("working_dir", "/srv\\")):
        broken = config.__class__(**{**vars(config), field: value})
        with pytest.raises(UnprovenUnit):
            render_unit(broken, PLACE)
    monkeypatch.setattr(service_generator, "render_settings", lambda settings: "[Service]\nUser=root\n")
    with pytest.raises(UnprovenUnit):
        render_unit(config, PLACE)


SYNTAX = [
    ("[A]\nb=c", [("A", "b", "c")]),
    ("[A]\r\n b = c d \r\n", [("A", "b", "c d")]),
    ("# x\n; y\n[A]\nb=#c", [("A", "b", "#c")]),
    ("[A]\nb=\n[C]\nd==", [("A", "b", ""), ("C", "d", "=")]),
    ("[A]\0b=c", [("A", "b", "c")]),
]


@pytest.mark.parametrize(("text", "settings"), SYNTAX)
def test_lines_are_read_as_systemd_reads_them(text: str, settings: list[tuple[str, str, str]]) -> None:
    assert list(read_settings(text)) == settings


@pytest.mark.parametrize("text", ["a=b", "[A]\nb", "[A]\nb=c\\", "[A]\nb=c\\\nd=e"])
def test_lines_that_mislead_are_errors(text: str) -> None:
    with pytest.raises(UnprovenUnit):
        list(read_settings(text))


def test_words_and_specifiers() -> None:
    assert words_of('"a" "b \\"c\\"" "\\\\" "" "%%n"') == ("a", 'b "c"', "\\", "", "%n")
    assert plain("100%% %%%%") == "100% %%"
    for raw in ('"%n"', '"a', "a", '"a"b', '"a" ;', '"\\x41"'):
        with pytest.raises(UnprovenUnit):
            words_of(raw)
    for raw in ("%n", "%%%n", "%"):
        with pytest.raises(UnprovenUnit):
            plain(raw)
    assert Setting("A", "b", "c") != Setting("A", "b", ("c",))
