"""Option 7: the build logs, then one of them."""

from __future__ import annotations

from d8.actions.builds import list_builds, read_log
from d8.menu.conversation import Conversation
from d8.menu.prompts import Choice
from d8.menu.views.tables import build_word, draw_build, draw_builds
from d8.messages import message

SHOWN = 15


def run(conversation: Conversation) -> None:
    """Offer the newest builds and show the chosen one."""
    screen = conversation.screen
    builds = list_builds(conversation.workplace.settings.data_dir)[:SHOWN]
    if not builds:
        draw_builds(screen, builds)
        return
    lines = []
    for index, build in enumerate(builds, start=1):
        word = build_word(screen, build.status).plain
        lines.append(Choice(index, f"{build.build_id.removeprefix('build_')}  {word}  {build.strategy or ''}"))
    log_file = builds[conversation.choose(message("Which build?"), lines) - 1].log_file
    draw_build(screen, read_log(log_file), log_file)
