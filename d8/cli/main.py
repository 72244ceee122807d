"""From a command line to an exit code."""

from __future__ import annotations

import gettext
import os
import signal
import sys
from collections.abc import Sequence

import click

from d8.cli.commands import d8
from d8.cli.failures import guarded
from d8.cli.run import Run
from d8.errors import D8Error, ExitCode, Terminated
from d8.locale import DOMAIN, FOLDER, Translate
from d8.settings import Settings
from d8.shell import own_words

# A terminal that is closed sends SIGHUP; Windows has none.
REQUESTS_TO_END = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def main(arguments: Sequence[str]) -> int:
    """Given the words after the program's name, run the command and return its exit code."""
    for request in REQUESTS_TO_END:
        if signal.getsignal(request) is not signal.SIG_IGN:  # nohup
            signal.signal(request, _interrupt)
    words = list(arguments)
    own = own_words(words)
    run = Run("--json" in own, "--yes" in own)
    speak(d8, run.translate)
    translate_click("en" if run.wants_json else run.language)

    def work() -> ExitCode:
        try:
            code = d8.main(words, prog_name="start_d8.py", standalone_mode=False, obj=run)
            sys.stdout.flush()
            run.send_requests()
            return ExitCode(code or ExitCode.DONE)
        finally:
            run.close()

    return guarded(work, run.wants_json, run.translate, _settings(run))


def speak(group: click.Group, translate: Translate) -> None:
    """Given the commands and a translation, put every help text into that language."""
    for command in (group, *group.commands.values()):
        if isinstance(command, click.Group) and command is not group:
            speak(command, translate)
            continue
        command.help = translate(command.help) if command.help else None
        for parameter in command.params:
            if isinstance(parameter, click.Option) and parameter.help:
                parameter.help = translate(parameter.help)


def translate_click(language: str) -> None:
    """Given a language, let click's own words (Usage, Options, its errors) come from our catalogue too."""
    gettext.bindtextdomain(DOMAIN, FOLDER)
    gettext.textdomain(DOMAIN)
    os.environ["LANGUAGE"] = language


def _settings(run: Run) -> Settings | None:
    try:
        return run.settings
    except D8Error:
        return None


def _interrupt(number: int, _frame: object) -> None:
    """A polite request to end is treated like Ctrl+C: what was begun is cleaned up. A closed terminal may ask twice."""
    if number != signal.SIGTERM:
        signal.signal(number, signal.SIG_IGN)
    raise Terminated


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
