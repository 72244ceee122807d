"""The commands that change which release slaves run: update, rollback."""

from __future__ import annotations

import click

from d8.cli.options import common
from d8.cli.run import Run
from d8.errors import Cancelled, ExitCode, UsageError
from d8.messages import message

AT_ONCE = 4
MAX_FAILURES = 1


@click.command(help="Bring slaves to the master's commit (option 15). The first one goes alone, as a canary.")
@click.argument("names", metavar="[SLAVE...]", nargs=-1)
@click.option("--all", "is_all", is_flag=True, help="Every registered slave.")
@click.option(
    "--max-failures",
    type=click.IntRange(1, 1000),
    default=MAX_FAILURES,
    metavar="N",
    help="Begin no more once so many have failed; 1.",
)
@click.option(
    "--at-once",
    type=click.IntRange(1, 64),
    default=AT_ONCE,
    metavar="N",
    help="How many at the same time, after the first; 4.",
)
@common
@click.pass_obj
def update(run: Run, names: tuple[str, ...], is_all: bool, max_failures: int, at_once: int) -> ExitCode:
    from d8.actions.status import fleet_status
    from d8.actions.update import update_exit_code, update_slaves
    from d8.actions.versions import note_versions
    from d8.menu.views.updates import draw_outcomes, teller, update_question

    if bool(names) == is_all:
        raise UsageError("say which slaves, or --all", "start_d8.py update slave-192-168-4-25")
    registry = run.workplace.registry
    named = registry.slaves() if is_all else [registry.slave(name) for name in names]
    slaves = list({slave.slave_id: slave for slave in named}.values())
    if slaves and not run.confirmed(update_question(slaves)):
        raise Cancelled("Nothing was done.")
    outcomes = update_slaves(run.workplace, slaves, teller(run.error_screen), max_failures, at_once)
    note_versions(run.workplace, fleet_status(run.workplace, run.master_commit), run.master_commit)
    document = {"commit": run.master_commit, "slaves": [one.as_json() for one in outcomes]}
    run.answer(document, lambda screen: draw_outcomes(screen, outcomes))
    return update_exit_code(outcomes)


@click.command(help="Let a slave run the release before its present one (option 6).")
@click.argument("name", metavar="SLAVE")
@common
@click.pass_obj
def rollback(run: Run, name: str) -> ExitCode:
    from d8.actions.update import roll_back_slave
    from d8.menu.views.updates import draw_outcomes, teller

    slave = run.workplace.registry.slave(name)
    if not run.confirmed(message("Let {slave} go back to the release before?", slave=slave.slave_id)):
        raise Cancelled("Nothing was done.")
    outcome = roll_back_slave(run.workplace, slave, teller(run.error_screen))
    run.answer(outcome.as_json(), lambda screen: draw_outcomes(screen, [outcome]))
    return ExitCode.DONE
