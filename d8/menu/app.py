"""The menu's loop: show, ask, do, come back. A failed option never ends it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from d8 import __version__
from d8.actions.advice import settings_warnings
from d8.errors import D8Error, ExitCode, Terminated
from d8.menu.conversation import BackToMenu, Conversation
from d8.menu.options import EXIT, OPTIONS, Option
from d8.menu.prompts import Choice
from d8.menu.views.failures import draw_failure
from d8.messages import message

CrashLog = Callable[[BaseException], Path]


def run_menu(conversation: Conversation, crash_log: CrashLog, options: Sequence[Option] = OPTIONS) -> ExitCode:
    """Given the conversation and where unexpected failures are written, serve options until the operator leaves."""
    screen = conversation.screen
    by_number = {option.number: option for option in options}
    for warning in settings_warnings(conversation.workplace.settings):
        screen.warn(warning)
    while True:
        try:
            choices = [Choice(option.number, option.title.text(screen.translate)) for option in options]
            screen.gap()
            number = conversation.prompts.choose(f"D8 {__version__}", choices)
        except (KeyboardInterrupt, EOFError):
            number = EXIT
        if number == EXIT:
            screen.say(message("Bye."), "note")
            return ExitCode.DONE
        screen.title(by_number[number].title)
        if _run(by_number[number], conversation, crash_log):
            _pause(conversation)


def _run(option: Option, conversation: Conversation, crash_log: CrashLog) -> bool:
    """Run an option; return whether it left something to be read."""
    screen = conversation.screen
    try:
        option.run(conversation)
    except BackToMenu:
        return False
    except D8Error as error:
        draw_failure(screen, error)
    except Terminated:
        raise
    except (KeyboardInterrupt, EOFError):
        screen.gap()
        screen.warn(message("cancelled"))
    except Exception as error:
        screen.error(
            message("this should not have happened: {kind}: {reason}", kind=type(error).__name__, reason=error),
            message("The details are in:\n{path}", path=crash_log(error)),
        )
    return True


def _pause(conversation: Conversation) -> None:
    conversation.screen.gap()
    try:
        conversation.prompts.pause()
    except (KeyboardInterrupt, EOFError):
        conversation.screen.gap()
