"""What keeps an app from running: decided over a host in memory, and once over this machine's own files."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from slave_agent.process_runner import run
from slave_agent.systemd import ports
from slave_agent.systemd.accounts import Account
from slave_agent.systemd.host_checks import host_problems, path_problems, problems_seen
from slave_agent.systemd.host_probe import HostProbe
from slave_agent.systemd.interpreters import newest_version
from slave_agent.systemd.ports import port_problem
from slave_agent.systemd.probe import Kind, Look, PathPart
from slave_agent.systemd.service_config import FieldProblem, ServiceConfig, config_from
from slave_agent.systemd.writers import foreign_writers

PI = Account("pi", 1000, 1000, (1000,), "/home/pi")
FILE, FOLDER, PROGRAM = Look(Kind.FILE, True), Look(Kind.FOLDER, True, True), Look(Kind.FILE, True, True)
GOOD: Mapping[str, Look] = {
    "/srv/shop": FOLDER,
    "/srv/shop/main.py": FILE,
    "/srv/shop/main.js": FILE,
    "/usr/bin/python3": PROGRAM,
    "/usr/bin/node": PROGRAM,
    "/usr/bin/npm": PROGRAM,
}
NVM = "/home/pi/.nvm/versions/node"


@dataclass
class HostInMemory:
    """A host of which every path is told."""

    looks: Mapping[str, Look] = field(default_factory=lambda: dict(GOOD))
    folders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=lambda: {"/srv/shop/package.json": '{"scripts": {"start": "x"}}'})
    parts: Mapping[str, tuple[PathPart, ...]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    python_fails: bool = False
    port: FieldProblem | None = None
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def look(self, path: str) -> Look:
        return self.looks.get(path, Look(Kind.MISSING))

    def names_in(self, folder: str) -> tuple[str, ...]:
        return self.folders.get(folder, ())

    def text_of(self, path: str) -> str | None:
        return self.texts.get(path)

    def parts_of(self, path: str) -> tuple[PathPart, ...]:
        return self.parts.get(path, ())

    def missing_modules(self, python: str, working_dir: str, names: tuple[str, ...]) -> tuple[str, ...]:
        self.asked.append((python, working_dir, names))
        if self.python_fails:
            raise OSError("Illegal instruction")
        return tuple(name for name in names if name in self.missing)

    def port_problem(self, host: str | None, port: int) -> FieldProblem | None:
        self.asked.append((host, port))
        return self.port


KINDS = {
    "python": "/srv/shop/main.py",
    "node": "/srv/shop/main.js",
    "npm": "start",
    "module": "shop",
    "fastapi": "m:app",
}


def app(kind: str = "python", **changes: Any) -> ServiceConfig:
    base = {"name": "shop", "kind": kind, "script": KINDS[kind], "user": "pi", "working_dir": "/srv/shop"}
    return config_from({**base, **changes})


@pytest.mark.parametrize(
    ("kind", "interpreter"),
    [
        ("python", "/usr/bin/python3"),
        ("module", "/usr/bin/python3"),
        ("fastapi", "/usr/bin/python3"),
        ("node", "/usr/bin/node"),
        ("npm", "/usr/bin/npm"),
    ],
)
def test_a_good_app_has_an_interpreter_and_no_problem(kind: str, interpreter: str) -> None:
    assert problems_seen(app(kind), PI, HostInMemory()) == ([], interpreter)


VENV, OLD_VENV = "/srv/shop/.venv/bin/python", "/srv/shop/venv/bin/python"
SEARCH: list[tuple[str, dict[str, Look], dict[str, tuple[str, ...]], str]] = [
    ("python", {VENV: PROGRAM, OLD_VENV: PROGRAM}, {}, VENV),
    ("fastapi", {OLD_VENV: PROGRAM}, {}, OLD_VENV),
    ("python", {"/usr/local/bin/python3": PROGRAM}, {}, "/usr/local/bin/python3"),
    ("python", {VENV: FILE}, {}, "/usr/bin/python3"),
    ("node", {"/usr/local/bin/node": PROGRAM}, {}, "/usr/local/bin/node"),
    ("node", {"/home/pi/.local/bin/node": PROGRAM}, {}, "/home/pi/.local/bin/node"),
    ("node", {f"{NVM}/v22.1.0/bin/node": PROGRAM}, {NVM: ("v9.9.9", "v22.1.0", "x")}, f"{NVM}/v22.1.0/bin/node"),
    ("node", {}, {NVM: ("v22.1.0",)}, "/usr/bin/node"),
    (
        "npm",
        {f"{NVM}/v22.1.0/bin/npm": PROGRAM, f"{NVM}/v22.1.0/bin/node": PROGRAM},
        {NVM: ("v22.1.0",)},
        f"{NVM}/v22.1.0/bin/npm",
    ),
]


@pytest.mark.parametrize(("kind", "more", "folders", "found"), SEARCH)
def test_the_interpreter_is_the_one_that_the_user_means(
    kind: str, more: dict[str, Look], folders: dict[str, tuple[str, ...]], found: str
) -> None:
    host = HostInMemory(looks={**GOOD, **more}, folders=folders)
    assert problems_seen(app(kind), PI, host) == ([], found)


def test_a_scripts_own_folder_may_have_the_venv() -> None:
    host = HostInMemory(looks={**GOOD, "/opt/code/.venv/bin/python": PROGRAM, "/opt/code/a.py": FILE})
    assert problems_seen(app(script="/opt/code/a.py"), PI, host) == ([], "/opt/code/.venv/bin/python")


WITHOUT_NODE = {path: look for path, look in GOOD.items() if path != "/usr/bin/node"}
PROBLEMS: list[tuple[str, dict[str, Any], HostInMemory, str, str]] = [
    ("python", {}, HostInMemory({**GOOD, "/srv/shop": Look(Kind.MISSING)}), "working_dir", "no /srv/shop"),
    ("python", {}, HostInMemory({**GOOD, "/srv/shop": FILE}), "working_dir", "is no folder"),
    ("python", {}, HostInMemory({**GOOD, "/srv/shop": Look(Kind.FOLDER)}), "working_dir", "may not enter"),
    ("python", {}, HostInMemory({**GOOD, "/srv/shop": Look(Kind.HIDDEN)}), "working_dir", "may not look into"),
    ("python", {}, HostInMemory({**GOOD, "/srv/shop/main.py": Look(Kind.MISSING)}), "script", "there is no"),
    ("python", {}, HostInMemory({**GOOD, "/srv/shop/main.py": FOLDER}), "script", "is no file"),
    ("python", {}, HostInMemory({**GOOD, "/srv/shop/main.py": Look(Kind.OTHER, True)}), "script", "is no file"),
    ("python", {}, HostInMemory({**GOOD, "/srv/shop/main.py": Look(Kind.FILE)}), "script", "may not read"),
    ("node", {}, HostInMemory({**GOOD, "/srv/shop/main.js": Look(Kind.BROKEN_LINK)}), "script", "a link to what"),
    ("npm", {}, HostInMemory(texts={}), "script", "package.json is not there"),
    ("npm", {}, HostInMemory(texts={"/srv/shop/package.json": "[1"}), "script", "no package.json"),
    ("npm", {}, HostInMemory(texts={"/srv/shop/package.json": "[]"}), "script", "no package.json"),
    ("npm", {"script": "serve"}, HostInMemory(), "script", "no script serve"),
    ("npm", {}, HostInMemory(WITHOUT_NODE), "interpreter", "finds no node"),
    ("node", {}, HostInMemory(WITHOUT_NODE), "interpreter", "none found for node"),
    ("python", {}, HostInMemory({**GOOD, VENV: Look(Kind.BROKEN_LINK)}), "interpreter", "a link to what is not"),
    ("python", {"interpreter": "/opt/python"}, HostInMemory(), "interpreter", "there is no /opt/python"),
    ("python", {"interpreter": "/srv/shop/main.py"}, HostInMemory(), "interpreter", "no program that it may run"),
    ("module", {}, HostInMemory(missing=("shop",)), "script", "no module shop"),
    ("fastapi", {}, HostInMemory(missing=("m",)), "script", "no module m"),
    ("fastapi", {}, HostInMemory(missing=("uvicorn",)), "interpreter", "has no uvicorn"),
    ("fastapi", {}, HostInMemory(python_fails=True), "interpreter", "does not run: Illegal instruction"),
    (
        "python",
        {"port": 8000},
        HostInMemory(port=FieldProblem("port", "port 8000 is in use", "See.")),
        "port",
        "is in use",
    ),
    (
        "python",
        {"port": 80, "host": "x"},
        HostInMemory(port=FieldProblem("host", "x is no address of this host", "See.")),
        "host",
        "no address",
    ),
]


@pytest.mark.parametrize(("kind", "changes", "host", "field_name", "words"), PROBLEMS)
def test_a_problem_has_its_field_and_a_hint(
    kind: str, changes: dict[str, Any], host: HostInMemory, field_name: str, words: str
) -> None:
    problems, _ = problems_seen(app(kind, **changes), PI, host)
    assert [problem.field for problem in problems] == [field_name], problems
    assert words in problems[0].message and problems[0].hint


def test_all_problems_come_in_one_answer() -> None:
    host = HostInMemory(looks={}, port=FieldProblem("port", "port 80 is in use", "See."))
    problems, interpreter = problems_seen(app("node", port=80), PI, host)
    assert {problem.field for problem in problems} == {"working_dir", "script", "interpreter", "port"}
    assert interpreter is None


def test_the_port_is_looked_at_where_the_app_will_listen() -> None:
    for config, asked in (
        (app("fastapi", port=8000), ("127.0.0.1", 8000)),
        (app("python", port=8000), (None, 8000)),
        (app("node", port=8000, host="10.0.0.1"), ("10.0.0.1", 8000)),
    ):
        host = HostInMemory()
        problems_seen(config, PI, host)
        assert asked in host.asked


ROOT_FOLDER, SRV = PathPart("/", 0), PathPart("/srv", 0)
OWN = PathPart("/srv/main.py", 1000)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ((), []),
        ((ROOT_FOLDER, SRV, OWN), []),
        ((ROOT_FOLDER, SRV, PathPart("/srv/main.py", 0)), []),
        ((ROOT_FOLDER, SRV, PathPart("/srv/main.py", 33)), ["/srv/main.py belongs to somebody else"]),
        (
            (ROOT_FOLDER, PathPart("/srv", 33), PathPart("/srv/main.py", 33)),
            ["/srv belongs to somebody else", "/srv/main.py belongs to somebody else"],
        ),
        ((ROOT_FOLDER, PathPart("/srv", 33), OWN), ["/srv belongs to somebody else"]),
        ((ROOT_FOLDER, PathPart("/srv", 0, is_open=True), OWN), ["everybody may write to /srv"]),
        ((ROOT_FOLDER, PathPart("/tmp", 0, is_open=True, is_sticky=True), OWN), []),
        (
            (ROOT_FOLDER, PathPart("/tmp", 0, is_open=True, is_sticky=True), PathPart("/tmp/main.py", 33)),
            ["/tmp/main.py belongs to somebody else"],
        ),
        ((ROOT_FOLDER, PathPart("/tmp", 0, is_open=True, is_sticky=True)), ["everybody may write to /tmp"]),
        ((SRV, PathPart("/srv/main.py", 1000, is_open=True)), ["everybody may write to /srv/main.py"]),
        ((PathPart("/srv", 0, writers=frozenset({"pi", "root"})), OWN), []),
        ((PathPart("/srv", 0, writers=frozenset({"pi", "eve"})), OWN), ["eve may write to /srv"]),
        (
            (PathPart("/srv", 0, writers=frozenset("abcdef")), OWN),
            ["a, b, c and others may write to /srv"],
        ),
    ],
)
def test_who_else_could_change_a_file(parts: tuple[PathPart, ...], words: list[str]) -> None:
    assert foreign_writers(parts, "pi", 1000) == words


def test_foreign_writers_are_a_problem_of_the_field() -> None:
    open_folder = (PathPart("/srv/shop", 1000, is_open=True),)
    python = HostInMemory(parts={"/srv/shop/main.py": open_folder})
    assert [one.field for one in problems_seen(app(), PI, python)[0]] == ["script"]
    module = HostInMemory(parts={"/srv/shop": open_folder, "/usr/bin/python3": open_folder})
    assert [one.field for one in problems_seen(app("module"), PI, module)[0]] == ["working_dir", "interpreter"]


OPEN_FILE = (PathPart("/a/file", 1000, is_open=True),)
NPM_TEXT = (
    '{"scripts": {"prestart": "sh \'./set up.sh\'", "start": "NODE_ENV=x node server.js \\u0000 -p 1", "b": "\\""}}'
)


@pytest.mark.parametrize(
    ("kind", "changes", "path", "field_name"),
    [
        ("fastapi", {}, "/srv/shop/m.py", "script"),
        ("fastapi", {"script": "shop.web:app"}, "/srv/shop/shop/web.py", "script"),
        ("fastapi", {"script": "shop.web:app"}, "/srv/shop/shop/__init__.py", "script"),
        ("module", {}, "/srv/shop/shop/__main__.py", "script"),
        ("module", {}, "/usr/bin/python3", "interpreter"),
        ("npm", {}, "/srv/shop/package.json", "script"),
        ("npm", {}, "/srv/shop/server.js", "script"),
        ("npm", {}, "/srv/shop/set up.sh", "script"),
        ("npm", {}, "/srv/shop/node_modules/.bin/node", "script"),
        ("npm", {}, "/usr/bin/node", "interpreter"),
        ("node", {}, "/usr/bin/node", "interpreter"),
    ],
)
def test_all_code_that_can_be_told_is_looked_at(kind: str, changes: dict[str, Any], path: str, field_name: str) -> None:
    files = {"/srv/shop/server.js": FILE, "/srv/shop/set up.sh": FILE, "/srv/shop/node_modules/.bin/node": FILE}
    texts = {"/srv/shop/package.json": NPM_TEXT}
    host = HostInMemory({**GOOD, **files}, texts=texts, parts={path: OPEN_FILE})
    problems, _ = problems_seen(app(kind, **changes), PI, host)
    assert [(one.field, path in one.message) for one in problems] == [(field_name, True)], problems


def test_words_of_an_npm_script_that_are_none_are_no_problem() -> None:
    for text in ("{}", '{"scripts": []}', '{"scripts": {"start": 7}}', '{"scripts": {"start": "node \'x"}}', "7"):
        host = HostInMemory(texts={"/srv/shop/package.json": text})
        assert {one.field for one in problems_seen(app("npm"), PI, host)[0]} <= {"script"}


IN_TMP = (PathPart("/srv/link", 0), PathPart("/var/tmp/shop", 1000))


@pytest.mark.parametrize(
    ("changes", "is_user", "parts", "fields"),
    [
        ({}, False, {"/srv/shop": IN_TMP}, ["working_dir"]),
        ({}, False, {"/srv/shop": IN_TMP, "/srv/shop/main.py": IN_TMP}, ["script", "working_dir"]),
        ({"hardening": "strict"}, False, {"/usr/bin/python3": IN_TMP}, ["interpreter"]),
        ({"hardening": "off"}, False, {"/srv/shop": IN_TMP}, []),
        ({}, True, {"/srv/shop": IN_TMP}, []),
        ({}, False, {"/srv/shop": (PathPart("/tmp", 0, is_open=True, is_sticky=True),)}, []),
    ],
)
def test_what_an_app_with_its_own_tmp_would_not_see_is_named(
    changes: dict[str, Any], is_user: bool, parts: dict[str, tuple[PathPart, ...]], fields: list[str]
) -> None:
    problems, _ = problems_seen(app(**changes), PI, HostInMemory(parts=parts), is_user)
    assert [one.field for one in problems] == fields and all("own /tmp" in one.message for one in problems)


@pytest.mark.parametrize(
    ("names", "newest"),
    [((), None), (("x", "v1.2"), None), (("v9.0.0", "v10.0.0"), "v10.0.0"), (("v1.2.3", "v1.10.0"), "v1.10.0")],
)
def test_versions_are_numbers(names: tuple[str, ...], newest: str | None) -> None:
    assert newest_version(names) == newest


def own() -> Account:
    return Account("me", os.getuid(), os.getgid(), (os.getgid(),), "/nowhere")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of an app on this machine."""
    (tmp_path / "main.py").write_text("app = 1\n")
    (tmp_path / "main.py").chmod(0o644)
    tmp_path.chmod(0o755)
    return tmp_path


