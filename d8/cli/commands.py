"""The commands: each reads its words, calls one action and answers.

Libraries are loaded by the command that needs them, so that every other one starts at once.
"""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from d8.cli.app_commands import app, apps, logs
from d8.cli.options import WithForeignWords, common
from d8.cli.run import Run
from d8.cli.trust import audit, trust
from d8.cli.update_commands import rollback, update
from d8.errors import Cancelled, ExitCode, UsageError
from d8.models import StrategyName

if TYPE_CHECKING:
    from d8.menu.views.screen import Screen

STRATEGIES = tuple(name.value for name in StrategyName)
PLATFORMS = ("linux", "windows", "all")
LONGEST_GOODBYE_SECONDS = 5.0


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="D8: builds slaves over HTTP and looks after them. Without a command the menu opens.",
)
@click.pass_context
def d8(ctx: click.Context) -> ExitCode | None:
    return ctx.invoke(menu) if ctx.invoked_subcommand is None else None


for command in (apps, app, logs, trust, audit, update, rollback):
    d8.add_command(command)


@d8.command(help="Open the numbered menu.")
@click.pass_obj
def menu(run: Run) -> ExitCode:
    from d8.actions.requests import send_in_background
    from d8.cli.failures import write_crash_log
    from d8.menu.app import run_menu

    if run.wants_json or run.is_yes:
        raise UsageError("the menu asks and draws: it takes neither --json nor --yes", "Use the command instead.")
    conversation = run.conversation
    sending = send_in_background(run.settings)
    code = run_menu(conversation, lambda failure: write_crash_log(failure, run.settings))
    sending.join(LONGEST_GOODBYE_SECONDS)
    return code


@d8.command(help="Try it all against a slave on this machine.")
@click.option("--keep", is_flag=True, help="Leave the slave of the demo running.")
@common
@click.pass_obj
def demo(run: Run, keep: bool) -> ExitCode:
    from d8.cli.demo import run_demo

    return run_demo(run, keep)


@d8.command(help="Write the install scripts for slaves (option 10).")
@click.option(
    "--os",
    "platform",
    type=click.Choice(PLATFORMS),
    default="all",
    help="For which slaves; for all unless told otherwise.",
)
@common
@click.pass_obj
def installer(run: Run, platform: str) -> ExitCode:
    from d8.actions.installer import Platform, make_installer
    from d8.menu.views.results import draw_installer

    made = make_installer(run.workplace, datetime.now(UTC), Platform(platform))
    run.answer(made.as_json(), lambda screen: draw_installer(screen, made))
    return ExitCode.DONE


@d8.command(help="Build and register slaves (option 11). HOST is an IP address or a name, with :PORT if need be.")
@click.argument("hosts", metavar="HOST...", nargs=-1)
@click.option("--from", "list_file", type=click.Path(path_type=Path), metavar="FILE", help="More hosts, one a line.")
@click.option("--strategy", type=click.Choice(STRATEGIES), help="Try this one alone.")
@click.option("--resume", "resumes", is_flag=True, help="Go on with a build that was killed or detached.")
@common
@click.pass_obj
def build(run: Run, hosts: tuple[str, ...], list_file: Path | None, strategy: str | None, resumes: bool) -> ExitCode:
    from d8.actions.build import Wanted
    from d8.cli.build import build_hosts

    wanted = Wanted(StrategyName(strategy) if strategy else None, resumes)
    return build_hosts(run, hosts, list_file, wanted)


@d8.command(help="Install over SSH, then build (option 12). HOST is [USER@]ADDRESS, with ssh's :PORT if need be.")
@click.argument("host", metavar="HOST")
@click.option("--user", metavar="NAME", help="Who logs in there; pi unless told otherwise.")
@click.option("--port", type=click.IntRange(1, 65535), metavar="PORT", help="The port of its ssh server; 22.")
@click.option("--key", type=click.Path(path_type=Path), metavar="FILE", help="The private key to log in with.")
@click.option(
    "--accept-host-key", "fingerprint", metavar="SHA256:...", help="Pin the host key with this fingerprint, unasked."
)
@common
@click.pass_obj
def bootstrap(
    run: Run, host: str, user: str | None, port: int | None, key: Path | None, fingerprint: str | None
) -> ExitCode:
    from d8.cli.bootstrap import bootstrap_host
    from d8.fleet.ssh_host_keys import parse_fingerprint
    from d8.fleet.ssh_target import parse_target

    target = parse_target(host, user, port, key)
    return bootstrap_host(run, target, parse_fingerprint(fingerprint) if fingerprint else None)


@d8.command(help="List the registered slaves without asking them.")
@common
@click.pass_obj
def slaves(run: Run) -> ExitCode:
    from d8.actions.status import slave_as_json
    from d8.menu.views.tables import draw_slaves

    known = run.workplace.registry.slaves()
    run.answer({"slaves": [slave_as_json(slave) for slave in known]}, lambda screen: draw_slaves(screen, known))
    return ExitCode.DONE


@d8.command(help="Print the registered slaves as an inventory for Ansible.")
@common
@click.pass_obj
def inventory(run: Run) -> ExitCode:
    from d8.actions.inventory import inventory_of

    document = inventory_of(run.workplace.registry.slaves())
    run.answer(document, lambda screen: screen.raw("stdout", json.dumps(document, indent=2) + "\n"))
    return ExitCode.DONE


