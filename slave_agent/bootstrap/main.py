"""The way in: reads the command line, puts the parts together, listens, and stops in good order."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import socket
import sys
import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import Sequence

from slave_agent.bootstrap.api import Api
from slave_agent.bootstrap.authentication import Authenticator, expiry_problem
from slave_agent.bootstrap.command_log import CommandLog
from slave_agent.bootstrap.configuration import BOOTSTRAP_VERSION, Configuration, read_configuration
from slave_agent.bootstrap.errors import BootstrapError, PortTaken
from slave_agent.bootstrap.host_facts import local_addresses
from slave_agent.bootstrap.jobs import JobStore, SupervisorLauncher, package_supervisor
from slave_agent.bootstrap.pid_file import hold_pid_file, stop_server
from slave_agent.bootstrap.port_check import check_port
from slave_agent.bootstrap.port_owner import describe_owner, find_port_owner, stop_command
from slave_agent.bootstrap.server import SlaveServer, bind_socket, passed_socket, tls_context
from slave_agent.bootstrap.supervisor import run_job
from slave_agent.bootstrap.texts import banner, say
from slave_agent.bootstrap.uploads import UploadFolder


def supervisor_command() -> list[str]:
    """Return what runs a job's supervisor: this very file where it is the one-file server, else the package."""
    own = Path(__file__).resolve()
    if own.with_name("supervisor.py").exists():
        return package_supervisor(sys.executable, own.parents[2])
    return [sys.executable, "-I", "-S", str(own), "--run-job"]


def listen(configuration: Configuration) -> socket.socket:
    """Return the socket to serve: systemd's, or our own. Raises PortTaken, which says by whom."""
    passed = passed_socket(os.environ, os.getpid())
    if passed is not None:
        return passed
    language, port = configuration.language, configuration.port
    try:
        return bind_socket(configuration.bind, port)
    except OSError as problem:
        if problem.errno != errno.EADDRINUSE:
            message = say(language, "no_bind", bind=configuration.bind, port=port, reason=problem.strerror)
            raise PortTaken(message, say(language, "no_bind_hint")) from problem
        raise port_taken(port, language) from problem


def port_taken(port: int, language: str) -> PortTaken:
    """Return the error that says who holds the port and what to do."""
    owner = find_port_owner(port)
    message = say(language, "taken", port=port, owner=describe_owner(owner, port, language))
    return PortTaken(message, say(language, "taken_hint", command=stop_command(owner, port)))


def serve(configuration: Configuration) -> None:
    """Serve until SIGTERM or Ctrl+C. Raises BootstrapError where that can't begin."""
    pid_file = hold_pid_file(configuration.pid_file, configuration.language)
    log = CommandLog(configuration.log_file, configuration.language)
    stopping = threading.Event()
    context = tls_context(configuration) if configuration.tls else None
    listener = listen(configuration)
    launcher = SupervisorLauncher(supervisor_command(), configuration.privilege == "auto")
    uploads = UploadFolder(configuration.work_dir)
    jobs = JobStore(configuration.jobs_dir, launcher, configuration.work_dir, on_start=log.began, on_end=log.ended)
    authenticator = Authenticator(configuration.token_sha256, configuration.expires)
    server = SlaveServer(listener, context, Api(configuration, jobs, uploads, authenticator, stopping), log)
    announce(configuration, server.port)
    for job_id in jobs.recover():
        log.note(f"[{job_id}] {say(configuration.language, 'picked_up')}")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    threading.Thread(target=server.serve_forever, name="accept", daemon=True).start()
    stopping.wait()
    log.note(say(configuration.language, "stopping"))
    server.shutdown()
    server.server_close()
    server.finish_replies()
    os.close(pid_file)


def announce(configuration: Configuration, port: int) -> None:
    """Print the banner, and a warning where the installer has expired."""
    print(banner(configuration.language, port, configuration.master, configuration.tls), flush=True)
    now = datetime.now(timezone.utc)
    if configuration.expires is not None and expiry_problem(configuration.expires, now):
        times = {"expires": f"{configuration.expires:%Y-%m-%d %H:%M} UTC", "now": f"{now:%Y-%m-%d %H:%M} UTC"}
        print(say(configuration.language, "expired", **times), flush=True)


def command_line() -> argparse.ArgumentParser:
    """Return the options of slave_server.py."""
    parser = argparse.ArgumentParser(prog="slave_server.py", description="D8 bootstrap: runs commands for the master.")
    parser.add_argument("--config", type=Path, metavar="PATH", help="default: config.json beside this file")
    parser.add_argument("--version", action="version", version=BOOTSTRAP_VERSION)
    verbs = parser.add_mutually_exclusive_group()
    verbs.add_argument(
        "--stop", action="store_true", help="stop the server of this folder and the jobs it left running"
    )
    verbs.add_argument("--check-port", action="store_true", help="say whether the port is free, and else who holds it")
    verbs.add_argument("--addresses", action="store_true", help="print the addresses of this machine")
    verbs.add_argument("--run-job", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    return parser


def run_verb(options: argparse.Namespace, configuration: Configuration) -> int:
    """Do what was asked for, and return the exit code."""
    if options.check_port:
        state, message = check_port(configuration)
        print(message)
        return int(state)
    if options.stop:
        stop_server(configuration.pid_file)
        launcher = SupervisorLauncher(supervisor_command(), may_use_privilege=False)
        jobs = JobStore(configuration.jobs_dir, launcher, configuration.work_dir)
        for job_id in jobs.recover():
            jobs.cancel(job_id)
    else:
        serve(configuration)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code: 0, or 1 with the reason and what to do on standard error."""
    options = command_line().parse_args(arguments)
    if options.run_job is not None:
        return run_job(options.run_job)
    if options.addresses:
        print("\n".join(local_addresses()))
        return 0
    os.umask(0o077)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        path = options.config or Path(__file__).resolve().with_name("config.json")
        return run_verb(options, read_configuration(path))
    except BootstrapError as problem:
        print(f"{problem.message}\n{problem.hint}".rstrip(), file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