def test_this_machine_is_looked_at(folder: Path) -> None:
    config = app(script=f"{folder}/main.py", working_dir=str(folder), hardening="off")
    problems, interpreter = host_problems(config, own(), run)
    assert [one for one in problems if one.field != "script"] == [] and interpreter is not None
    missing = app("module", script="nowhere_to_be_found", working_dir=str(folder))
    assert "no module nowhere_to_be_found" in str(host_problems(missing, own(), run)[0])
    there = app("module", script="main", working_dir=str(folder))
    assert "no module" not in str(host_problems(there, own(), run)[0])


def test_links_are_followed_step_by_step(folder: Path) -> None:
    (folder / "open").mkdir()
    (folder / "open").chmod(0o777)
    (folder / "open" / "main.py").write_text("")
    (folder / "link.py").symlink_to("open/main.py")
    (folder / "again").symlink_to("again")
    probe = HostProbe()
    passed = [part.path for part in probe.parts_of(f"{folder}/link.py")]
    assert passed[-3:] == [f"{folder}/link.py", f"{folder}/open", f"{folder}/open/main.py"] and passed[0] == "/"
    problems = path_problems(app(script=f"{folder}/link.py", working_dir=str(folder)), own())
    assert f"everybody may write to {folder}/open" in problems[0].message
    assert probe.parts_of(f"{folder}/again") == () and probe.parts_of(f"{folder}/nothing") == ()
    assert probe.look(f"{folder}/again").kind is Kind.BROKEN_LINK


