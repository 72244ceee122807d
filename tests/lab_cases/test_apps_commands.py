"""Apps as an operator has them: the commands and the menu's options 2 to 5 against a really built slave."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.support.master import Master
from tests.terminal.terminal import COLUMNS, Terminal

APPS = Path(__file__).resolve().parents[1] / "fixtures" / "apps"
PYTHON = "/opt/fastapi-venv/bin/python"
PATIENCE_SECONDS = 90.0
SECRET = "a-secret-that-nobody-sees"
PORTS = {"shop": 8000, "web": 3100}


@dataclass
class Fleet:
    """One built slave with the files of two apps, and its master."""

    host: Host
    master: Master

    def app(self, *words: str, expect: int = 0) -> Any:
        """Run `app SLAVE …` with --json."""
        return self.master.json("app", self.host.address, *words, expect=expect)

    def apps(self) -> dict[str, Any]:
        """The apps by name."""
        return {app["name"]: app for app in self.master.json("apps", self.host.address)["apps"]}

    def register(self, name: str, *more: str, expect: int = 0) -> Any:
        """Register the FastAPI app (shop) or the Node.js app (web, and every other name)."""
        if name == "shop":
            words = [
                "--script",
                "main:app",
                "--working-dir",
                "/home/pi/shop",
                "--interpreter",
                PYTHON,
                "--port",
                "8000",
            ]
        else:
            words = ["--script", "/home/pi/web/server.js", "--working-dir", "/home/pi/web"]
        return self.app("register", "--name", name, "--user", "pi", *words, *more, expect=expect)

    def ask(self, name: str, path: str) -> str:
        """Ask an app for a path, from its own host."""
        code = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:{PORTS[name]}{path}').read().decode())"
        return self.host.run(["python3", "-c", code]).stdout


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, lab: Lab) -> Iterator[Fleet]:
    host = lab.host("apps")
    master = Master(tmp_path_factory.mktemp("apps"), lab.master_address).in_a_clone()
    host.push(APPS / "fastapi_app", "/home/pi/shop", owner="pi")
    host.push(APPS / "node_app", "/home/pi/web", owner="pi")
    master.bring_bootstrap(host)
    master.build(host)
    yield Fleet(host, master)
    lab.remove(host)


@pytest.fixture
def registered(fleet: Fleet) -> Iterator[Fleet]:
    """Both apps run; they are gone afterwards."""
    fleet.register("shop", "--env", "VERSION=2")
    fleet.register("web", "--env", "PORT=3100")
    yield fleet
    for name in fleet.apps():
        fleet.app("remove", name, "--yes")


def assert_nothing_is_left(fleet: Fleet, name: str) -> None:
    for place in (f"/etc/systemd/system/d8-app-{name}.service", f"/etc/d8-agent/apps/{name}.env"):
        assert not fleet.host.exists(place)
    load = fleet.host.run(["systemctl", "show", "-P", "LoadState", f"d8-app-{name}.service"]).stdout.strip()
    assert load == "not-found"
    assert name not in fleet.apps()


def test_apps_are_registered_controlled_changed_and_removed(fleet: Fleet, tmp_path: Path):
    variables = tmp_path / "shop.env"
    variables.write_text(f"SECRET={SECRET}\nVERSION=1\n")
    shop = fleet.register("shop", "--env-file", str(variables), "--memory", "256M")
    web = fleet.register("web", "--env", "PORT=3100")
    assert shop["app"]["status"] == web["app"]["status"] == "running"
    assert json.loads(fleet.ask("shop", "/environment"))["SECRET"] == SECRET

    apps = fleet.apps()
    assert set(apps) == {"shop", "web"}
    before = apps["shop"]["pid"]
    assert fleet.host.exists(f"/proc/{before}")
    after = fleet.app("restart", "shop")["app"]["pid"]
    assert after != before and not fleet.host.exists(f"/proc/{before}")

    assert fleet.app("stop", "web")["app"]["status"] == "stopped"
    assert not fleet.host.exists(f"/proc/{apps['web']['pid']}")
    assert fleet.app("start", "web")["app"]["status"] == "running"
    assert fleet.app("disable", "web")["app"]["enabled"] is False
    assert fleet.app("enable", "web")["app"]["enabled"] is True
    [status] = fleet.master.json("status")["slaves"]
    assert status["apps"] == {"total": 2, "running": 2, "need_attention": []}

    shown = fleet.app("status", "shop")
    assert "SECRET" in shown["environment_names"] and shown["log"] and shown["config"]["memory_bytes"] == 256 * 1024**2
    tried = fleet.app("edit", "shop", "--env", "VERSION=3", "--dry-run")
    assert tried["changes"] and not tried["restarted"] and json.loads(fleet.ask("shop", "/health"))["version"] == "1"
    changed = fleet.app("edit", "shop", "--env", "VERSION=3", "--restart")
    assert changed["restarted"] and json.loads(fleet.ask("shop", "/health"))["version"] == "3"
    assert SECRET not in json.dumps([shop, shown, tried, changed])

    for name in ("shop", "web"):
        assert fleet.app("remove", name, "--yes")["removed"] == name
        assert_nothing_is_left(fleet, name)
    assert fleet.host.exists("/home/pi/shop/main.py"), "an app's own files stay"


def test_what_can_not_be_is_refused_with_every_reason_and_leaves_nothing(fleet: Fleet):
    wrong = fleet.app(
        "register",
        "--name",
        "bad",
        "--script",
        "/home/pi/nothing.js",
        "--user",
        "pi",
        "--working-dir",
        "/nowhere",
        expect=2,
    )
    assert {problem["field"] for problem in wrong["problems"]} == {"script", "working_dir"}
    stranger = fleet.register("bad", "--env", "PORT=3200", "--interpreter", "/nowhere/node", expect=2)
    assert [problem["field"] for problem in stranger["problems"]] == ["interpreter"]
    crash = fleet.register("bad", "--env", "CRASH=at-start", "--env", f"SECRET={SECRET}", expect=1)
    assert crash["exit_code"] == 3 and any("database is not configured" in line for line in crash["log"])
    assert SECRET not in json.dumps(crash)
    assert_nothing_is_left(fleet, "bad")
    assert fleet.app("start", "bad", expect=2)["error"]


def test_an_edit_that_does_not_stay_up_is_taken_back(registered: Fleet):
    failed = registered.app("edit", "web", "--env", "CRASH=at-start", "--restart", expect=1)
    assert failed["restored"] is True and failed["exit_code"] == 3
    assert registered.apps()["web"]["status"] == "running"
    assert json.loads(registered.ask("web", "/health"))["status"] == "ok"


class Lines:
    """The lines of a command, as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._lines: queue.Queue[str] = queue.Queue()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._lines.put(line)

    def until(self, condition: Callable[[Any], bool]) -> list[Any]:
        """Read JSON lines until one fits; return all."""
        found, deadline = [], time.monotonic() + PATIENCE_SECONDS
        while True:
            found.append(json.loads(self._lines.get(timeout=max(0.1, deadline - time.monotonic()))))
            if condition(found[-1]):
                return found

    def interrupt(self) -> int:
        """Ctrl+C; return the exit code."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(timeout=PATIENCE_SECONDS)
        self._thread.join()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()
        return code


def test_logs_are_read_filtered_and_followed_live_across_a_restart_of_the_agent(registered: Fleet):
    host, master = registered.host, registered.master
    entries = master.json("logs", host.address, "web", "--lines", "1000")["entries"]
    prepared = [one["message"] for one in entries if "preparing" in one["message"]]
    assert prepared[-10:] == [f"node_app: preparing {step} of 10" for step in range(1, 11)]
    found = master.json("logs", host.address, "web", "--grep", "preparing 7", "--since", "1h")["entries"]
    assert {one["message"] for one in found} == {"node_app: preparing 7 of 10"}

    follow = Lines(master.start("logs", host.address, "web", "-f", "--json", "--lines", "1"))
    follow.until(lambda item: item["type"] == "entry")
    registered.ask("web", "/log?lines=3")
    live = follow.until(lambda item: item.get("message") == "line 3 of 3")
    assert [one["message"] for one in live if one["message"].startswith("line")] == [
        f"line {n} of 3" for n in (1, 2, 3)
    ]

    host.run("systemctl restart d8-agent")
    registered.ask("web", "/log?lines=4")
    after = follow.until(lambda item: item.get("message") == "line 4 of 4")
    texts = [one["message"] for one in after if one["type"] == "entry" and one["message"].startswith("line")]
    assert texts == [f"line {n} of 4" for n in (1, 2, 3, 4)], "nothing lost, nothing twice"
    assert {"disconnected", "connected"} <= {one["type"] for one in after}
    assert follow.interrupt() == 0


WORDS = {
    "es": {
        "menu": "0  Salir",
        "running": "✓ en marcha",
        "stopped": "detenida",
        "and_now": "¿Y ahora?",
        "live": "Ctrl+C termina",
        "name": "Nombre de la app",
        "script": "Script (",
        "kind": "Tipo (",
        "user": "Usuario del slave",
        "folder": "Carpeta del slave",
        "port": "Puerto en el que escucha",
        "variable": "Nombre de una variable",
        "value": "no se muestra",
        "limits": "límites, reinicios",
        "register": "¿Registrarla en",
        "yes": "s",
        "problem": "user:",
        "stayed_up": "aguanta en marcha",
        "what": "web: ¿qué hacer?",
        "which_lines": "¿Qué líneas?",
        "live_log": "en vivo. Ctrl+C: volver",
        "ended": "terminado tras",
        "remove": "¿Eliminar la app web",
        "removed": "se eliminó de",
    },
    "en": {
        "menu": "0  Exit",
        "running": "✓ running",
        "stopped": "stopped",
        "and_now": "And now?",
        "live": "Ctrl+C ends",
        "name": "Name of the app",
        "script": "Script (",
        "kind": "Kind (",
        "user": "User of the slave",
        "folder": "Folder on the slave",
        "port": "Port that it listens on",
        "variable": "Name of a variable",
        "value": "not shown",
        "limits": "limits, restarts",
        "register": "Register it on",
        "yes": "y",
        "problem": "user:",
        "stayed_up": "and stayed up",
        "what": "web: what to do?",
        "which_lines": "Which lines?",
        "live_log": "live. Ctrl+C: back",
        "ended": "ended after",
        "remove": "Remove the app web",
        "removed": "is removed from",
    },
}
CLEAR = "\x01\x0b"  # to the beginning of the line, and away with it


@pytest.fixture
def terminal(fleet: Fleet, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    own = {name: value for name, value in fleet.master.environment.items() if os.environ.get(name) != value}
    own |= {"D8_LANG": request.param, "D8_CONNECT_TIMEOUT": "10"}
    opened = Terminal(folder=fleet.master.folder, checkout=fleet.master.checkout, **own)
    yield opened
    opened.close()


def assert_readable(terminal: Terminal) -> None:
    shown = terminal.everything
    assert "Traceback" not in shown and "\x1b" not in shown
    assert all(len(line) <= COLUMNS for line in shown.splitlines())


@pytest.mark.parametrize(
    ("terminal", "language"), [pytest.param("es", "es", marks=pytest.mark.full), ("en", "en")], indirect=["terminal"]
)
def test_options_two_to_five(terminal: Terminal, language: str, fleet: Fleet):
    words = WORDS[language]

    def back_in_the_menu() -> None:
        terminal.wait_for(lambda screen: words["menu"] in screen.text[-250:], PATIENCE_SECONDS)

    def answer(question: str, keys: str) -> None:
        terminal.wait_for(lambda screen: words[question] in screen.text.rpartition("\n")[2], PATIENCE_SECONDS)
        terminal.press(keys + "\r")

    back_in_the_menu()
    terminal.press("4\r")
    answer("name", "web")
    answer("script", "/home/pi/web/server.js")
    answer("kind", "")
    answer("user", CLEAR + "stranger")
    answer("folder", "")
    answer("port", CLEAR + "3100")
    answer("variable", "SECRET")
    answer("value", SECRET)
    answer("variable", "")
    answer("limits", "n")
    answer("register", words["yes"])
    terminal.wait_for(words["problem"], PATIENCE_SECONDS)  # the slave's words stand above the question
    answer("user", CLEAR + "pi")
    terminal.wait_for(words["stayed_up"], PATIENCE_SECONDS)
    terminal.press("\r")

    back_in_the_menu()
    terminal.press("2\r")
    terminal.wait_for(words["and_now"], PATIENCE_SECONDS)
    assert words["running"] in terminal.text and "web" in terminal.text
    terminal.press("2\r")
    terminal.wait_for(words["live"], PATIENCE_SECONDS)
    fleet.app("stop", "web")
    terminal.wait_for(words["stopped"], PATIENCE_SECONDS)
    terminal.press("\x03")
    terminal.wait_for(words["and_now"], PATIENCE_SECONDS)
    terminal.press("0\r")

    back_in_the_menu()
    terminal.press("3\r")
    terminal.wait_for("1  web", PATIENCE_SECONDS)
    terminal.press("1\r")
    terminal.wait_for(words["what"], PATIENCE_SECONDS)
    terminal.press("1\r")
    terminal.wait_for(lambda screen: words["running"] in screen.everything and words["what"] in screen.text, 90)
    terminal.press("0\r")

    back_in_the_menu()
    terminal.press("5\r")
    terminal.wait_for("1  web", PATIENCE_SECONDS)
    terminal.press("1\r")
    terminal.wait_for(words["which_lines"], PATIENCE_SECONDS)
    terminal.press("1\r")
    terminal.wait_for(words["live_log"], PATIENCE_SECONDS)
    terminal.wait_for("listening on 3100", PATIENCE_SECONDS)
    fleet.ask("web", "/log?lines=2")
    terminal.wait_for("line 2 of 2", PATIENCE_SECONDS)
    terminal.press("\x03")
    terminal.wait_for(words["ended"], PATIENCE_SECONDS)
    terminal.press("\r")

    back_in_the_menu()
    terminal.press("3\r")
    terminal.wait_for("1  web", PATIENCE_SECONDS)
    terminal.press("1\r")
    terminal.wait_for(words["what"], PATIENCE_SECONDS)
    terminal.press("7\r")
    answer("remove", words["yes"])
    terminal.wait_for(words["removed"], PATIENCE_SECONDS)
    terminal.press("\r")
    back_in_the_menu()
    terminal.press("0\r")
    assert terminal.wait_for_end() == 0
    assert_readable(terminal)
    assert SECRET not in terminal.everything and SECRET.encode() not in terminal.raw
    assert_nothing_is_left(fleet, "web")
