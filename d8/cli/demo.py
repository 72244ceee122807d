"""The command `demo`: shows the main job step by step, and leaves nothing behind."""

from __future__ import annotations

import json
from typing import Any

from d8.actions.demo import Demo
from d8.cli.run import Run
from d8.errors import BuildFailed, D8Error, ExitCode
from d8.menu.views.demo import draw_answer, draw_next_steps, draw_script_output
from d8.menu.views.progress import BuildProgress
from d8.menu.views.results import draw_report
from d8.messages import message
from d8.models import BuildReport, BuildStatus

AGAIN = "Start the demo again; if it repeats, start_d8.py doctor may say why."


def run_demo(run: Run, keep: bool) -> ExitCode:
    """Given whether to keep the slave, run the demo and say what to try next. Cleans up after Ctrl+C as well."""
    demo = Demo(run.settings)
    is_kept = False
    try:
        run.screen.say(
            message("A slave on this machine, in {folder}: real, but apart from everything.", folder=demo.folder)
        )
        report, document = _show(run, demo)
        is_kept = keep and report.status is BuildStatus.SUCCESS
        if report.status is BuildStatus.SUCCESS and not keep:
            run.screen.title(message("{number}. Clean up (option 16)", number=5))
            demo.say_goodbye()
    finally:
        if not is_kept:
            demo.clean_up()
    if not is_kept:
        run.screen.good(message("Nothing is left of the demo but packages in your cache folder."))
    document |= {"kept": is_kept, "folder": str(demo.folder) if is_kept else None}
    run.answer(document, lambda screen: draw_next_steps(screen, demo.folder if is_kept else None, report.slave_id))
    return report.exit_code


def _show(run: Run, demo: Demo) -> tuple[BuildReport, dict[str, Any]]:
    """The steps up to a slave that answers; a failed build is a report too."""
    screen = run.screen
    screen.title(message("{number}. The install script (option 10)", number=1))
    made = demo.make_installer()
    screen.command(str(made.script))
    screen.title(message("{number}. On the slave: sh {script} --start", number=2, script=made.script.name))
    draw_script_output(screen, demo.run_installer(made))
    screen.title(message("{number}. Build and register (option 11)", number=3))
    with BuildProgress(screen) as progress:
        report = demo.build(progress)
    if report.status is not BuildStatus.SUCCESS:
        draw_report(screen, report, None)
        return report, {"build": report.as_json(), "curl": None}
    line = demo.curl_line(report.slave_id)
    draw_report(screen, report, None)
    screen.title(message("{number}. Call it with curl", number=4))
    screen.command(line)
    draw_answer(screen, _checked(demo.try_curl(line)))
    return report, {"build": report.as_json(), "curl": line}


def _checked(answer: str) -> dict[str, Any]:
    """The agent's answer about its host; empty where there is no curl."""
    if not answer:
        return {}
    try:
        document = json.loads(answer)
    except ValueError as error:
        raise BuildFailed("the agent's answer is not JSON: {answer}", AGAIN, answer=answer[:200]) from error
    if not isinstance(document, dict) or "hostname" not in document:
        raise D8Error("the agent's answer is not the one expected: {answer}", AGAIN, answer=answer[:200])
    return document
