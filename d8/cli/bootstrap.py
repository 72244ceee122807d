"""The command `bootstrap`: from a machine with an ssh server to a registered slave."""

from __future__ import annotations

import sys

from d8.actions.bootstrap import BootstrapSlave, Operator
from d8.actions.build import build_slave
from d8.actions.trust import show_trust
from d8.cli.build import ask_of
from d8.cli.run import Run
from d8.errors import ExitCode
from d8.fleet.ssh_target import Target
from d8.menu.views.bootstrap import draw_installed, show_script_line
from d8.menu.views.progress import BuildProgress
from d8.menu.views.results import draw_report


def bootstrap_host(run: Run, target: Target, accepted_host_key: str | None) -> ExitCode:
    """Given the target and the fingerprint that the operator accepts, install and build; return the build's code."""
    bootstrap = BootstrapSlave(
        run.workplace,
        target,
        operator_of(run),
        lambda line: show_script_line(run.screen, line),
        accepted_host_key,
    )
    key = bootstrap.install_if_needed()
    draw_installed(run.screen, target, key)
    with BuildProgress(run.screen) as progress:
        report = build_slave(run.workplace, bootstrap.address, progress, ask=ask_of(run, progress))
    ssh = {
        "host": target.host,
        "port": target.port,
        "user": target.user,
        "host_key": key.fingerprint if key else None,
    }
    curl = show_trust(run.workplace, (report.slave.slave_id,)).lines[0].command if report.slave else None
    run.answer({"ssh": ssh, "build": report.as_json()}, lambda screen: draw_report(screen, report, curl))
    return report.exit_code


def operator_of(run: Run) -> Operator:
    """Who can be asked: nobody with --yes or --json, nor where there is no terminal."""
    if run.is_yes or run.wants_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return Operator()
    prompts = run.prompts
    return Operator(accepts_host_key=prompts.confirm, secret=prompts.secret)