def test_what_lies_at_a_path(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "gone").symlink_to("nothing")
    probe = HostProbe()
    kinds = {name: probe.look(f"{folder}/{name}").kind for name in ("main.py", "pipe", "gone", "none", "main.py/x")}
    assert kinds == {
        "main.py": Kind.FILE,
        "pipe": Kind.OTHER,
        "gone": Kind.BROKEN_LINK,
        "none": Kind.MISSING,
        "main.py/x": Kind.MISSING,
    }
    assert probe.text_of(f"{folder}/main.py") == "app = 1\n"
    assert probe.text_of(f"{folder}/pipe") is None and probe.text_of(str(folder)) is None
    assert probe.names_in(str(folder)) == ("gone", "main.py", "pipe") and probe.names_in("/nowhere") == ()


def test_an_interpreter_that_is_none_is_an_error(folder: Path) -> None:
    with pytest.raises(OSError, match="exit code 0"):
        HostProbe(run).missing_modules("/bin/true", str(folder), ("main",))
    assert HostProbe(run).missing_modules("/usr/bin/python3", str(folder), ("main", "json", "nope")) == ("nope",)


def message_of(problem: FieldProblem | None) -> str:
    return "" if problem is None else problem.message


def test_a_port_for_root_alone_is_not_looked_for_among_those_that_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_bind", lambda family, address: errno.EACCES)
    problem = port_problem(None, 80)
    assert problem is not None and (problem.field, "only root" in problem.message) == ("port", True)
    assert "1024" in problem.hint and "ss -ltnp" not in problem.hint


def test_a_port_that_somebody_has_is_taken() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert message_of(port_problem("127.0.0.1", port)) == f"port {port} is in use"
        assert message_of(port_problem(None, port)) == f"port {port} is in use"
        assert message_of(port_problem("localhost", port)) == f"port {port} is in use"
    assert message_of(port_problem("192.0.2.1", 7)) == "192.0.2.1 is no address of this host"
