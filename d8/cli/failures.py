"""The one handler at the top: every failure becomes a message with its hint, or JSON, and an exit code."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import click

from d8.errors import Cancelled, D8Error, ExitCode, UsageError
from d8.files import private_folder, write_private
from d8.locale import Translate
from d8.masking import Masker
from d8.settings import Settings

LOG_FOLDER = "logs"


def guarded(work: Callable[[], ExitCode], wants_json: bool, translate: Translate, settings: Settings | None) -> int:
    """Given the work, do it and return the exit code; whatever goes wrong is told in the form that was asked for."""
    try:
        return work()
    except (KeyboardInterrupt, click.Abort):
        error: D8Error = Cancelled("cancelled")
    except D8Error as failure:
        error = failure
    except click.ClickException as failure:
        error = UsageError("{problem}", "start_d8.py --help lists the commands.", problem=failure.format_message())
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.DONE
    except Exception as failure:
        error = D8Error(
            "this should not have happened: {kind}: {reason}",
            "The details are in:\n{path}",
            kind=type(failure).__name__,
            reason=failure,
            path=write_crash_log(failure, settings),
        )
    _tell(error, wants_json, translate)
    return error.exit_code


def write_crash_log(failure: BaseException, settings: Settings | None) -> Path:
    """Given an unexpected failure, write its traceback (secrets masked, mode 0600) and return the file."""
    text = "".join(traceback.format_exception(failure))
    name = f"crash_{datetime.now().astimezone():%Y-%m-%d_%H%M%S}.log"
    try:
        if settings is None:
            raise OSError("no data folder is known")
        path = private_folder(private_folder(settings.data_dir) / LOG_FOLDER) / name
        write_private(path, Masker(settings.secrets).mask(text))
    except (OSError, D8Error):
        path = Path(tempfile.mkdtemp(prefix="d8-")) / name
        write_private(path, text)
    return path


def _tell(error: D8Error, wants_json: bool, translate: Translate) -> None:
    if wants_json:
        print(json.dumps(error.as_json(), ensure_ascii=True))
        return
    from d8.menu.views.failures import draw_failure
    from d8.menu.views.screen import Screen, make_console

    draw_failure(Screen(translate, make_console(stderr=True)), error)
