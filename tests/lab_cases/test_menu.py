"""The operator's way, key by key, on 80 by 24: 10, the script on a real host, 11, 1 and 16, in both languages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.terminal.terminal import COLUMNS, Terminal

WORDS = {
    "es": {
        "menu": "0  Salir",
        "written": "Script de instalación escrito",
        "back": "Enter: volver al menú",
        "address": "Dirección del slave",
        "confirm": "ahora? [s/N]",
        "yes": "s",
        "ready": "está listo: su agente responde",
        "registered": "está registrado",
        "answers": "Responden 1 de 1",
        "remove": "[s/N]",
        "removed": "agente desinstalado, slave olvidado",
    },
    "en": {
        "menu": "0  Exit",
        "written": "Install script written",
        "back": "Enter: back to the menu",
        "address": "Address of the slave",
        "confirm": "now? [y/N]",
        "yes": "y",
        "ready": "is ready: its agent answers",
        "registered": "is registered",
        "answers": "1 of 1 answer",
        "remove": "[y/N]",
        "removed": "agent uninstalled, slave forgotten",
    },
}


@pytest.fixture
def terminal(tmp_path: Path, lab: Lab, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    environment = {"D8_LANG": request.param, "D8_MASTER_ADDRESS": lab.master_address, "D8_STABILISATION": "1"}
    opened = Terminal(folder=tmp_path, **environment, D8_CONNECT_TIMEOUT="5")
    yield opened
    opened.close()


def assert_readable(terminal: Terminal) -> None:
    """No line reaches beyond the screen, nothing raw shows, no traceback."""
    shown = terminal.everything
    assert "Traceback" not in shown and "\x1b" not in shown and "{" not in shown.replace("${", "")
    assert all(len(line) <= COLUMNS for line in shown.splitlines())


@pytest.mark.parametrize(("terminal", "language"), [("es", "es"), ("en", "en")], indirect=["terminal"])
def test_ten_eleven_one_and_sixteen(terminal: Terminal, language: str, tmp_path: Path, bare_host: Host):
    words = WORDS[language]
    terminal.wait_for(words["menu"], 60)
    terminal.press("10\r")
    terminal.wait_for(words["written"])
    terminal.press("\r")

    [script] = (tmp_path / "installers").glob("install_slave_*.sh")
    bare_host.push(script, "/home/pi/install_slave.sh", owner="pi", mode=0o600)
    bare_host.run("sh install_slave.sh --start", "pi")

    terminal.wait_for(lambda screen: words["menu"] in screen.text[-250:])
    terminal.press("11\r")
    terminal.wait_for(words["address"])
    terminal.press(f"{bare_host.address}\r")
    terminal.wait_for(words["confirm"])
    terminal.press(words["yes"] + "\r")
    terminal.wait_for(words["ready"], 120)
    assert words["registered"] in terminal.everything
    assert "[8/8]" in terminal.everything
    terminal.press("\r")

    terminal.wait_for(lambda screen: words["menu"] in screen.text[-250:])
    terminal.press("1\r")
    terminal.wait_for(words["answers"])
    assert "slave-" + bare_host.address.replace(".", "-") in terminal.text
    assert_readable(terminal)
    terminal.press("0\r")

    terminal.wait_for(lambda screen: words["menu"] in screen.text[-250:])
    terminal.press("16\r")
    terminal.wait_for("1  slave-")
    terminal.press("1\r")
    terminal.wait_for(words["remove"])
    terminal.press(words["yes"] + "\r")
    terminal.wait_for(words["removed"], 60)
    terminal.press("\r")
    terminal.wait_for(lambda screen: words["menu"] in screen.text[-250:])
    terminal.press("0\r")
    assert terminal.wait_for_end() == 0
    assert not bare_host.exists("/opt/d8-agent") or not bare_host.run("ls /opt/d8-agent").stdout.strip()
