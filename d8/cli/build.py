"""The command `build`: one host or many at once, progress on the way, one document at the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from d8.actions.build import Ask, Wanted, build_slave, build_slaves, cancel_them, overall_exit_code
from d8.actions.hosts import NamedHost, hosts_of_file, parse_hosts
from d8.actions.trust import show_trust
from d8.cli.run import Run
from d8.errors import Cancelled, ExitCode
from d8.fleet.names import Address
from d8.menu.interruption import Pausable, ask_what_to_do, can_ask
from d8.menu.views.many import ManyProgress, draw_summary
from d8.menu.views.progress import BuildProgress
from d8.menu.views.results import draw_report
from d8.messages import message
from d8.models import BuildReport


def build_hosts(run: Run, hosts: Sequence[str], list_file: Path | None, wanted: Wanted) -> ExitCode:
    """Given hosts, a file with more of them and how they are wanted, build them; a failed one stops no other."""
    named = [NamedHost(host) for host in hosts] + (hosts_of_file(list_file) if list_file else [])
    found = parse_hosts(named, run.settings.slave_port)
    for address in found.repeated:
        run.screen.note(message("{host} is named more than once: it is built once", host=address))
    if not run.confirmed(message("Build {hosts} now?", hosts=", ".join(map(str, found.addresses)))):
        raise Cancelled("Nothing was done.")
    if len(found.addresses) == 1:
        return _build_one(run, found.addresses[0], wanted)
    return _build_many(run, found.addresses, wanted)


def _build_one(run: Run, address: Address, wanted: Wanted) -> ExitCode:
    with BuildProgress(run.screen) as progress:
        report = build_slave(run.workplace, address, progress, wanted, ask_of(run, progress))
    run.answer(report.as_json(), lambda screen: draw_report(screen, report, _curl(run, report)))
    return report.exit_code


def _build_many(run: Run, addresses: Sequence[Address], wanted: Wanted) -> ExitCode:
    with ManyProgress(run.screen, addresses) as progress:
        ask = ask_of(run, progress)
        reports = build_slaves(run.workplace, addresses, progress.observer_of, wanted, ask, progress.tell)
    pairs = list(zip(addresses, reports, strict=True))
    document = {
        "builds": [report.as_json() for _, report in pairs if report],
        "not_begun": [str(address) for address, report in pairs if report is None],
    }
    run.answer(document, lambda screen: draw_summary(screen, addresses, reports))
    return overall_exit_code(reports)


def _curl(run: Run, report: BuildReport) -> str | None:
    return show_trust(run.workplace, (report.slave.slave_id,)).lines[0].command if report.slave else None


def ask_of(run: Run, view: Pausable) -> Ask:
    """Whom Ctrl+C asks: the operator at a terminal; nobody with --yes or --json, and then it cancels."""
    if run.is_yes or run.wants_json or not can_ask():
        return cancel_them
    prompts = run.prompts
    return lambda: ask_what_to_do(view, run.screen, prompts)
