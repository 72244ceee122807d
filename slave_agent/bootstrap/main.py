"""The way in: reads the command line and does what it asks for."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Sequence

from slave_agent.bootstrap.configuration import BOOTSTRAP_VERSION, Configuration, read_configuration
from slave_agent.bootstrap.daemon import reachable_hosts, start_in_background
from slave_agent.bootstrap.errors import BootstrapError
from slave_agent.bootstrap.host_facts import local_addresses
from slave_agent.bootstrap.host_system import HAS_POSIX
from slave_agent.bootstrap.jobs import JobStore, SupervisorLauncher
from slave_agent.bootstrap.pid_file import stop_server
from slave_agent.bootstrap.plain_supervisor import PlainSupervisor
from slave_agent.bootstrap.port_check import check_port
from slave_agent.bootstrap.serving import serve, supervisor_command
from slave_agent.bootstrap.supervisor import Supervisor, run_job

VERBS = {
    "--start": "start in the background, and return once it answers",
    "--stop": "stop the server of this folder; its jobs go on",
    "--stop-all": "stop the server of this folder and its jobs",
    "--check-port": "say whether the port is free, and else who holds it",
    "--addresses": "print the addresses under which it answers",
}


def command_line() -> argparse.ArgumentParser:
    """Return the options of slave_server.py."""
    parser = argparse.ArgumentParser(prog="slave_server.py", description="D8 bootstrap: runs commands for the master.")
    parser.add_argument("--config", type=Path, metavar="PATH", help="default: config.json beside this file")
    parser.add_argument("--folder", type=Path, help="whose server is meant; default: the folder of the configuration")
    parser.add_argument("--version", action="version", version=BOOTSTRAP_VERSION)
    verbs = parser.add_mutually_exclusive_group()
    for name, meaning in VERBS.items():
        verbs.add_argument(name, action="store_true", help=meaning)
    verbs.add_argument("--run-job", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    return parser


def cancel_jobs(configuration: Configuration) -> None:
    """Cancel all running jobs of a server that has been stopped, and wait until they have ended."""
    launcher = SupervisorLauncher(supervisor_command(), may_use_privilege=False)
    jobs = JobStore(configuration.jobs_dir, launcher, configuration.work_dir)
    for job_id in jobs.recover():
        jobs.cancel(job_id)


def run_verb(options: argparse.Namespace, configuration: Configuration) -> int:
    """Do what was asked for, and return the exit code."""
    if options.check_port:
        state, message = check_port(configuration)
        print(message)
        return int(state)
    if options.addresses:
        print("\n".join(reachable_hosts(configuration.bind, local_addresses())))
        return 0
    if options.start:
        return start_in_background(configuration)
    if options.stop or options.stop_all:
        stop_server(configuration.pid_file)
        if options.stop_all:
            cancel_jobs(configuration)
    else:
        serve(configuration)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code: 0, or 1 with the reason and what to do on standard error."""
    options = command_line().parse_args(arguments)
    if options.run_job is not None:
        return run_job(options.run_job, Supervisor if HAS_POSIX else PlainSupervisor)
    os.umask(0o077)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        path = options.config or Path(__file__).resolve().with_name("config.json")
        configuration = read_configuration(path)
        if options.folder is not None:
            configuration = replace(configuration, folder=options.folder.resolve())
        return run_verb(options, configuration)
    except BootstrapError as problem:
        print(f"{problem.message}\n{problem.hint}".rstrip(), file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
