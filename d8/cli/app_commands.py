"""The commands about apps: their words. What they do is in d8.cli.apps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import click

from d8.app_models import NONE, AppKind, AppVerb, LogFilter
from d8.cli.options import common
from d8.cli.run import Run
from d8.errors import ExitCode, UsageError

Function = TypeVar("Function", bound=Callable[..., Any])
KINDS = tuple(kind.value for kind in AppKind)
RESTARTS = ("no", "on-failure", "always")
HARDENINGS = ("standard", "strict", "off")
MOST_LINES = 5000


@click.command(help="Show the apps of a slave (option 2).")
@click.argument("slave", metavar="SLAVE")
@click.option("--watch", "is_watching", is_flag=True, help="Keep the table up to date until Ctrl+C.")
@common
@click.pass_obj
def apps(run: Run, slave: str, is_watching: bool) -> ExitCode:
    from d8.cli.apps import answer_apps

    return answer_apps(run, slave, is_watching)


@click.group(help="Register an app on a slave, control, change or remove it (options 3 and 4).")
@click.argument("slave", metavar="SLAVE")
@click.pass_context
def app(ctx: click.Context, slave: str) -> None:
    ctx.meta["slave"] = slave


def _verb(verb: AppVerb, help: str) -> None:
    @app.command(verb.value, help=help)
    @click.argument("name", metavar="NAME")
    @common
    @click.pass_context
    def command(ctx: click.Context, name: str) -> ExitCode:
        from d8.cli.apps import answer_verb

        return answer_verb(ctx.obj, ctx.meta["slave"], verb, name)


_verb(AppVerb.START, help="Start an app and see that it stays up.")
_verb(AppVerb.STOP, help="Stop an app.")
_verb(AppVerb.RESTART, help="Restart an app and see that it stays up.")
_verb(AppVerb.ENABLE, help="Let an app start with the slave.")
_verb(AppVerb.DISABLE, help="Let an app no longer start with the slave.")


@app.command(help="Show an app, its configuration and its last lines.")
@click.argument("name", metavar="NAME")
@common
@click.pass_context
def status(ctx: click.Context, name: str) -> ExitCode:
    from d8.cli.apps import answer_status

    return answer_status(ctx.obj, ctx.meta["slave"], name)


@app.command(help="Stop an app and remove everything that was installed for it; its own files stay.")
@click.argument("name", metavar="NAME")
@common
@click.pass_context
def remove(ctx: click.Context, name: str) -> ExitCode:
    from d8.cli.apps import answer_remove

    return answer_remove(ctx.obj, ctx.meta["slave"], name)


class OrNone(click.IntRange):
    """A number, or the word that takes the field away."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number or the word."""
        return value if value == NONE else super().convert(value, param, ctx)


def described(function: Function) -> Function:
    """Given a command's function, give it the options that describe an app, save the ones that it needs."""
    for option in reversed(DESCRIPTION):
        function = option(function)
    return function


DESCRIPTION: tuple[Callable[[Any], Any], ...] = (
    click.option("--env", multiple=True, metavar="NAME=VALUE", help="A variable of its environment; repeatable."),
    click.option(
        "--env-file", multiple=True, metavar="FILE", help="NAME=VALUE lines; - reads them from the standard input."
    ),
    click.option("--arg", multiple=True, metavar="WORD", help="An argument of the script; repeatable."),
    click.option("--interpreter", metavar="PATH", help="The python or node to use; found by the slave otherwise."),
    click.option("--host", metavar="ADDRESS", help="The address that uvicorn listens on."),
    click.option("--port", type=OrNone(1, 65535), metavar="PORT", help="The port that the app listens on."),
    click.option("--memory", metavar="SIZE", help="The most memory that it may use: 256M."),
    click.option("--cpu", metavar="PERCENT", help="The most of one processor that it may use: 50%."),
    click.option("--tasks", type=OrNone(1), metavar="COUNT", help="The most processes and threads."),
    click.option("--hardening", type=click.Choice(HARDENINGS), help="How much of the slave it can reach."),
    click.option("--after", multiple=True, metavar="UNIT", help="Start it after this unit; repeatable."),
    click.option("--wants", multiple=True, metavar="UNIT", help="Start this unit with it; repeatable."),
    click.option("--description", metavar="TEXT", help="What it is, in a few words."),
    click.option(
        "--stabilisation",
        "stabilisation_seconds",
        type=click.FloatRange(0),
        metavar="SECONDS",
        help="How long it has to stay up to count as started.",
    ),
)


