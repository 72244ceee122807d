"""The command `build`: one host after the other, progress on the way, one document at the end."""

from __future__ import annotations

from collections.abc import Sequence

from d8.actions.build import build_slave, overall_exit_code, parse_hosts
from d8.actions.trust import show_trust
from d8.cli.run import Run
from d8.errors import Cancelled, ExitCode
from d8.menu.views.progress import BuildProgress
from d8.menu.views.results import draw_report
from d8.menu.views.screen import Screen
from d8.messages import message
from d8.models import BuildReport, BuildStatus


def build_hosts(run: Run, hosts: Sequence[str]) -> ExitCode:
    """Given the hosts, build them in their order; a failed one does not stop the next, Ctrl+C does."""
    addresses = parse_hosts(hosts, run.settings.slave_port)
    if not run.confirmed(message("Build {hosts} now?", hosts=", ".join(map(str, addresses)))):
        raise Cancelled("Nothing was done.")
    reports: list[BuildReport] = []
    for address in addresses:
        if len(addresses) > 1:
            run.screen.title(message("{address}", address=address))
        with BuildProgress(run.screen) as progress:
            reports.append(build_slave(run.workplace, address, progress))
        if not run.wants_json:
            _draw(run, run.screen, reports[-1])
        if reports[-1].status is BuildStatus.CANCELLED:
            break
    if run.wants_json:
        documents = [report.as_json() for report in reports]
        run.answer(documents[0] if len(addresses) == 1 else {"builds": documents}, lambda _screen: None)
    return overall_exit_code(reports)


def _draw(run: Run, screen: Screen, report: BuildReport) -> None:
    curl = show_trust(run.workplace, (report.slave.slave_id,)).lines[0].command if report.slave else None
    draw_report(screen, report, curl)