@d8.command(help="Ask every slave how it is (option 1).")
@common
@click.pass_obj
def status(run: Run) -> ExitCode:
    from d8.actions.catch_up import catch_up
    from d8.actions.status import fleet_exit_code, fleet_status
    from d8.actions.versions import note_versions
    from d8.menu.views.tables import draw_fleet
    from d8.menu.views.trust import draw_owed

    commit = run.master_commit
    catch_up(run.workplace)
    statuses, owed = fleet_status(run.workplace, commit), run.workplace.registry.pending.all()
    note_versions(run.workplace, statuses, commit)
    document = {
        "commit": commit,
        "slaves": [one.as_json() for one in statuses],
        "pending": [one.as_json() for one in owed],
    }

    def draw(screen: Screen) -> None:
        draw_fleet(screen, statuses, commit)
        draw_owed(screen, owed)

    run.answer(document, draw)
    return fleet_exit_code(statuses)


@d8.command(help="Show one slave and its host.")
@click.argument("name", metavar="ID")
@common
@click.pass_obj
def slave(run: Run, name: str) -> ExitCode:
    from d8.actions.status import fleet_exit_code, slave_as_json, slave_status
    from d8.menu.views.tables import draw_slave

    found, system = slave_status(run.workplace, name, run.master_commit)
    document = {"slave": slave_as_json(found.slave), "status": found.as_json(), "system": system}
    run.answer(document, lambda screen: draw_slave(screen, found, system))
    return fleet_exit_code([found])


@d8.command("exec", cls=WithForeignWords, help="Run a command on slaves, at the same time.")
@click.argument("names", metavar="SLAVE... -- COMMAND", nargs=-1, required=True)
@common
@click.pass_context
def exec_(ctx: click.Context, names: tuple[str, ...]) -> ExitCode:
    from d8.actions.execute import execute, executions_exit_code
    from d8.menu.views.tables import draw_executions

    run: Run = ctx.obj
    words: list[str] = ctx.meta["foreign"]
    if not words:
        raise UsageError(
            "exec got no command", "Put it after two dashes: start_d8.py exec slave-192-168-4-25 -- uptime"
        )
    command = words[0] if len(words) == 1 else shlex.join(words)
    outcomes = execute(run.workplace, names, command, None if run.wants_json else run.screen.raw)
    document = {"command": command, "results": [outcome.as_json() for outcome in outcomes]}
    run.answer(document, lambda screen: draw_executions(screen, run.error_screen, outcomes))
    return executions_exit_code(outcomes)


@d8.command(help="List the build logs, or show one (option 7).")
@click.argument("name", metavar="[ID]", required=False)
@common
@click.pass_obj
def builds(run: Run, name: str | None) -> ExitCode:
    from d8.actions.builds import find_build, list_builds
    from d8.menu.views.tables import draw_build, draw_builds

    data_dir = run.settings.data_dir
    if name:
        document = find_build(data_dir, name)
        run.answer(document, lambda screen: draw_build(screen, document))
    else:
        found = list_builds(data_dir)
        run.answer({"builds": [one.as_json() for one in found]}, lambda screen: draw_builds(screen, found))
    return ExitCode.DONE


@d8.command(help="List the requests to people, or show one (option 8).")
@click.argument("number", metavar="[ID]", type=int, required=False)
@click.option("--send", "is_sending", is_flag=True, help="Send what waits for Telegram now.")
@click.option("--close", "closed", metavar="ID", type=int, help="Close a request: it is settled.")
@common
@click.pass_obj
def requests(run: Run, number: int | None, is_sending: bool, closed: int | None) -> ExitCode:
    from d8.cli.requests import answer_requests

    return answer_requests(run, number, is_sending, closed)


@d8.command(help="Uninstall and forget a slave (option 16).")
@click.argument("name", metavar="SLAVE")
@click.option("--forget", is_flag=True, help="Forget it even if its agent can't be uninstalled.")
@common
@click.pass_obj
def remove(run: Run, name: str, forget: bool) -> ExitCode:
    from d8.actions.app_loss import apps_to_lose, removal_question
    from d8.actions.remove import find_removable, remove_slave
    from d8.menu.views.results import draw_removal

    found = find_removable(run.workplace, name)
    apps = apps_to_lose(run.workplace, found.slave_id)
    if not run.confirmed(removal_question(found.slave_id, apps)):
        raise Cancelled("Nothing was done.")
    removal = remove_slave(run.workplace, found.slave_id, forget)
    run.answer(removal.as_json(), lambda screen: draw_removal(screen, removal))
    return ExitCode.PARTLY_DONE if removal.is_pending else ExitCode.DONE


@d8.command(help="Check this master (option 9).")
@common
@click.pass_obj
def doctor(run: Run) -> ExitCode:
    from d8.actions.checks import doctor_exit_code
    from d8.actions.doctor import examine_all
    from d8.menu.views.tables import draw_checks

    checks = examine_all(run.workplace)
    run.answer({"checks": [check.as_json() for check in checks]}, lambda screen: draw_checks(screen, checks))
    return doctor_exit_code(checks)
