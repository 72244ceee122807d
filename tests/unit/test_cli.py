"""The command line: one JSON document and nothing else, stable exit codes, no questions without a terminal."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from d8.actions import build as build_action
from d8.cli import main
from d8.cli.run import Run
from d8.errors import ExitCode, Terminated
from d8.fleet.registry import Registry
from tests.support.fakes import COMMIT, InMemoryBuilder, make_slave, register

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of the test's own, in English."""
    monkeypatch.setenv("D8_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("D8_INSTALLER_DIR", str(tmp_path / "installers"))
    monkeypatch.setenv("D8_ENV_FILE", str(tmp_path / "none.env"))
    monkeypatch.setenv("D8_MASTER_ADDRESS", "192.0.2.10")
    monkeypatch.setenv("D8_CONNECT_TIMEOUT", "1")
    monkeypatch.setenv("D8_LANG", "en")
    monkeypatch.setenv("LANGUAGE", "en")
    return tmp_path / "data"


@pytest.fixture
def builder(monkeypatch: pytest.MonkeyPatch) -> type[InMemoryBuilder]:
    class Builder(InMemoryBuilder):
        pass

    monkeypatch.setattr(build_action, "BuildD8Slave", Builder)
    return Builder


def ask(capsys: pytest.CaptureFixture[str], *words: str, expect: ExitCode = ExitCode.DONE) -> Any:
    """Run a command with --json and return its document: stdout must hold exactly one."""
    capsys.readouterr()
    assert main([*words, "--json"]) == expect
    return json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("data")
class TestJson:
    def test_an_installer_tells_where_it_is_and_how_it_is_recognised(self, capsys: pytest.CaptureFixture[str]) -> None:
        made = ask(capsys, "installer", "--os", "linux")
        assert set(made) == {"sh", "bat", "fingerprint", "pin", "expires"}
        script = Path(made["sh"])
        assert script.stat().st_mode & 0o777 == 0o600
        assert made["bat"] is None and len(made["fingerprint"]) == 64 and made["pin"].startswith("sha256//")

    def test_without_a_platform_there_is_a_script_for_each(self, capsys: pytest.CaptureFixture[str]) -> None:
        made = ask(capsys, "installer")
        assert Path(made["sh"]).stem == Path(made["bat"]).stem and made["bat"].endswith(".bat")

    def test_windows_alone(self, capsys: pytest.CaptureFixture[str]) -> None:
        made = ask(capsys, "installer", "--os", "windows")
        assert made["sh"] is None and Path(made["bat"]).stat().st_mode & 0o777 == 0o600

    def test_the_fleet_is_an_inventory_in_words_and_as_json(
        self, data: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        registry = Registry(data)
        registry.save_slave(make_slave("192.0.2.7"))
        registry.close()
        document = ask(capsys, "inventory")
        assert main(["inventory"]) == ExitCode.DONE
        assert json.loads(capsys.readouterr().out) == document
        hosts = document["all"]["children"]["d8_slaves"]["hosts"]
        assert hosts["slave-192-0-2-7"]["ansible_host"] == "192.0.2.7"

    @pytest.mark.parametrize("words", [["slaves"], ["status"], ["builds"], ["trust"]])
    def test_an_empty_fleet_is_an_empty_list(self, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
        document = ask(capsys, *words)
        assert [] in document.values()

    def test_the_doctor_names_each_check_and_its_remedy(self, capsys: pytest.CaptureFixture[str]) -> None:
        checks = ask(capsys, "doctor")["checks"]
        assert {"name", "state", "outcome", "fix"} == set(checks[0])
        assert all(check["fix"] for check in checks if check["state"] != "ok")

    @pytest.mark.parametrize(
        ("words", "code"),
        [
            (["bogus"], ExitCode.WRONG_USAGE),
            (["slave"], ExitCode.WRONG_USAGE),
            (["slave", "nobody"], ExitCode.WRONG_USAGE),
            (["build"], ExitCode.WRONG_USAGE),
            (["build", "not an address", "--yes"], ExitCode.WRONG_USAGE),
            (["build", "192.0.2.1"], ExitCode.WRONG_USAGE),
            (["menu"], ExitCode.WRONG_USAGE),
            (["builds", "nothing"], ExitCode.WRONG_USAGE),
            (["trust", "nobody"], ExitCode.WRONG_USAGE),
            (["installer", "--os", "beos"], ExitCode.WRONG_USAGE),
        ],
    )
    def test_errors_are_json_too(self, capsys: pytest.CaptureFixture[str], words: list[str], code: ExitCode) -> None:
        if words == ["menu"]:
            words = ["menu", "--yes"]
        document = ask(capsys, *words, expect=code)
        assert set(document) == {"error", "hint"} and document["error"]


class TestBuild:
    def test_one_host_gives_its_log(self, data: Path, builder: object, capsys: pytest.CaptureFixture[str]) -> None:
        document = ask(capsys, "build", "192.0.2.7", "--yes")
        assert document["slave_id"] == "slave-192-0-2-7" and document["status"] == "success"

    def test_several_hosts_are_built_in_turn(
        self, data: Path, builder: type[InMemoryBuilder], capsys: pytest.CaptureFixture[str]
    ) -> None:
        builder.fails = frozenset({"192.0.2.8"})
        document = ask(capsys, "build", "192.0.2.7", "192.0.2.8", "192.0.2.9", "--yes", expect=ExitCode.PARTLY_DONE)
        assert [one["status"] for one in document["builds"]] == ["success", "failed", "success"]

    def test_a_failed_build_ends_with_its_own_code(
        self, data: Path, builder: type[InMemoryBuilder], capsys: pytest.CaptureFixture[str]
    ) -> None:
        builder.fails = frozenset({"192.0.2.8"})
        assert main(["build", "192.0.2.8", "--yes"]) == ExitCode.UNREACHABLE
        assert "Switch it on." in capsys.readouterr().out

    def test_progress_goes_to_stderr_where_stdout_is_the_document(
        self, data: Path, builder: object, capsys: pytest.CaptureFixture[str]
    ) -> None:
        main(["build", "192.0.2.7", "--yes", "--json"])
        shown = capsys.readouterr()
        assert "Connectivity" in shown.err and "\\x1b[31mfrom the slave" in shown.err and "\x1b[31m" not in shown.err
        json.loads(shown.out)

    def test_a_slave_that_was_built_is_listed(
        self, data: Path, builder: object, capsys: pytest.CaptureFixture[str]
    ) -> None:
        ask(capsys, "build", "192.0.2.7", "--yes")
        assert [slave["slave_id"] for slave in ask(capsys, "slaves")["slaves"]] == ["slave-192-0-2-7"]


class TestFleet:
    @pytest.fixture(autouse=True)
    def a_slave_that_is_off(self, data: Path) -> None:
        registry = Registry(data)
        register(registry, make_slave("127.0.0.1", 9))
        registry.close()

    def test_status_says_unreachable(self, capsys: pytest.CaptureFixture[str]) -> None:
        [row] = ask(capsys, "status", expect=ExitCode.UNREACHABLE)["slaves"]
        assert row["state"] == "unreachable" and row["latency_ms"] is None and row["hint"]

    def test_one_slave_shows_what_is_registered(self, capsys: pytest.CaptureFixture[str]) -> None:
        document = ask(capsys, "slave", "127.0.0.1", expect=ExitCode.UNREACHABLE)
        assert document["slave"]["commit"] == COMMIT and document["system"] is None

    def test_exec_says_why_it_could_not_run(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["exec", "127.0.0.1", "--json", "--", "uptime", "--json"]) == ExitCode.UNREACHABLE
        document = json.loads(capsys.readouterr().out)
        assert document["command"] == "uptime --json" and document["results"][0]["error"]

    def test_the_removal_of_a_slave_out_of_reach_is_pending_unless_it_shall_be_forgotten(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        waiting = ask(capsys, "remove", "127.0.0.1", "--yes", expect=ExitCode.PARTLY_DONE)
        assert waiting["pending"] and not waiting["forgotten"] and "tried again" in waiting["warning"]
        assert ask(capsys, "slaves")["slaves"] == []
        [owed] = ask(capsys, "status")["pending"]
        assert (owed["kind"], owed["address"]) == ("remove", "127.0.0.1") and owed["tries"] > 1
        [tried] = ask(capsys, "trust", "--retry", expect=ExitCode.PARTLY_DONE)["tried"]
        assert not tried["settled"] and tried["reason"]
        main(["doctor", "--json"])
        checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
        assert owed["slave_id"] in checks["Owed to slaves"]["outcome"]
        removal = ask(capsys, "remove", "127.0.0.1", "--forget", "--yes")
        assert removal["forgotten"] and not removal["uninstalled"] and "may still run" in removal["warning"]
        assert ask(capsys, "trust")["pending"] == []
        deeds = [(entry["action"], entry["result"]) for entry in ask(capsys, "audit")["entries"]]
        assert deeds == [("remove", "pending"), ("remove", "forgotten")]

    def test_a_no_to_removing_says_that_nothing_was_done(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr("d8.cli.run.Run.confirmed", lambda *_: False)
        assert main(["remove", "127.0.0.1"]) == ExitCode.FAILED
        assert "Nothing was done." in capsys.readouterr().err
        assert len(ask(capsys, "slaves")["slaves"]) == 1

    def test_removing_asks_and_where_nobody_can_be_asked_it_is_wrong_usage(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["remove", "127.0.0.1"]) == ExitCode.WRONG_USAGE
        assert "--yes" in capsys.readouterr().err


def test_unusable_settings_are_all_named(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("D8_SLAVE_PORT", "99999")
    monkeypatch.setenv("D8_TLS", "perhaps")
    error = ask(capsys, "status", expect=ExitCode.WRONG_USAGE)["error"]
    assert "D8_SLAVE_PORT" in error and "D8_TLS" in error


def test_an_env_file_of_somebody_else_is_told_with_the_remedy(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def not_ours(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "/home/pi/d8/.env")

    monkeypatch.setattr("d8.cli.run.load_settings", not_ours)
    assert ask(capsys, "slaves", expect=ExitCode.WRONG_USAGE) == {
        "error": "/home/pi/d8/.env can't be read: Permission denied",
        "hint": "Make it yours: sudo chown $USER /home/pi/d8/.env",
    }


@pytest.mark.parametrize(
    ("variable", "words"), [("D8_DATA_DIR", ["slaves"]), ("D8_INSTALLER_DIR", ["installer", "--os", "linux"])]
)
def test_a_folder_that_cant_be_used_is_told_with_its_setting(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
    words: list[str],
) -> None:
    (tmp_path / "a-file").touch()
    monkeypatch.setenv(variable, str(tmp_path / "a-file" / "below"))
    problem = ask(capsys, *words, expect=ExitCode.FAILED)
    assert "a-file/below" in problem["error"] and variable in problem["hint"]


def test_something_unexpected_leaves_a_log_and_no_traceback(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLAVE_AUTH_TOKEN", "a-secret-of-the-operator")

    def broken(*_: object) -> None:
        raise RuntimeError("about a-secret-of-the-operator")

    monkeypatch.setattr("d8.actions.builds.list_builds", broken)
    assert main(["builds"]) == ExitCode.FAILED
    shown = capsys.readouterr().err
    [log] = (data / "logs").glob("crash_*.log")
    assert "Traceback" not in shown and str(log) in shown
    assert "Traceback" in log.read_text() and "a-secret-of-the-operator" not in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


def test_ctrl_c_is_told_in_a_word(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("d8.actions.builds.list_builds", interrupted)
    assert main(["builds"]) == ExitCode.FAILED
    assert "cancelled" in capsys.readouterr().err


@pytest.mark.parametrize(("before", "is_heard"), [(signal.SIG_DFL, True), (signal.SIG_IGN, False)])
def test_a_closed_terminal_is_a_polite_end_unless_nohup_says_otherwise(
    data: Path, before: signal.Handlers, is_heard: bool
) -> None:
    former = signal.signal(signal.SIGHUP, before)
    try:
        main(["--help"])
        handler = signal.getsignal(signal.SIGHUP)
        assert callable(handler) and not isinstance(handler, signal.Handlers) if is_heard else handler is before
        if is_heard and callable(handler):
            with pytest.raises(Terminated):
                handler(signal.SIGHUP, None)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN, "a shell may send a second one"
    finally:
        signal.signal(signal.SIGHUP, former)


def test_help_speaks_spanish(data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("D8_LANG", "es")
    try:
        assert main(["--help"]) == ExitCode.DONE
        shown = capsys.readouterr().out
    finally:
        monkeypatch.setenv("D8_LANG", "en")
    assert "Uso:" in shown and "Comandos:" in shown and "Abrir el menú numerado." in shown


def test_a_reader_that_has_seen_enough_is_no_failure(data: Path) -> None:
    code = f"{sys.executable} {PROJECT}/start_d8.py doctor --json | head -c 1"
    done = subprocess.run(["bash", "-c", code + "; exit ${PIPESTATUS[0]}"], capture_output=True, text=True)
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr
    assert done.stdout == "{" and done.returncode in (ExitCode.DONE, ExitCode.FAILED, ExitCode.PARTLY_DONE)


def test_a_start_takes_under_a_second(data: Path) -> None:
    """In processor time, for others may be at work on this machine."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, PROJECT / "start_d8.py", "--help"], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0


def test_a_document_comes_whole_or_not_at_all(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(TypeError):
        Run(wants_json=True).answer({"first": 1, "second": object()}, lambda _: None)
    assert capsys.readouterr().out == ""
    Run(wants_json=True).answer({"stdout": "ñ\ud800"}, lambda _: None)
    shown = capsys.readouterr().out
    assert shown.isascii() and json.loads(shown) == {"stdout": "ñ\ud800"}


def test_the_doctor_finds_a_registry_that_can_not_be_read(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data.mkdir(exist_ok=True)
    (data / "d8.db").write_bytes(b"no database at all, but long enough to be looked at" * 100)
    assert main(["doctor", "--json"]) == ExitCode.FAILED
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert checks["Registry"]["state"] == "failed"
    assert checks["Registry"]["fix"]
