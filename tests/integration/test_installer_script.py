"""The generated script, really run in a temporary home on loopback, and the server that it leaves, really spoken to."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from d8.installers.generator import write_installer
from d8.models import Installer
from slave_agent.bootstrap.pid_file import is_alive
from tests.support.agent_process import free_port, presented_fingerprint, running_agent, unchecked_context
from tests.support.installers import NAUGHTY_TOKENS, make_installer

NOW = datetime.datetime(2026, 3, 4, 5, 6, 7)  # noqa: DTZ001  a name for a file
SHELLS = [shell for shell in ("sh", "dash", "bash", "busybox") if shutil.which(shell)]


@dataclass
class Operator:
    """Somebody at the machine: a home, a script, and a shell to run it with."""

    home: Path
    installer: Installer
    script: Path

    def run(
        self, *options: str, shell: str = "sh", expect: int = 0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the script and check its exit code."""
        words = [shell, "sh"] if shell == "busybox" else [shell]
        result = subprocess.run(
            [*words, str(self.script), *options],
            env={"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8"} | environment,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert result.returncode == expect, result.stdout + result.stderr
        return result

    @property
    def folder(self) -> Path:
        return self.home / "d8_slave"

    @property
    def pid(self) -> int:
        return int((self.folder / "slave_server.pid").read_text())

    def ask(self, method: str, path: str, document: Any = None, token: str | None = None) -> tuple[int, Any]:
        """Call the server, the certificate checked against the installer's fingerprint before the token is sent."""
        kind = http.client.HTTPSConnection if self.installer.tls else http.client.HTTPConnection
        options = {"context": unchecked_context()} if self.installer.tls else {}
        connection = kind("127.0.0.1", self.installer.port, timeout=30, **options)
        connection.connect()
        if self.installer.tls:
            assert presented_fingerprint(connection.sock) == self.installer.fingerprint
        bearer = b"Bearer " + (self.installer.token if token is None else token).encode()
        body = None if document is None else json.dumps(document)
        connection.request(method, path, body=body, headers={"Authorization": bearer})
        response = connection.getresponse()
        answer = json.loads(response.read())
        connection.close()
        return response.status, answer


@contextlib.contextmanager
def operator_at(home: Path, **overrides: Any) -> Iterator[Operator]:
    """An operator with a fresh installer on a free port; uninstalls afterwards whatever is left."""
    home.mkdir(parents=True, exist_ok=True)
    installer = make_installer(**{"port": free_port()} | overrides)
    operator = Operator(home, installer, write_installer(installer, home / "scripts", NOW))
    try:
        yield operator
    finally:
        operator.run("--uninstall")


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    with operator_at(tmp_path / "home") as someone:
        yield someone


# --- the text of the script ---


@pytest.mark.parametrize("language", ["es", "en"])
@pytest.mark.parametrize("tls", [True, False])
def test_the_script_passes_the_checkers(tmp_path: Path, language: str, tls: bool) -> None:
    script = write_installer(make_installer(language=language, tls=tls, token=NAUGHTY_TOKENS[1]), tmp_path, NOW)
    for checker in (["shellcheck", "-s", "sh"], ["bash", "-n"], ["dash", "-n"]):
        command = shutil.which(checker[0], path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        assert command is not None, checker[0]
        result = subprocess.run([command, *checker[1:], str(script)], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr


# --- installing ---


def test_installing_writes_private_files_and_says_how_to_go_on(operator: Operator) -> None:
    said = operator.run().stdout
    assert f"cd {operator.folder} && python3 slave_server.py" in said
    assert "--start" in said
    assert "python3 start_d8.py build" in said
    assert "Port" in said and "is free" in said
    names = {path.name for path in operator.folder.iterdir()}
    assert names == {"slave_server.py", "config.json", "server.crt", "server.key"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in [operator.folder, *operator.folder.iterdir()])


def test_the_token_itself_is_not_in_the_script_nor_on_the_slave(operator: Operator) -> None:
    operator.run("--start")
    token = operator.installer.token.encode()
    assert token not in operator.script.read_bytes()
    assert not any(token in path.read_bytes() for path in operator.folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_installs_and_starts(operator: Operator, shell: str) -> None:
    said = operator.run("--start", shell=shell).stdout
    assert f"https://127.0.0.1:{operator.installer.port}" in said
    assert operator.ask("GET", "/api/version")[0] == 200


def test_started_it_outlives_the_shell(operator: Operator) -> None:
    operator.run("--start")
    status = Path(f"/proc/{operator.pid}/stat").read_text().rpartition(")")[2].split()
    session, terminal = int(status[3]), int(status[4])
    assert session == operator.pid
    assert terminal == 0
    code, answer = operator.ask("POST", "/api/execute", {"command": "echo $((6 * 7))"})
    assert (code, answer["stdout"]) == (200, "42\n")


def test_curl_with_the_pinned_key_works_and_with_another_sends_nothing(operator: Operator) -> None:
    operator.run("--start")
    url = f"https://127.0.0.1:{operator.installer.port}/api/version"
    header = f"Authorization: Bearer {operator.installer.token}"
    curl = ["curl", "-sk", "-H", header, "--pinnedpubkey"]
    good = subprocess.run([*curl, operator.installer.pin, url], capture_output=True, text=True, check=False)
    assert json.loads(good.stdout)["mode"] == "bootstrap"
    bad = subprocess.run([*curl, "sha256//" + "A" * 43 + "=", url], capture_output=True, check=False)
    assert bad.returncode == 90


@pytest.mark.parametrize("token", NAUGHTY_TOKENS)
def test_any_token_opens_the_running_server(tmp_path: Path, token: str) -> None:
    with operator_at(tmp_path / "home", token=token) as operator:
        operator.run("--start")
        assert operator.ask("GET", "/api/version")[0] == 200
        assert operator.ask("GET", "/api/version", token=token + "x")[0] == 401


@pytest.mark.parametrize("place", ["with space", "ñandú 漢字", 'it\'s "quoted" $HOME `x` %s !', "back\\slash", "-dash"])
def test_any_folder_will_do(tmp_path: Path, place: str) -> None:
    with operator_at(tmp_path / place, master_address=f"master {place}") as operator:
        assert str(operator.folder) in operator.run("--start").stdout
        code, answer = operator.ask("POST", "/api/execute", {"command": "pwd"})
        assert (code, answer["stdout"]) == (200, f"{operator.folder}/work\n")
        operator.run("--uninstall")
        assert not operator.folder.exists()


@pytest.mark.parametrize("master", ["master'; rm -rf /", "maître\n; echo no", "$(touch x) `id` %s \\"])
def test_any_master_name_is_only_a_name(tmp_path: Path, master: str) -> None:
    with operator_at(tmp_path / "home", master_address=master) as operator:
        operator.run("--start")
        assert json.loads((operator.folder / "config.json").read_text())["master"] == master
        assert not (operator.home / "x").exists()


def test_another_folder_can_be_named(operator: Operator) -> None:
    operator.run("--dir", "elsewhere/deep")
    assert (operator.home / "elsewhere" / "deep" / "config.json").exists()
    assert not operator.folder.exists()
    operator.run("--dir=elsewhere/deep", "--uninstall")
    assert not (operator.home / "elsewhere" / "deep").exists()


def test_the_lines_it_prints_can_be_copied_whatever_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / 'it\'s "odd" $HOME %s ñ'
    with operator_at(tmp_path / "my home $x") as operator:
        printed = operator.run("--dir", str(folder)).stdout.splitlines()
        by_hand, background = (next(line.strip() for line in printed if end in line) for end in ("cd ", "--start"))
        assert by_hand.endswith(" && python3 slave_server.py")
        entered = by_hand.removesuffix("python3 slave_server.py") + "pwd"
        assert subprocess.run(["sh", "-c", entered], capture_output=True, text=True, check=True).stdout.strip() == str(
            folder
        )
        assert shlex.split(background) == ["sh", str(operator.script), "--dir", str(folder), "--start"]
        operator.run(*shlex.split(background)[2:])
        [again] = [line for line in operator.run("--dir", str(folder)).stdout.splitlines() if "--start" in line]
        assert again.endswith(background)
        operator.run("--dir", str(folder), "--uninstall")


def test_spanish_is_spanish(tmp_path: Path) -> None:
    with operator_at(tmp_path / "home", language="es") as operator:
        said = operator.run("--start").stdout
        assert "Puerto" in said and "está libre" in said and "El servidor está en marcha" in said


def test_without_tls_it_warns_and_serves_plainly(tmp_path: Path) -> None:
    with operator_at(tmp_path / "home", tls=False) as operator:
        said = operator.run("--start").stdout
        assert "WARNING: no TLS" in said
        assert f"http://127.0.0.1:{operator.installer.port}" in said
        assert not (operator.folder / "server.key").exists()
        assert operator.ask("GET", "/api/version")[0] == 200


# --- again ---


def test_running_it_again_replaces_and_restarts(operator: Operator) -> None:
    operator.run("--start")
    first = operator.pid
    operator.ask("POST", "/api/execute", {"command": "sleep 3; echo kept", "id": "kept", "wait": False})
    said = operator.run("--start").stdout
    assert "held by this very server" in said and "restarting" in said
    assert operator.pid != first
    code, answer = operator.ask("POST", "/api/execute", {"command": "sleep 3; echo kept", "id": "kept"})
    assert (code, answer["stdout"]) == (200, "kept\n")


def test_running_it_again_without_start_leaves_the_server_running(operator: Operator) -> None:
    operator.run("--start")
    first = operator.pid
    assert "still uses the old files" in operator.run().stdout
    assert operator.pid == first
    assert operator.ask("GET", "/api/version")[0] == 200


def test_a_newer_installer_takes_over(operator: Operator) -> None:
    operator.run("--start")
    newer = make_installer(port=operator.installer.port, token="newer token")
    again = Operator(operator.home, newer, write_installer(newer, operator.home / "scripts", NOW))
    again.run("--start")
    assert again.ask("GET", "/api/version")[0] == 200
    assert again.ask("GET", "/api/version", token=operator.installer.token)[0] == 401


# --- uninstalling ---


def test_uninstalling_leaves_nothing(operator: Operator) -> None:
    operator.run("--start")
    pid = operator.pid
    operator.ask("POST", "/api/execute", {"command": "sleep 98765431", "wait": False})
    said = operator.run("--uninstall").stdout
    assert str(operator.folder) in said and "removed" in said
    assert not operator.folder.exists()
    assert not is_alive(pid)
    sleeping = subprocess.run(["pgrep", "-f", "sleep 98765431"], capture_output=True, check=False)
    assert sleeping.stdout == b""
    assert "Nothing is installed" in operator.run("--uninstall").stdout


def test_uninstalling_does_not_trust_a_stale_pid_file(operator: Operator) -> None:
    operator.run("--start")
    os.kill(operator.pid, signal.SIGKILL)
    bystander = subprocess.Popen(["sleep", "60"])
    (operator.folder / "slave_server.pid").write_text(f"{bystander.pid}\n")
    operator.run("--uninstall")
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


@pytest.mark.parametrize("folder", ["/", ".", ""])
def test_a_folder_that_is_not_its_own_is_never_removed(operator: Operator, folder: str) -> None:
    target = folder if folder != "." else str(operator.home)
    (operator.home / "mine").write_text("precious")
    for option in ([], ["--uninstall"]):
        if target:
            operator.run("--dir", target, *option, expect=1)
    (operator.home / "photos").mkdir()
    (operator.home / "photos" / "one").write_text("precious")
    operator.run("--dir", str(operator.home / "photos"), expect=1)
    operator.run("--dir", str(operator.home / "photos"), "--uninstall", expect=1)
    assert (operator.home / "photos" / "one").exists() and (operator.home / "mine").exists()


# --- cut off ---


@pytest.fixture
def cut_off(operator: Operator, tmp_path: Path) -> Iterator[Callable[[Callable[[subprocess.Popen[bytes]], None]], int]]:
    """Start the script, do something to it while it writes its last file, let it go on; return how it ended."""
    tools, hold, written = tmp_path / "tools", tmp_path / "hold", operator.folder / ".staging" / "server.key"
    tools.mkdir()
    (tools / "cat").write_text(f"#!/bin/sh\n/bin/cat\n[ ! -e {written} ] || while [ -e {hold} ]; do sleep 0.05; done\n")
    (tools / "cat").chmod(0o755)

    def run(do: Callable[[subprocess.Popen[bytes]], None]) -> int:
        hold.touch()
        script = subprocess.Popen(
            ["sh", str(operator.script), "--start"],
            env={"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(operator.home), "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + 60
        while not written.exists():
            assert time.monotonic() < deadline and script.poll() is None
            time.sleep(0.01)
        with script:  # closes what was not read
            do(script)
            hold.unlink()
        return script.returncode

    yield run
    hold.unlink(missing_ok=True)


def hang_up(script: subprocess.Popen[bytes]) -> None:
    """Read no more of what it says, as an ssh session that ended."""
    assert script.stdout
    script.stdout.close()


def test_whose_session_is_gone_it_removes_its_secrets(operator: Operator, cut_off: Any) -> None:
    assert cut_off(hang_up) == 130
    assert not operator.folder.exists()


@pytest.mark.parametrize("placed", [0, 1, 3])
@pytest.mark.parametrize("options", [["--start"], ["--uninstall"]])
def test_what_a_killed_installation_left_is_its_own(
    operator: Operator, cut_off: Any, options: list[str], placed: int
) -> None:
    cut_off(subprocess.Popen.kill)
    for file in sorted((operator.folder / ".staging").iterdir())[:placed]:
        file.rename(operator.folder / file.name)
    operator.run(*options)
    assert operator.folder.exists() == (options == ["--start"])


def test_a_folder_with_anything_else_beside_what_was_left_is_not_its_own(operator: Operator, cut_off: Any) -> None:
    cut_off(subprocess.Popen.kill)
    (operator.folder / "mine").write_text("precious")
    for options in ([], ["--uninstall"]):
        assert "choose another folder" in operator.run(*options, expect=1).stderr
    assert (operator.folder / "mine").exists()
    (operator.folder / "mine").unlink()


# --- when it can't ---


@pytest.mark.parametrize("options", [[], ["--start"], ["--uninstall"]])
def test_another_users_folder_is_left_to_them(operator: Operator, tmp_path: Path, options: list[str]) -> None:
    operator.run()
    before = (operator.folder / "config.json").stat()
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "id").write_text("#!/bin/sh\necho 12345\n")
    (tools / "id").chmod(0o755)
    said = operator.run(*options, expect=1, PATH=f"{tools}:{os.environ['PATH']}").stderr
    assert "belongs to another user" in said and "as that user" in said
    assert (operator.folder / "config.json").stat() == before


def test_a_taken_port_is_told_with_who_and_nothing_is_left(operator: Operator) -> None:
    with socket.create_server(("127.0.0.1", operator.installer.port)):
        result = operator.run("--start", expect=1)
    assert f"taken by process {os.getpid()}" in result.stderr
    assert f"kill {os.getpid()}" in result.stderr
    assert not operator.folder.exists()


def test_where_the_agent_answers_it_stops(operator: Operator, tmp_path: Path) -> None:
    with running_agent(tmp_path, port=operator.installer.port):
        result = operator.run("--start", expect=1)
    assert "D8 agent is installed" in result.stderr
    assert not operator.folder.exists()


def test_an_expired_installer_is_refused(tmp_path: Path) -> None:
    then = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=8)
    with operator_at(tmp_path / "home", created=then, expires=then + datetime.timedelta(days=7)) as operator:
        result = operator.run("--start", expect=1)
        assert "expired on" in result.stderr and "option 10" in result.stderr and "clock" in result.stderr
        assert not operator.folder.exists()


def test_a_clock_before_the_installer_was_made_is_told_and_borne(tmp_path: Path) -> None:
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=365)
    with operator_at(tmp_path / "home", created=later, expires=later + datetime.timedelta(days=7)) as operator:
        said = operator.run("--start").stdout
        assert "WARNING: the clock" in said
        assert operator.ask("GET", "/api/version")[0] == 200


def test_wrong_options_are_told(operator: Operator) -> None:
    assert "--frobnicate" in operator.run("--frobnicate", expect=2).stderr
    assert "Usage" in operator.run("--help").stdout
    assert operator.run("--dir", expect=1).stderr
    assert operator.run(HOME="", expect=1).stderr
    assert not operator.folder.exists()


NEEDED_TOOLS = ["sh", "cat", "chmod", "date", "env", "grep", "id", "ls", "mkdir", "mv", "rm", "rmdir", "sleep"]


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A PATH without any Python, whose tools are wrappers: nothing in it leads to a file of the system's."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in NEEDED_TOOLS:
        put_tool(folder, name, f'exec {shutil.which(name)} "$@"\n')
    return folder


def put_tool(folder: Path, name: str, script: str) -> None:
    """Put a tool of the test's own into `folder`; what stood there is removed first, never written through."""
    tool = folder / name
    tool.unlink(missing_ok=True)
    with tool.open("x") as stream:
        stream.write("#!/bin/sh\n" + script)
    tool.chmod(0o755)


@pytest.mark.parametrize("manager", ["apt-get", "dnf", "yum", "zypper", "pacman", "apk"])
def test_a_missing_python_is_installed_with_what_there_is(operator: Operator, bare_path: Path, manager: str) -> None:
    put_tool(bare_path, "id", "echo 0")
    python, link = Path("/usr/bin/python3").resolve(), shutil.which("ln")
    put_tool(
        bare_path,
        manager,
        f"""echo "$@" >> "{bare_path}/asked"
        case "$*" in *python3) {link} -s "{python}" "{bare_path}/python3" ;; esac
        """,
    )
    said = operator.run(PATH=str(bare_path)).stdout
    assert manager in said
    assert "python3" in (bare_path / "asked").read_text()
    assert (operator.folder / "slave_server.py").exists()


def test_the_apt_lock_is_waited_for(operator: Operator, bare_path: Path) -> None:
    put_tool(bare_path, "id", "echo 0")
    put_tool(bare_path, "sleep", "exit 0")
    python, link = Path("/usr/bin/python3").resolve(), shutil.which("ln")
    put_tool(
        bare_path,
        "apt-get",
        f"""case "$*" in
        update) echo x >> "{bare_path}/tries"
            if [ "$(grep -c x "{bare_path}/tries")" -lt 3 ]; then
                echo "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 1 (apt)"; exit 100
            fi ;;
        *) {link} -s "{python}" "{bare_path}/python3" ;;
        esac
        """,
    )
    said = operator.run(PATH=str(bare_path)).stdout
    assert "waiting for it to finish" in said
    assert (bare_path / "tries").read_text() == "x\nx\nx\n"


def test_a_missing_python_without_rights_says_what_to_ask_for(operator: Operator, bare_path: Path) -> None:
    put_tool(bare_path, "id", "echo 1000")
    put_tool(bare_path, "apt-get", "exit 1")
    result = operator.run(PATH=str(bare_path), expect=1)
    assert "Ask an administrator" in result.stderr and "apt-get" in result.stderr and "python3" in result.stderr
    assert not operator.folder.exists()


def test_a_missing_python_on_an_unknown_system_is_told(operator: Operator, bare_path: Path) -> None:
    assert "package manager" in operator.run(PATH=str(bare_path), expect=1).stderr


def test_a_server_that_cannot_start_says_why(operator: Operator) -> None:
    operator.run()
    (operator.folder / "server.key").write_text("no key")
    command = ["python3", str(operator.folder / "slave_server.py"), "--start"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "certificate" in result.stderr


def test_by_hand_it_prints_the_missions_banner(tmp_path: Path) -> None:
    with operator_at(tmp_path / "home", language="es") as operator:
        operator.run()
        process = subprocess.Popen(
            ["python3", "slave_server.py"], cwd=operator.folder, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        lines = [process.stdout.readline().rstrip("\n") for _ in range(11)]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=15)
        assert process.returncode == 0
    line = "=" * 60
    assert lines == [
        line,
        "🤖 D8 Slave Server - HTTP API Activo",
        line,
        f"Puerto: {operator.installer.port}",
        "Endpoints:",
        "  GET  /api/health  - Health check",
        "  POST /api/execute - Ejecutar comando",
        line,
        "",
        "⏳ Esperando conexión desde master...",
        "   Master: 192.168.4.25:7600",
    ]
