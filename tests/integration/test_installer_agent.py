"""The script where an agent has been built: it says so, removes the agent, and begins anew. The agent's own program
is one of the test's here; the lab removes real ones.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from slave_agent.bootstrap.pid_file import is_alive
from tests.integration.test_installer_script import Operator, operator_at, put_tool

OPT = ".local/share/d8-agent/opt"
LAUNCHER = """
import json, os, shutil, sys
from pathlib import Path

OPT = Path(sys.argv[0]).parents[1]
Path(os.environ["HOME"], "asked").write_text(" ".join(sys.argv[1:]))
if (OPT / "broken").exists():
    print(json.dumps({"error": "the unit is busy", "hint": ""}))
    sys.exit(1)
shutil.rmtree(OPT.parent)
Path(os.environ["HOME"], ".config/systemd/user/d8-agent.socket").unlink()
"""


@pytest.fixture(params=["en", "es"])
def operator(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Operator]:
    with operator_at(tmp_path / "home", language=request.param) as someone:
        yield someone


def put_agent(operator: Operator, port: int | None = None) -> Path:
    """Leave in the home what a build does: the activation's program, its record, a socket's unit. Return its folder."""
    opt = operator.home / OPT
    (opt / "controls" / "one").mkdir(parents=True)
    (opt / "controls" / "one" / "d8-activate").write_text(LAUNCHER)
    (opt / "control").symlink_to("controls/one")
    (opt / "state").mkdir()
    port = port or operator.installer.port
    (opt / "state" / "handover.json").write_text(f'{{\n  "phase": "confirmed",\n  "port": {port},\n  "tls": true\n}}\n')
    units = operator.home / ".config/systemd/user"
    units.mkdir(parents=True, exist_ok=True)
    (units / "d8-agent.socket").write_text(f"[Socket]\nListenStream=0.0.0.0:{port}\n")
    return opt


def take_secrets(operator: Operator) -> None:
    """Do to the server's folder what the confirmation of a build does: nothing secret is left, nothing runs."""
    operator.run("--start")
    operator.ask("POST", "/api/execute", {"command": "true"})
    server = [str(operator.folder / "slave_server.py"), "--stop"]
    assert os.spawnlp(os.P_WAIT, "python3", "python3", *server) == 0
    for name in ("config.json", "server.crt", "server.key"):
        (operator.folder / name).unlink()


def test_beside_an_agent_it_says_how_to_begin_anew_whatever_the_folder(operator: Operator) -> None:
    put_agent(operator)
    operator.folder.mkdir()
    (operator.folder / "photo").write_text("precious")
    for options in (["--start"], [], ["--dir", "elsewhere"]):
        said = operator.run(*options, expect=1).stderr
        [line] = [line for line in said.splitlines() if line.endswith("--uninstall")]
        assert f"sh {operator.script} " in line
        assert str(operator.folder) not in said
    assert not (operator.home / "elsewhere").exists()
    (operator.folder / "photo").unlink()


def test_uninstalling_removes_the_agent_and_the_folder_and_it_can_begin_anew(operator: Operator) -> None:
    take_secrets(operator)
    opt = put_agent(operator)
    said = operator.run("--uninstall").stdout
    assert str(opt) in said and "uninstall --wait" in said and str(operator.folder) in said
    assert (operator.home / "asked").read_text() == "uninstall --wait"
    assert not opt.exists() and not operator.folder.exists()

    operator.run("--start")
    assert operator.ask("GET", "/api/version")[0] == 200


def test_a_folder_whose_secrets_a_build_removed_is_still_ours(operator: Operator) -> None:
    take_secrets(operator)
    operator.run("--start")
    assert operator.ask("GET", "/api/version")[0] == 200


def test_a_server_still_running_without_its_settings_is_stopped(operator: Operator) -> None:
    operator.run("--start")
    operator.ask("POST", "/api/execute", {"command": "true"})
    (operator.folder / "config.json").unlink()
    pid = operator.pid
    operator.run("--uninstall")
    assert not operator.folder.exists() and not is_alive(pid)


def test_a_copy_of_the_server_makes_no_folder_ours(operator: Operator) -> None:
    operator.run()
    other = operator.home / "downloads"
    other.mkdir()
    (other / "slave_server.py").write_bytes((operator.folder / "slave_server.py").read_bytes())
    operator.run("--dir", str(other), "--uninstall", expect=1)
    assert (other / "slave_server.py").exists()


def test_an_agent_of_another_port_is_left_alone(operator: Operator) -> None:
    opt = put_agent(operator, port=operator.installer.port + 1)
    said = operator.run("--uninstall").stdout
    assert "uninstall --wait" in said and str(opt) in said
    assert opt.exists() and not (operator.home / "asked").exists()


def test_units_without_the_program_that_removes_them_are_removed(operator: Operator, tmp_path: Path) -> None:
    opt = put_agent(operator)
    (opt / "control").unlink()
    units = operator.home / ".config/systemd/user"
    for name in ("d8-bootstrap.service", "others.service"):
        (units / name).write_text("[Service]\n")
    tools = tmp_path / "tools"
    tools.mkdir()
    put_tool(tools, "systemctl", 'echo "$@" >>"$HOME/asked"')
    said = operator.run("--uninstall", PATH=f"{tools}:{os.environ['PATH']}").stdout
    assert str(opt.parent) in said and not opt.parent.exists()
    asked = (operator.home / "asked").read_text().splitlines()
    disabled = [f"--user --quiet disable --now d8-{name}" for name in ("agent.socket", "bootstrap.service")]
    assert asked == [*disabled, "--user daemon-reload"]
    assert [path.name for path in units.iterdir()] == ["others.service"]


def test_uninstalling_fails_as_long_as_a_server_of_d8_answers_on_the_port(operator: Operator) -> None:
    elsewhere = operator.home / "elsewhere"
    operator.run("--dir", str(elsewhere), "--start")
    said = operator.run("--uninstall", expect=1).stderr
    assert str(operator.installer.port) in said and "kill " in said
    assert not operator.folder.exists()
    operator.run("--dir", str(elsewhere), "--uninstall")


def test_an_agent_that_cannot_be_removed_is_told_and_nothing_else_is_touched(operator: Operator) -> None:
    take_secrets(operator)
    opt = put_agent(operator)
    (opt / "broken").touch()
    said = operator.run("--uninstall", expect=1).stderr
    assert "the unit is busy" in said and f"sh {operator.script} --uninstall" in said
    assert operator.folder.exists()
    (opt / "broken").unlink()


def test_without_rights_the_exact_command_is_told(operator: Operator, tmp_path: Path) -> None:
    opt = put_agent(operator)
    tools = tmp_path / "tools"
    tools.mkdir()
    put_tool(tools, "id", "echo 12345")
    put_tool(tools, "sudo", "exit 1")
    said = operator.run("--uninstall", expect=1, PATH=f"{tools}:{os.environ['PATH']}").stderr
    command = next(line for line in said.splitlines() if "sudo" in line)
    assert f"-I {opt}/control/d8-activate uninstall --wait" in command
    assert not (operator.home / "asked").exists()
