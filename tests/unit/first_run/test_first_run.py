"""The first run's decisions: what pip says, which package is missing, which language, what counts as complete."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from d8.errors import D8Error
from d8.first_run import start as first_run_start
from d8.first_run import venv_package
from d8.first_run.env_file import ensure_env_file, fill_in
from d8.first_run.environment import STAMP, STARTED, Environment, only_one_at_a_time
from d8.first_run.pip_progress import PipProgress, count_requirements
from d8.locale import language_of_locale
from d8.processes import ProcessResult, run

LOCKED = """\
# made by a tool
one==1.0 \\
    --hash=sha256:00
    # via two
two==2.0 ; sys_platform == 'win32' \\
    --hash=sha256:11
"""


def test_the_locked_packages_are_counted() -> None:
    assert count_requirements(LOCKED) == 2


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Collecting one==1.0 (from -r requirements.txt (line 2))", (1, 5, "one")),
        ("Collecting a-b[c]==1.0 (from -r x)", (1, 5, "a-b")),
        ("Requirement already satisfied: one==1.0 in /x", (1, 5, "one")),
        ("Processing /wheels/one_two-1.0-py3-none-any.whl (from -r x)", (1, 5, "one_two")),
        ("Ignoring two: markers 'sys_platform == \"win32\"' don't match your environment", (0, 4, "")),
        ("  Downloading one-1.0-py3-none-any.whl (134 kB)", (0, 5, "")),
    ],
)
def test_a_line_of_pip_moves_the_progress(line: str, expected: tuple[int, int, str]) -> None:
    after = PipProgress(total=5).after(line)
    assert (after.done, after.total, after.name) == expected


@pytest.mark.parametrize(
    "line",
    [
        "WARNING: Retrying (Retry(total=1)) after connection broken by 'NewConnectionError(...)': /simple/one/",
        "  Failed to establish a new connection: [Errno -3] Temporary failure in name resolution",
    ],
)
def test_no_network_is_recognised(line: str) -> None:
    assert PipProgress(1).after(line).has_no_network


@pytest.mark.parametrize(
    ("os_release", "command"),
    [
        ("ID=debian\n", "apt-get"),
        ("ID=raspbian\nID_LIKE=debian\n", "apt-get"),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', "apt-get"),
        ("ID=fedora\n", "dnf"),
        ("ID=arch\n", ""),
        ("", ""),
    ],
)
def test_each_system_has_its_command(os_release: str, command: str) -> None:
    assert venv_package.install_command(os_release).startswith(command)


class TestMissingVenv:
    @pytest.fixture(autouse=True)
    def host(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ran: list[object] = []
        self.exit_code = 0
        self.release = tmp_path / "os-release"
        self.release.write_text("ID=debian\n")

        def run(words: list[str], **_: object) -> ProcessResult:
            self.ran.append(words)
            return ProcessResult(self.exit_code, b"", "E: Unable to locate package")

        monkeypatch.setattr(venv_package, "run", run)

    def test_an_ordinary_user_is_told_the_one_command(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        with pytest.raises(D8Error) as told:
            venv_package.provide_venv(True, self.release)
        assert "sudo sh -c 'apt-get update && apt-get install -y python3-venv'" in str(told.value.hint)
        assert self.ran == []

    @pytest.mark.parametrize("may_install", [True, False])
    def test_root_with_yes_gets_it_installed(self, monkeypatch: pytest.MonkeyPatch, may_install: bool) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        if may_install:
            venv_package.provide_venv(True, self.release)
        else:
            with pytest.raises(D8Error):
                venv_package.provide_venv(False, self.release)
        assert len(self.ran) == may_install

    def test_a_failed_installation_says_why(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        self.exit_code = 100
        with pytest.raises(D8Error, match="Unable to locate"):
            venv_package.provide_venv(True, self.release)


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({"LANG": "es_MX.UTF-8"}, "es"),
        ({"LANG": "en_GB.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, None),
        ({"LANG": "C.UTF-8"}, None),
        ({"LC_ALL": "C", "LANG": "es_ES"}, None),
        ({"LC_ALL": "es_ES", "LANG": "en_US"}, "es"),
        ({}, None),
    ],
)
def test_the_language_of_a_locale(environ: dict[str, str], language: str | None) -> None:
    assert language_of_locale(environ) == language


class TestEnvFile:
    @pytest.fixture(autouse=True)
    def example(self, tmp_path: Path) -> None:
        self.path, self.example_file = tmp_path / ".env", tmp_path / ".env.example"
        self.example_file.write_text("# Language\nD8_LANG=\n#D8_SLAVE_PORT=7600\n")

    def ensure(self, environ: dict[str, str], answer: str | None = None) -> str:
        assert ensure_env_file(self.path, self.example_file, environ, (lambda: answer) if answer else None)
        return self.path.read_text()

    def test_it_is_private(self) -> None:
        self.ensure({"LANG": "es_ES"})
        assert self.path.stat().st_mode & 0o777 == 0o600

    def test_the_locale_decides(self) -> None:
        assert "D8_LANG=es\n" in self.ensure({"LANG": "es_ES"}, answer="en")

    def test_a_question_decides_where_the_locale_does_not(self) -> None:
        assert "D8_LANG=es\n" in self.ensure({"LANG": "C"}, answer="es")

    def test_english_where_nobody_can_be_asked(self) -> None:
        assert "D8_LANG=en\n" in self.ensure({})

    def test_one_that_is_there_is_left_alone(self) -> None:
        self.path.write_text("D8_LANG=es\n")
        assert not ensure_env_file(self.path, self.example_file, {}, None)
        assert self.path.read_text() == "D8_LANG=es\n"

    def test_only_the_language_is_filled_in(self) -> None:
        assert fill_in("#D8_LANG=\nD8_X=1\n", "es") == "D8_LANG=es\nD8_X=1\n"


class TestCompleteness:
    @pytest.fixture(autouse=True)
    def project(self, tmp_path: Path) -> None:
        (tmp_path / "requirements.txt").write_text(LOCKED)
        (tmp_path / ".venv" / "bin").mkdir(parents=True)
        (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
        self.root = tmp_path
        self.environment = Environment(tmp_path)
        (tmp_path / ".venv" / STAMP).write_text(self.environment._stamp())

    def test_a_stamped_environment_is_complete(self) -> None:
        assert self.environment.is_complete()

    def test_other_requirements_are_not(self) -> None:
        (self.root / "requirements.txt").write_text(LOCKED + "three==3 --hash=sha256:22\n")
        assert not self.environment.is_complete()

    def test_another_python_is_not(self) -> None:
        python = self.root / ".venv" / "bin" / "python"
        python.unlink()
        python.symlink_to("/bin/sh")
        assert not self.environment.is_complete()

    def test_no_environment_is_not(self, tmp_path: Path) -> None:
        (self.root / ".venv" / STAMP).unlink()
        assert not self.environment.is_complete()

    def test_what_was_left_half_made_is_not_usable(self) -> None:
        (self.root / ".venv" / STARTED).touch()
        assert not self.environment._is_usable()

    def test_a_folder_that_d8_did_not_make_is_never_removed(self) -> None:
        (self.root / ".venv" / STAMP).unlink()
        (self.root / ".venv" / "bin" / "python").unlink()
        (self.root / ".venv" / "of-somebody").touch()
        with pytest.raises(D8Error) as told:
            self.environment.install(lambda _: None)
        assert str(self.root / ".venv") in str(told.value) and (self.root / ".venv" / "of-somebody").exists()


def test_an_environment_without_pip_is_kept_and_gets_it(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("")
    run([sys.executable, "-m", "venv", "--without-pip", tmp_path / ".venv"], timeout_seconds=60)
    (tmp_path / ".venv" / "of-somebody").touch()
    Environment(tmp_path).install(lambda _: None)
    assert (tmp_path / ".venv" / "of-somebody").exists() and Environment(tmp_path).is_complete()


def test_the_second_of_two_starts_waits(tmp_path: Path) -> None:
    order: list[str] = []
    is_first_in, may_leave = threading.Event(), threading.Event()

    def first() -> None:
        with only_one_at_a_time(tmp_path, lambda: order.append("first waits")):
            is_first_in.set()
            may_leave.wait(10)
            order.append("first")

    def second() -> None:
        def waits() -> None:
            order.append("second waits")
            may_leave.set()

        with only_one_at_a_time(tmp_path, waits):
            order.append("second")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert is_first_in.wait(10)
    threads[1].start()
    for thread in threads:
        thread.join(10)
    assert order == ["second waits", "first", "second"]


def test_the_words_of_a_command_for_slaves_are_not_the_first_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def refuse(_project: Path, arguments: list[str], _translate: object) -> None:
        seen.append(arguments)
        raise D8Error("no")

    monkeypatch.setattr(first_run_start, "prepare", refuse)
    assert first_run_start.start(["exec", "S", "--", "apt-get", "--yes", "--json"]) == 1
    assert seen == [["exec", "S"]]