@app.command(help="Install an app as a service of the slave and start it; nothing is left if it does not stay up.")
@click.option("--name", required=True, metavar="NAME", help="What it is called: shop-api.")
@click.option("--kind", type=click.Choice(KINDS), help="What it is; guessed from the script unless told.")
@click.option(
    "--script",
    required=True,
    metavar="SCRIPT",
    help="A file (node, python), a script of package.json (npm), a module, MODULE:ATTRIBUTE (fastapi).",
)
@click.option("--user", required=True, metavar="USER", help="The user of the slave that it runs as.")
@click.option(
    "--working-dir", metavar="FOLDER", help="The folder on the slave that it runs in; a script file's own unless told."
)
@click.option("--restart", type=click.Choice(RESTARTS), help="When systemd starts it again; on-failure unless told.")
@described
@common
@click.pass_context
def register(ctx: click.Context, /, **options: Any) -> ExitCode:
    from d8.cli.apps import answer_register

    return answer_register(ctx.obj, ctx.meta["slave"], options)


@app.command(
    help="Change an app: only what is named; `none` takes a limit, port, host, interpreter, --after or --wants away. "
    "What does not stay up is put back."
)
@click.argument("name", metavar="NAME")
@click.option("--script", metavar="SCRIPT", help="Another script, in the form of its kind.")
@click.option("--user", metavar="USER", help="The user of the slave that it runs as.")
@click.option("--working-dir", metavar="FOLDER", help="The folder on the slave that it runs in.")
@click.option("--no-args", is_flag=True, help="Take its arguments away.")
@click.option("--unset", multiple=True, metavar="NAME", help="Take a variable out of its environment; repeatable.")
@click.option("--restart", "restart_now", is_flag=True, help="Restart it, so that the change takes effect.")
@click.option("--restart-policy", "restart", type=click.Choice(RESTARTS), help="When systemd starts it again.")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@described
@common
@click.pass_context
def edit(ctx: click.Context, /, name: str, **options: Any) -> ExitCode:
    from d8.cli.apps import answer_edit

    return answer_edit(ctx.obj, ctx.meta["slave"], name, options)


@click.command(help="Show the log of an app, or follow it (option 5).")
@click.argument("slave", metavar="SLAVE")
@click.argument("name", metavar="APP")
@click.option("-f", "--follow", "follows", is_flag=True, help="Show new lines as they come, until Ctrl+C.")
@click.option("--lines", type=click.IntRange(1, MOST_LINES), default=100, metavar="N", help="How many old lines; 100.")
@click.option("--priority", metavar="PRIORITY", help="This bad or worse: err, warning, info, debug, or 0 to 7.")
@click.option("--since", metavar="MOMENT", help="From then on: 10m, 2h, 1d (ago), 14:30, 2026-11-22 14:30.")
@click.option("--until", metavar="MOMENT", help="Up to then; not with -f.")
@click.option("--grep", metavar="TEXT", help="Only lines with this text.")
@common
@click.pass_obj
def logs(
    run: Run,
    slave: str,
    name: str,
    follows: bool,
    lines: int,
    priority: str | None,
    since: str | None,
    until: str | None,
    grep: str | None,
) -> ExitCode:
    from d8.actions.log_form import parse_moment, parse_priority
    from d8.cli.apps import answer_logs

    if follows and until:
        raise UsageError("-f follows without an end: --until does not go with it", "Leave one of them out.")
    now = datetime.now().astimezone()
    wanted = LogFilter(
        lines,
        parse_moment(since, now) if since else None,
        parse_moment(until, now) if until else None,
        parse_priority(priority) if priority else None,
        grep or None,
    )
    return answer_logs(run, slave, name, wanted, follows)
