"""The first run, in order: .venv, .env, then the same command again inside .venv."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from d8.errors import D8Error, ExitCode
from d8.first_run.env_file import ensure_env_file
from d8.first_run.environment import Environment, is_venv_available, only_one_at_a_time
from d8.first_run.ownership import give_to_owner
from d8.first_run.pip_progress import PipProgress
from d8.first_run.venv_package import provide_venv
from d8.locale import Translate, language_of_locale, translation
from d8.messages import Message, message
from d8.shell import own_words

PROJECT = Path(__file__).resolve().parent.parent.parent


def start(arguments: list[str]) -> int:
    """Given the command line, make what is missing and run it in .venv; returns only when something failed."""
    translate = translation(os.environ.get("D8_LANG") or language_of_locale(os.environ) or "en")
    own = own_words(arguments)
    try:
        environment = prepare(PROJECT, own, translate)
    except D8Error as error:
        _tell_error(error, own, translate)
        return error.exit_code
    except OSError as error:
        owner = "This folder must be yours: sudo chown -R $USER {folder}"
        failure = D8Error("{path}: {reason}", owner, path=error.filename, reason=error.strerror, folder=PROJECT)
        _tell_error(failure, own, translate)
        return failure.exit_code
    except KeyboardInterrupt:
        _say(message("cancelled; the next start does it again"), translate)
        return ExitCode.FAILED
    sys.stdout.flush()
    os.execv(environment.python, [str(environment.python), str(PROJECT / "start_d8.py"), *arguments])  # noqa: S606
    raise AssertionError("execv returned")


def prepare(project: Path, arguments: list[str], translate: Translate) -> Environment:
    """Given the project's folder, return its environment, complete, and see to .env. Raises D8Error."""
    environment = complete(project, "requirements.txt", "--yes" in arguments, translate)
    _see_to_env_file(project, arguments, translate)
    return environment


def complete(project: Path, locked: str, may_install: bool, translate: Translate) -> Environment:
    """Given a locked file, return the environment with everything that it names. Raises D8Error."""
    environment = Environment(project, locked)
    if not environment.is_complete():
        waiting = message("another start is setting D8 up; waiting for it…")
        with only_one_at_a_time(project, lambda: _say(waiting, translate)):
            if not environment.is_complete():
                set_up(environment, may_install, translate)
    return environment


def set_up(environment: Environment, may_install: bool, translate: Translate) -> None:
    """Given the environment, make it and show how far it is. Raises D8Error."""
    if not is_venv_available():
        _say(message("Python's venv is missing on this machine"), translate)
        provide_venv(may_install)
    began = time.monotonic()
    _say(message("First run: setting up {folder}", folder=environment.folder), translate)
    line = ProgressLine(translate)
    environment.install(line.show)
    line.end()
    give_to_owner(environment.folder)
    _say(message("Ready after {seconds} s.", seconds=round(time.monotonic() - began)), translate)


class ProgressLine:
    """One line that says [12/34] name: rewritten in place in a terminal, one a package elsewhere."""

    def __init__(self, translate: Translate) -> None:
        self._translate = translate
        self._shown = ""
        self._in_place = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def show(self, progress: PipProgress) -> None:
        """Given how far pip is, show it when it is news."""
        text = f"[{progress.done}/{progress.total}] {progress.name}"
        if progress.is_installing:
            text = message("[{total}/{total}] installing…", total=progress.total).text(self._translate)
        if text == self._shown or not progress.done:
            return
        self._shown = text
        sys.stderr.write(f"\r\033[K  {text}" if self._in_place else f"  {text}\n")
        sys.stderr.flush()

    def end(self) -> None:
        """Leave the line."""
        if self._in_place:
            sys.stderr.write("\r\033[K")


def _see_to_env_file(project: Path, arguments: list[str], translate: Translate) -> None:
    path = Path(os.environ.get("D8_ENV_FILE") or project / ".env").expanduser()
    can_ask = sys.stdin.isatty() and sys.stderr.isatty() and "--yes" not in arguments and "--json" not in arguments
    try:
        if ensure_env_file(path, project / ".env.example", os.environ, _ask_language if can_ask else None):
            give_to_owner(path)
    except D8Error as error:  # a read-only checkout: the environment and the defaults still serve
        _say(error.message, translate)
    except OSError as error:
        sys.stderr.write(f"{path}: {error.strerror}\n")


def _ask_language() -> str:
    sys.stderr.write("Language / Idioma  [en/es] (en): ")
    sys.stderr.flush()
    return "es" if sys.stdin.readline().strip().lower().startswith("es") else "en"


def _say(text: Message, translate: Translate) -> None:
    sys.stderr.write(text.text(translate) + "\n")


def _tell_error(error: D8Error, arguments: list[str], translate: Translate) -> None:
    if "--json" in arguments:
        print(json.dumps({"error": str(error.message), "hint": str(error.hint)}))
        return
    _say(error.message, translate)
    if error.hint:
        _say(error.hint, translate)
